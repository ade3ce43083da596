"""What a planner asks of a robot in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from glass_plan.constraints import Constraint
from glass_plan.guidance import Bend, Visits
from glass_plan.layout import Trajectory


class Embodiment(Protocol):
    """A robot in its place.

    ``standing`` is what always has to hold besides a request's constraints, ``of_goals`` what a
    goal has to satisfy. ``bend`` says what guidance may move, ``buffer`` how much margin [m]
    it asks for beyond each constraint's own.
    """

    standing: Constraint
    of_goals: Constraint
    bend: Bend
    buffer: float

    def drivable(
        self, trajectory: Trajectory, *, max_speed: float | None, effort: float
    ) -> Trajectory:
        """The same path at speeds that the robot can drive.

        Args:
            trajectory: (..., H, D).
            max_speed: [m/s] besides the robot's own limits.
            effort: share of these limits that may be used.
        """
        ...

    def settled(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory without a model's jitter: what lies stays, and the end is at rest.

        Args:
            trajectory: (N, H, D).
        """
        ...

    def visits(self, judged: Mapping[str, Constraint]) -> Visits | None:
        """What leads to regions that are asked for, and round those that close a way, if known."""
        ...
