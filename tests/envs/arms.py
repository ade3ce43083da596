"""What the tests of ManiSkill's worlds share: when they run, scripts, and spheres in the scene."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from glass_envs.maniskill.recording import Trace
from glass_envs.maniskill.world import ManiSkill
from glass_plan.layout import Sphere

needs_maniskill = [
    pytest.mark.maniskill,
    pytest.mark.skipif(find_spec("mani_skill") is None, reason="mani_skill is not installed"),
]
Make = Callable[..., ManiSkill]
HOVER = np.zeros(4, np.float32)
"""Stay, with the gripper half open."""
REACH = 0.1
"""Of an action of size 1 [m] (pd_ee_delta_pos)."""


HIGH = {"goal_site": (0.0, 0.0, 0.3)}
"""Options of ``reset``: the cube's goal in the air [m]."""


class Pick:
    """Above the cube, down, grasp, to the goal; what ``run_episode`` asks of a controller."""

    decisions = ()

    def __init__(self, env: ManiSkill) -> None:
        self._where = env.observed.slice("tcp_pose").start

    def reset(self, goal: ArrayLike, seed: int) -> None:
        self._phase = self._held = 0

    def act(self, observation: dict[str, Any], time: float) -> NDArray[np.float64]:
        tcp = observation["observation"][self._where : self._where + 3]
        cube, goal = observation["achieved_goal"], observation["desired_goal"]
        above = cube + np.array([0, 0, 0.1])
        step = (above, cube, cube, tcp + goal - cube)[self._phase] - tcp
        self._held += self._phase == 2
        if (np.linalg.norm(step) < 0.01 and self._phase < 2) or self._held == 3:
            self._phase, self._held = self._phase + 1, 0
        return np.append(np.clip(step / REACH, -1, 1), 1.0 if self._phase < 2 else -1.0)


class Stay:
    """Does nothing; what ``run_episode`` asks of a controller."""

    decisions = ()

    def reset(self, goal: ArrayLike, seed: int) -> None:
        pass

    def act(self, observation: dict[str, Any], time: float) -> NDArray[np.float64]:
        return np.asarray(HOVER, np.float64)


def placed(env: ManiSkill, trace: Trace, k: int) -> list[tuple[Sphere, NDArray[np.float64]]]:
    """Spheres of the body and their centres [m], by the poses that the simulation had at step k."""
    frames = dict(zip(env.link_names, trace.links[k], strict=True))
    frames["object"] = trace.objects[env.task.actor][k]
    assert env.layout.body is not None
    return [(sphere, _carried(frames[sphere.frame], sphere)) for sphere in env.layout.body.spheres]


def _carried(pose: NDArray[np.float64], sphere: Sphere) -> NDArray[np.float64]:
    turn = Rotation.from_quat(pose[[4, 5, 6, 3]])
    return np.asarray(pose[:3] + turn.apply(sphere.center))


def link(env: ManiSkill, name: str) -> NDArray[np.float64]:
    """Where the middle of a link's spheres is at the start of episode 0 [m]."""
    _, info = env.reset(seed=0)
    centers = [at for sphere, at in placed(env, info["trace"], 0) if sphere.frame == name]
    return np.asarray(np.mean(centers, axis=0))
