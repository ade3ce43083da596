"""Runs many episodes, each described by a value, on processes of this machine.

A task holds all that an episode depends on, so its result does not depend on the worker that ran
it, on the number of workers or on the order. ``glass_plan.ray_executor`` runs them on a cluster.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Literal, Protocol

import gymnasium

from glass_plan.constraints import Constraint
from glass_plan.controller import RecedingHorizon
from glass_plan.methods import Sampling
from glass_plan.mppi import Mppi
from glass_plan.planner import Planner
from glass_plan.records import Episode
from glass_plan.rollout import Controller, run_episode
from glass_plan.workers import Crew, T, Task, run_on, single_thread


@dataclass(frozen=True)
class EpisodeTask:
    """One episode of one method.

    Args:
        env_id: of the environment, with its module (``glass_envs:glass_plan/Maze2D-Large-v0``).
        model: checkpoint name or folder.
        sampling: the method.
        seed: of the environment.
        sampler_seed: of the planner.
        constraints: given to an ``aware`` controller; the environment has them in ``env_kwargs``.
        aware: whether the controller knows the constraints.
        fallback: of the controller.
        shield: of the controller.
        observed: of the controller.
        monitored: of the controller.
        latency: of the controller [s].
        controller: that drives.
        env_kwargs: of the environment.
        options: of its reset.
        stop_on_success: end the episode at the first success.
    """

    env_id: str
    model: str
    sampling: Sampling
    seed: int
    sampler_seed: int = 0
    constraints: Constraint | None = None
    aware: bool = True
    fallback: Literal["brake", "follow"] = "brake"
    shield: bool = False
    observed: bool = False
    monitored: bool = True
    latency: float = 0.0
    controller: Literal["receding-horizon", "mppi"] = "receding-horizon"
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] | None = None
    stop_on_success: bool = True

    def __str__(self) -> str:
        return f"episode of {self.env_id}, seed {self.seed}, sampler seed {self.sampler_seed}"

    def run(self) -> Episode:
        """Run it in this process."""
        env = gymnasium.make(self.env_id, **self.env_kwargs)
        try:
            return self.run_in(env)
        finally:
            env.close()

    def run_in(self, env: gymnasium.Env[Any, Any]) -> Episode:
        """Run it in an environment that is as ``env_id`` and ``env_kwargs`` make it."""
        return run_episode(
            env,
            self._controller(_planner(self.model).with_sampling(self.sampling)),
            self.seed,
            sampler_seed=self.sampler_seed,
            options=None if self.options is None else dict(self.options),
            stop_on_success=self.stop_on_success,
        )

    def _controller(self, planner: Planner) -> Controller:
        if self.controller == "mppi":
            return Mppi(planner, self.constraints if self.aware else None)
        return RecedingHorizon(
            planner,
            self.constraints,
            fallback=self.fallback,
            shield=self.shield,
            aware=self.aware,
            observed=self.observed,
            monitored=self.monitored,
            latency=self.latency,
        )


@functools.lru_cache(maxsize=4)
def _planner(model: str) -> Planner:
    return Planner.from_pretrained(model)


class Executor(Protocol):
    """Where tasks are run."""

    def run(self, tasks: Sequence[Task[T]]) -> Iterator[tuple[int, T]]:
        """Run all tasks; yields (index, result) as they end.

        Raises:
            WorkerError: the workers of a task died as often as it may be tried.
        """
        ...


@dataclass(frozen=True)
class Local(Crew):
    """Processes of this machine."""

    def run(self, tasks: Sequence[Task[T]]) -> Iterator[tuple[int, T]]:
        """Run all tasks; yields (index, result) as they end."""
        return run_on(_Process, tasks, crew=self, lost=(BrokenProcessPool,))


HERE = Local()
"""Two processes."""


class _Process:
    """A pool of one process, so that a death tells which task it was."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=single_thread)

    def submit(self, task: Task[T]) -> Future[T]:
        """Begin a task."""
        try:
            return self._pool.submit(task.run)
        except BrokenProcessPool as error:  # it died while idle
            future: Future[T] = Future()
            future.set_exception(error)
            return future

    def close(self) -> None:
        """End the process after its task."""
        self._pool.shutdown()


def run_tasks(tasks: Sequence[Task[T]], workers: int = 2) -> Iterator[tuple[int, T]]:
    """Run all tasks on this machine; yields (index, result) as they end.

    Args:
        tasks: what to run.
        workers: processes, each with one torch thread.
    """
    return Local(workers).run(tasks)
