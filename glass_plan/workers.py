"""Runs tasks on worker processes that may die, wherever those live.

A task holds all that its result depends on, so the result does not depend on the worker that ran
it, on the number of workers or on the order. A task whose worker died goes to the end of the queue
and is run again on a new one; workers are replaced after a number of tasks, so that what they leak
stays bounded. Knows nothing of episodes, nor of how a process is made.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch

from glass_plan.errors import RequestError, WorkerError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

logger = logging.getLogger(__name__)


class Task(Protocol[T_co]):
    """What to run: it pickles, and prints as its name."""

    def run(self) -> T_co:
        """The result, from nothing but this value."""
        ...


class Worker(Protocol):
    """One process, which runs one task at a time."""

    def submit(self, task: Task[T]) -> Future[T]:
        """Begin a task."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


@dataclass(frozen=True)
class Crew:
    """How many workers there are, and how much they are trusted.

    Args:
        workers: processes, each with one torch thread.
        tries: how often a task is begun at most, if its workers die.
        recycle_after: tasks after which a worker is replaced.

    Raises:
        RequestError: one of them is below one.
    """

    workers: int = 2
    tries: int = 3
    recycle_after: int = 100

    def __post_init__(self) -> None:
        for name in ("workers", "tries", "recycle_after"):
            if getattr(self, name) < 1:
                raise RequestError(f"executor: {name} must be >= 1, got {getattr(self, name)}")


def single_thread() -> None:
    """What a worker begins with, since it shares the cores with others."""
    torch.set_num_threads(1)


def run_on(
    start: Callable[[], Worker],
    tasks: Sequence[Task[T]],
    *,
    crew: Crew,
    lost: tuple[type[Exception], ...],
) -> Iterator[tuple[int, T]]:
    """Run all tasks; yields (index, result) as they end.

    Args:
        start: makes a worker.
        tasks: what to run.
        crew: how many workers and tries.
        lost: what a future raises whose worker died.

    Raises:
        WorkerError: a task's workers died as often as it may be tried, or so many in a row that no
            worker seems to live. As what a task raises by itself, after what ran beside it was
            yielded.
    """
    shift = _Shift(start, tasks, crew, lost)
    try:
        shift.begin()
        while shift.running:
            ended = shift.collect()
            shift.begin()  # before the caller takes its time
            yield from ended
        if shift.failure is not None:
            raise shift.failure
    finally:
        shift.end()


@dataclass(eq=False)
class _Shift(Generic[T]):
    """What ``run_on`` keeps while it runs; its arguments."""

    start: Callable[[], Worker]
    tasks: Sequence[Task[T]]
    crew: Crew
    lost: tuple[type[Exception], ...]

    def __post_init__(self) -> None:
        self.running: dict[Future[T], tuple[int, Worker]] = {}
        self.failure: Exception | None = None
        self._queue = deque(range(len(self.tasks)))
        self._idle: list[Worker] = []
        self._served: Counter[Worker] = Counter()  # all that are open, with their tasks so far
        self._deaths: Counter[int] = Counter()  # by task
        self._deaths_in_a_row = 0

    def begin(self) -> None:
        """Give every free worker a task; one for which none is left makes room for others."""
        while self._queue and len(self.running) < self.crew.workers:
            worker = self._idle.pop() if self._idle else self.start()
            index = self._queue.popleft()
            self._served[worker] += 1
            self.running[worker.submit(self.tasks[index])] = (index, worker)
        while self._idle:  # on a cluster another one may be waiting for its processor
            self._close(self._idle.pop())

    def collect(self) -> list[tuple[int, T]]:
        """Wait until a task ends; its index and result, or nothing if its worker died."""
        future = next(iter(wait(self.running, return_when=FIRST_COMPLETED).done))
        index, worker = self.running.pop(future)
        try:
            result = future.result()
        except self.lost as error:
            self._close(worker)
            self._try_again(index, error)
            return []
        except Exception as error:  # the task's own: what runs beside it is waited for
            self._idle.append(worker)
            self._queue.clear()
            self.failure = self.failure or error
            return []
        self._deaths_in_a_row = 0
        if self._served[worker] < self.crew.recycle_after:
            self._idle.append(worker)
        else:
            self._close(worker)
        return [(index, result)]

    def end(self) -> None:
        """Close all workers."""
        for worker in list(self._served):
            self._close(worker)

    def _close(self, worker: Worker) -> None:
        del self._served[worker]
        worker.close()

    def _try_again(self, index: int, error: Exception) -> None:
        """Put a task whose worker died at the end of the queue, or give up."""
        self._deaths[index] += 1
        self._deaths_in_a_row += 1
        count, tries = self._deaths[index], self.crew.tries
        told = f"worker died in try {count} of {tries}: {self.tasks[index]}"
        if count < tries and self._deaths_in_a_row < tries * self.crew.workers:
            logger.warning("%s; it is run again", told)
            self._queue.append(index)
            return
        self._queue.clear()
        if self.failure is None:
            failure = WorkerError(
                f"{told} ({type(error).__name__}; deaths in a row: {self._deaths_in_a_row}); look "
                "for what ended the process (memory, signals), then run again what is left"
            )
            failure.__cause__ = error
            self.failure = failure
