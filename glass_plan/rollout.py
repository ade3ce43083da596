"""Runs a controller in a Gymnasium environment and records what really happened.

States and margins are recorded at the physics rate. A step of the environment is one of physics, at
whose end the observation is the state and ``margin_<name>`` the margin, unless its ``info`` has
``times`` (S,), ``states`` (S, n) and ``margins``, by name (S,), of S physics steps; after ``reset``
they are of the start, S = 1. An error inside an episode ends it as a failure and is kept in the
record, with its text. Knows nothing of particular worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from glass_plan.errors import MissingPackageError, RequestError
from glass_plan.records import Decision, Episode

Array = NDArray[np.float64]

DEFAULT_DT = 0.01
"""Time per environment step [s] where the environment does not tell (PointMaze: 100 Hz)."""
REACHED, MEASURE = "reached_", "measure_"
"""Before a name in an environment's ``info``."""


class Controller(Protocol):
    """What ``run_episode`` asks of a controller."""

    @property
    def decisions(self) -> tuple[Decision, ...]: ...

    def reset(self, goal: ArrayLike, seed: int) -> None: ...

    def act(self, observation: Any, time: float) -> Array: ...


def run_episode(
    env: gymnasium.Env[Any, Any],
    controller: Controller,
    seed: int,
    *,
    sampler_seed: int = 0,
    options: dict[str, Any] | None = None,
    stop_on_success: bool = True,
) -> Episode:
    """One episode from reset to its end; success is at the goal, after all that was to be reached.

    Its ``info`` has, as they were last told, ``reached_<name>`` and every ``measure_<name>``, under
    the bare name; and ``success_once`` and ``success_at_end``, what the environment itself called a
    success, whatever else was to be reached.

    Args:
        env: goal environment with the observation keys ``observation`` and ``desired_goal``.
        controller: reset with the goal, then asked at every step.
        seed: of the environment.
        sampler_seed: of the controller, independent of the scene.
        options: of the environment's reset.
        stop_on_success: end at the first success, where the environment itself goes on.
    """
    observation, info = env.reset(seed=seed, options=options)
    goal = np.array(observation["desired_goal"], dtype=np.float64)
    driven, actions = [_Steps.told(observation, info, 0.0)], []
    told: dict[str, float] = {}
    success, error, time = False, None, 0.0
    try:
        controller.reset(goal, sampler_seed)
        ended = False
        while not ended:
            action = np.asarray(controller.act(observation, time), dtype=np.float64)
            observation, _, terminated, truncated, info = env.step(action)
            time = float(info.get("time", time + DEFAULT_DT))
            driven.append(_Steps.told(observation, info, time).like(driven[0]))
            actions.append(action)
            told = _numbers(info, before=told)
            success = success or (bool(info["success"]) and _all_reached(told))
            ended = terminated or truncated or (success and stop_on_success)
    except MissingPackageError:  # which no method is to blame for
        raise
    except Exception as raised:  # whatever it was, the episode is a failure that counts
        error, success = f"{type(raised).__name__}: {raised}", False
    return Episode(
        seed=seed,
        times=np.concatenate([steps.times for steps in driven]),
        states=np.concatenate([steps.states for steps in driven]),
        actions=np.array(actions).reshape(len(actions), *(env.action_space.shape or ())),
        goal=goal,
        success=success,
        margins={
            name: np.concatenate([start[:0], *(steps.margins[name] for steps in driven[1:])])
            for name, start in driven[0].margins.items()
        },
        decisions=controller.decisions,
        error=error,
        info=told,
    )


@dataclass(frozen=True)
class _Steps:
    """S physics steps: times at their ends [s] (S,), states there (S, n), margins by name (S,)."""

    times: Array
    states: Array
    margins: dict[str, Array]

    @classmethod
    def told(cls, observation: Mapping[str, Any], info: Mapping[str, Any], time: float) -> Self:
        """What an environment tells of its last step."""
        if "times" in info:
            margins = {name: _array(margin) for name, margin in info["margins"].items()}
            return cls(_array(info["times"]), _array(info["states"]), margins)
        margins = {
            name.removeprefix("margin_"): _array([margin])
            for name, margin in info.items()
            if name.startswith("margin_")
        }
        return cls(_array([time]), _array([observation["observation"]]), margins)

    def like(self, start: Self) -> Self:
        """These, if they tell of all that was told at the start.

        Raises:
            RequestError: a margin is missing or new, or not everything is told for every step.
        """
        counts = {len(part) for part in (self.times, self.states, *self.margins.values())}
        if len(counts) == 1 and self.margins.keys() == start.margins.keys():
            return self
        sizes = {name: len(margin) for name, margin in self.margins.items()}
        raise RequestError(
            f"run_episode: for each of {len(self.times)} physics steps the environment must tell "
            f"the state and the margins of {', '.join(start.margins) or 'nothing'}, got "
            f"{len(self.states)} states and margins {sizes}"
        )


def _array(value: Any) -> Array:
    return np.array(value, dtype=np.float64)


def _numbers(info: Mapping[str, Any], *, before: Mapping[str, float]) -> dict[str, float]:
    """What an episode's ``info`` keeps of a step's, and of that before."""
    now = float(info["success"])
    return {
        **{name: float(value) for name, value in info.items() if name.startswith(REACHED)},
        **{
            name.removeprefix(MEASURE): float(value)
            for name, value in info.items()
            if name.startswith(MEASURE)
        },
        "success_once": max(now, before.get("success_once", 0.0)),
        "success_at_end": now,
    }


def _all_reached(told: Mapping[str, float]) -> bool:
    return all(value for name, value in told.items() if name.startswith(REACHED))
