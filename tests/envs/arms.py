"""What the tests of ManiSkill's worlds share: when they run, and a scripted pick."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from glass_envs.maniskill.world import ManiSkill

needs_maniskill = [
    pytest.mark.maniskill,
    pytest.mark.skipif(find_spec("mani_skill") is None, reason="mani_skill is not installed"),
]
HOVER = np.zeros(4, np.float32)
"""Stay, with the gripper half open."""
REACH = 0.1
"""Of an action of size 1 [m] (pd_ee_delta_pos)."""


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
