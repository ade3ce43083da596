"""A scripted demonstrator of ManiSkill's cube tasks: many ways to do the same thing.

The tool's centre point goes from stop to stop in straight lines at a bounded speed; the gripper
opens and closes at stops. What varies from one demonstration to the next, so that a prior knows
more than one way: how high it hovers over a cube, how fast it goes, how long it waits, and detours
around obstacles that it imagines on its way, sideways or above. Knows nothing of constraints and
models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from glass_envs.maniskill.world import ManiSkill
from glass_plan.data import Trip
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Layout
from glass_plan.trackers.arm import CLOSED, OPEN

Array = np.ndarray[Any, np.dtype[np.float64]]

REACH = 0.1
"""Way that an action of 1 asks for [m]."""
NEAR = 0.006
"""From a stop at which the tool has arrived [m]."""
PASSED = 0.03
"""From a stop that is only passed [m]."""
GRASP_TIME = 5
"""Control steps to close or to open the gripper."""
LONGEST = 200
"""Control steps of a demonstration."""
THERE = 0.03
"""From its goal the cube is nearly there [m], and nothing is left to show; ManiSkill asks 0.025."""
PATIENCE, SLIP = 25, 0.01
"""Control steps in which the tool has to get on [m], twice as many as a grasp holds it. It is stuck
where a detour is out of reach, or a finger stands on the other cube."""
LOWEST = 0.1
"""Height of a detour at least [m]: over the cubes."""


@dataclass(frozen=True)
class Manner:
    """How one demonstration goes.

    Args:
        hover: above a cube, before and after it is held [m].
        speed: of the tool's centre point [m per control step].
        wait: control steps at every stop where the gripper works, besides those it takes.
        detours: by which each of the two long ways is led: sideways, and up [m].
    """

    hover: float
    speed: float
    wait: int
    detours: tuple[tuple[float, float], tuple[float, float]]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Manner:
        """A random one; half of the ways have no detour."""
        aside = rng.uniform(0.06, 0.16, 2) * rng.choice([-1, 1], 2) * (rng.random(2) < 0.5)
        up = rng.uniform(0.0, 0.15, 2) * (rng.random(2) < 0.5)
        return cls(
            hover=float(rng.uniform(0.05, 0.15)),
            speed=float(rng.uniform(0.015, 0.05)),
            wait=int(rng.integers(0, 4)),
            detours=((float(aside[0]), float(up[0])), (float(aside[1]), float(up[1]))),
        )


@dataclass(frozen=True)
class Stop:
    """Where the tool goes next.

    Args:
        place: of its centre point [m].
        gripper: held so on the way, and while it waits there.
        wait: control steps; None for a stop that is only passed.
    """

    place: Array
    gripper: float
    wait: int | None = None


def pick(tool: Array, cube: Array, goal: Array, manner: Manner) -> Iterator[Stop]:
    """Stops that bring a cube to a goal."""
    above = np.array([0.0, 0.0, manner.hover])
    yield from _way(tool, cube + above, OPEN, manner.detours[0])
    yield Stop(cube, OPEN, wait=manner.wait)
    yield Stop(cube, CLOSED, wait=GRASP_TIME)
    yield from _way(cube, goal, CLOSED, manner.detours[1])
    yield Stop(goal, CLOSED, wait=LONGEST)


def stack(tool: Array, cube: Array, goal: Array, manner: Manner) -> Iterator[Stop]:
    """Stops that put a cube where it stands on another, and leave it there."""
    lift = np.array([0.0, 0.0, manner.hover])
    yield from _way(tool, cube + lift, OPEN, manner.detours[0])
    yield Stop(cube, OPEN, wait=manner.wait)
    yield Stop(cube, CLOSED, wait=GRASP_TIME)
    yield Stop(cube + lift, CLOSED)
    yield from _way(cube + lift, goal + lift, CLOSED, manner.detours[1])
    yield Stop(goal, CLOSED, wait=manner.wait)
    yield Stop(goal, OPEN, wait=GRASP_TIME)
    yield Stop(goal + lift, OPEN, wait=LONGEST)


SCRIPTS = {"pick-cube": pick, "stack-cube": stack}
"""By the name of the task."""


def demonstrate(task: str, env: ManiSkill, seed: int) -> Trip | None:
    """Do the task once.

    Args:
        task: a key of ``SCRIPTS``; the environment is of it.
        env: with the control mode ``pd_ee_delta_pos``.
        seed: of the scene and of the manner.

    Returns:
        States as the environment observes them, actions, and the goal; None where it failed, or
        the cube was there at once.

    Raises:
        RequestError: no script for that task.
    """
    if task not in SCRIPTS:
        raise RequestError(f"demonstrate: unknown task {task!r}{did_you_mean(task, SCRIPTS)}")
    manner = Manner.draw(np.random.default_rng((seed, 1)))
    observation, _ = env.reset(seed=seed)
    goal, cube = observation["desired_goal"], observation["achieved_goal"]
    if np.linalg.norm(goal - cube) < THERE:
        return None
    stops = list(SCRIPTS[task](_tool(observation["observation"], env.observed), cube, goal, manner))
    states, actions = [observation["observation"]], list[Array]()
    at = waited = 0
    for _ in range(LONGEST):
        stop = stops[at]
        error = stop.place - _tool(states[-1], env.observed)
        away = float(np.linalg.norm(error))
        step = error * min(1.0, manner.speed / max(away, 1e-9))
        action = np.clip([*(step / REACH), stop.gripper], -1.0, 1.0)
        observation, _, _, _, info = env.step(action)
        states.append(observation["observation"])
        actions.append(action)
        if info["success"]:
            return Trip(np.stack(states), np.stack(actions), goal)
        if _stuck(states[-PATIENCE - 1 :], env.observed):
            return None
        if stop.wait is None:
            at += away < PASSED
        elif away < NEAR or waited:
            waited += 1
            if waited > stop.wait and at + 1 < len(stops):
                at, waited = at + 1, 0
    return None


def _way(begin: Array, end: Array, gripper: float, detour: tuple[float, float]) -> Iterator[Stop]:
    """A long way, by a place off its middle if there is a detour."""
    aside, up = detour
    if aside or up:
        along = (end - begin)[:2]
        across = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
        place = (begin + end) / 2 + np.array([*(aside * across), up])
        place[2] = max(place[2], LOWEST)
        yield Stop(place, gripper)
    yield Stop(end, gripper)


def _stuck(states: list[Array], observed: Layout) -> bool:
    """Whether the tool has got nowhere in ``PATIENCE`` steps; down and up again is somewhere."""
    tools = np.stack([_tool(state, observed) for state in states])
    return len(states) > PATIENCE and float(np.ptp(tools, axis=0).max()) < SLIP


def _tool(state: Array, observed: Layout) -> Array:
    return state[observed.slice("tcp_pose")][:3]
