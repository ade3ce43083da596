"""ManiSkill's state as plain numbers: one vector with named channels, and the goal.

Knows nothing of constraints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from glass_envs.maniskill.tasks import Task
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Channel, Layout

Array = NDArray[np.float64]

BOUND = 100.0
"""Of every number of an observation: far beyond the table's size [m] and the joints' speeds."""

UNITS = (("_pose", "m, then 1"), ("_pos", "m"), ("is_", "1"), ("qpos", "rad, m of fingers"))
"""By the end, or the beginning, of an entry's name; poses end with a quaternion (w, x, y, z)."""


class Observer:
    """Reads ManiSkill's observations of a task.

    ``layout`` has the channels of ``observation``, in order: ``qpos`` and ``qvel`` of all joints,
    then the entries of the task's own state but for differences of others (``a_to_b``).

    Args:
        task: which entries are object and goal.
        simulation: ManiSkill's environment.

    Raises:
        RequestError: the task's state has no such entries.
    """

    def __init__(self, task: Task, simulation: Any) -> None:
        entries = _entries(simulation._init_raw_obs)
        for name in (task.achieved, task.desired):
            if name not in entries:
                raise RequestError(
                    f"maniskill: {task.uid} has no {name!r}{did_you_mean(name, entries)}"
                )
        self._task = task
        self.layout = Layout(
            tuple(Channel(name, len(value), _unit(name)) for name, value in entries.items()),
            start=("qpos", "qvel"),
            goal=(),
        )
        self.space = spaces.Dict(
            observation=_box(self.layout.dim), achieved_goal=_box(3), desired_goal=_box(3)
        )

    def observation(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Float64 arrays, clipped to ``BOUND``.

        Args:
            raw: ManiSkill's, of one scene.
        """
        entries = _entries(raw)
        goal = entries[self._task.desired][:3] + self._task.offset
        found = {
            "observation": np.concatenate([entries[name] for name in self.layout.names]),
            "achieved_goal": entries[self._task.achieved][:3],
            "desired_goal": goal,
        }
        return {name: np.clip(value, -BOUND, BOUND) for name, value in found.items()}


def _entries(raw: Mapping[str, Any]) -> dict[str, Array]:
    """Vectors by name."""
    agent, extra = raw["agent"], raw["extra"]
    named = {"qpos": agent["qpos"], "qvel": agent["qvel"]}
    named |= {name: value for name, value in extra.items() if "_to_" not in name}
    return {name: value[0].numpy().astype(np.float64).reshape(-1) for name, value in named.items()}


def _unit(name: str) -> str:
    if name == "qvel":
        return "rad/s, m/s of fingers"
    found = [unit for part, unit in UNITS if name.endswith(part) or name.startswith(part)]
    return found[0] if found else "ManiSkill's"


def _box(size: int) -> spaces.Box:
    return spaces.Box(-BOUND, BOUND, (size,), np.float64)
