"""Numbers about an episode so far, besides margins and success: pushes against solids, and drops.

An object is dropped if it was held more than ``LIFTED`` above the height at which it began, and
then, before any success and no longer held, it is more than ``FALLEN`` below where it was held
last: one that is set down, or let go just above its place, is not. Knows nothing of constraints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glass_envs.maniskill.recording import Trace
from glass_envs.maniskill.tasks import Task
from glass_plan.errors import RequestError, did_you_mean

LIFTED, FALLEN = 0.02, 0.02
"""[m]; half of a cube's side."""


class Outcomes:
    """Of one episode.

    Args:
        task: what is moved, and who tells whether it is held.
        trace: of the start.
        info: ManiSkill's, of the start.

    Raises:
        RequestError: ManiSkill does not tell what the task says.
    """

    def __init__(self, task: Task, trace: Trace, info: Mapping[str, Any]) -> None:
        if task.grasped and task.grasped not in info:
            raise RequestError(
                f"maniskill: {task.uid} does not tell {task.grasped!r}"
                f"{did_you_mean(task.grasped, info)}"
            )
        self._task = task
        self._impulse = 0.0
        self._dropped = self._succeeded = False
        self._begun = self._height(trace)
        self._held_at: float | None = None  # height [m]; None if it is not in the air

    def count(self, trace: Trace, info: Mapping[str, Any]) -> dict[str, float]:
        """What ``info`` tells after one more control step.

        Args:
            trace: of the step.
            info: ManiSkill's.

        Returns:
            ``measure_impulse`` of the robot's pushes against solids so far [N s], and, where
            ManiSkill tells whether the object is held, ``measure_dropped``, 0.0 or 1.0.
        """
        self._impulse += sum(contact.impulse for contact in trace.contacts if contact.by_robot)
        told = {"measure_impulse": self._impulse}
        if self._task.grasped:
            self._succeeded |= bool(info["success"])
            self._watch(self._height(trace), held=bool(info[self._task.grasped]))
            told["measure_dropped"] = float(self._dropped)
        return told

    def _watch(self, height: float, *, held: bool) -> None:
        if held:
            self._held_at = height if height > self._begun + LIFTED else None
        elif self._held_at is not None and not self._succeeded:
            self._dropped |= height < self._held_at - FALLEN

    def _height(self, trace: Trace) -> float:
        """Of the object's middle at the end [m]."""
        return float(trace.objects[self._task.actor][-1, 2]) if self._task.actor else 0.0
