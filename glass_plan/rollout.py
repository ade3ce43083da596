"""Runs a controller in a Gymnasium environment and records what really happened.

States are recorded at the physics rate; an error inside an episode ends it as a failure and is kept
in the record, with its text. Knows nothing of particular worlds.
"""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from glass_plan.errors import MissingPackageError
from glass_plan.records import Decision, Episode

Array = NDArray[np.float64]

DEFAULT_DT = 0.01
"""Time per environment step [s] where the environment does not tell (PointMaze: 100 Hz)."""


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
    states, actions = [np.array(observation["observation"], dtype=np.float64)], []
    margins: dict[str, list[float]] = {name: [] for name in _margins(info)}
    reached: dict[str, float] = {}
    success, error, time, times = False, None, 0.0, [0.0]
    try:
        controller.reset(goal, sampler_seed)
        ended = False
        while not ended:
            action = np.asarray(controller.act(observation, time), dtype=np.float64)
            observation, _, terminated, truncated, info = env.step(action)
            time = float(info.get("time", time + DEFAULT_DT))
            times.append(time)
            actions.append(action)
            states.append(np.array(observation["observation"], dtype=np.float64))
            for name, margin in _margins(info).items():
                margins[name].append(margin)
            reached = {k: float(v) for k, v in info.items() if k.startswith("reached_")}
            success = success or (bool(info["success"]) and all(reached.values()))
            ended = terminated or truncated or (success and stop_on_success)
    except MissingPackageError:  # which no method is to blame for
        raise
    except Exception as raised:  # whatever it was, the episode is a failure that counts
        error, success = f"{type(raised).__name__}: {raised}", False
    return Episode(
        seed=seed,
        times=np.array(times),
        states=np.stack(states),
        actions=np.array(actions).reshape(len(actions), *(env.action_space.shape or ())),
        goal=goal,
        success=success,
        margins={name: np.array(values) for name, values in margins.items()},
        decisions=controller.decisions,
        error=error,
        info=reached,
    )


def _margins(info: dict[str, Any]) -> dict[str, float]:
    return {k.removeprefix("margin_"): float(v) for k, v in info.items() if k.startswith("margin_")}
