"""Runs tasks on Ray actors: on a cluster, for those who outgrow one machine.

Every actor holds one processor, the code of model and environment, and the models that its tasks
loaded. Ray itself restarts nothing here: retries and replacements are those of
``glass_plan.workers``, the same as on one machine. All machines need the same versions of
glass_plan, of the environment's package and of the checkpoints. ``ray`` is imported when tasks are
run, not before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from logging import WARNING
from typing import Any

from glass_plan.errors import MissingPackageError
from glass_plan.workers import Crew, T, Task, run_on, single_thread

THIS_MACHINE = "local"
"""Ray's name for a cluster of this machine alone, which ends with the run."""


@dataclass(frozen=True)
class RayActors(Crew):
    """Actors of a Ray cluster.

    Args:
        workers: actors, each with one processor and one torch thread. Those for which the cluster
            has no processor wait for one.
        tries: how often a task is begun at most, if its actors die.
        recycle_after: tasks after which an actor is replaced.
        address: of a running cluster (``auto``: the one that this machine is part of). A program
            that has called ``ray.init`` uses the cluster it is connected to.
    """

    address: str = THIS_MACHINE

    def run(self, tasks: Sequence[Task[T]]) -> Iterator[tuple[int, T]]:
        """Run all tasks; yields (index, result) as they end.

        Raises:
            MissingPackageError: Ray is not installed.
        """
        if not tasks:
            return
        with _connected(self.address, self.workers) as ray:
            actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
            errors = ray.exceptions
            lost = (
                errors.RayActorError,
                errors.NodeDiedError,
                errors.ObjectLostError,
                errors.OutOfMemoryError,
            )
            yield from run_on(lambda: _ActorHandle(ray, actor), tasks, crew=self, lost=lost)


class _Actor:
    """What lives in an actor's process."""

    def __init__(self) -> None:
        single_thread()

    def run(self, task: Task[T]) -> T:
        return task.run()


class _ActorHandle:
    """A worker that is an actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._handle = ray, actor.remote()

    def submit(self, task: Task[T]) -> Future[T]:
        """Begin a task."""
        future: Future[T] = self._handle.run.remote(task).future()
        return future

    def close(self) -> None:
        """End the process."""
        self._ray.kill(self._handle)


@contextmanager
def _connected(address: str, workers: int) -> Iterator[Any]:
    """The module ``ray`` with a cluster, which is left afterwards if it was joined here."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is reported to Ray's makers
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError("ray", "ray") from error
    if ray.is_initialized():
        yield ray
        return
    ray.init(
        address,
        num_cpus=workers if address == THIS_MACHINE else None,  # a running cluster has its own
        include_dashboard=False if address == THIS_MACHINE else None,
        log_to_driver=False,
        logging_level=WARNING,
    )
    try:
        yield ray
    finally:
        ray.shutdown()
