"""What a controller asks of the way in which a robot follows plans."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from glass_plan.layout import Trajectory
from glass_plan.records import Plan

Array = NDArray[np.float64]


class Follower(Protocol):
    """Follows one plan. Times ``now`` count from when the plan began [s]; ``end`` is its last."""

    end: float

    def action(self, state: Array, now: float) -> Array:
        """Action (A,) for the present state (S,)."""
        ...

    def off(self, state: Array, now: float) -> float:
        """How far [m] the robot, or what it holds, is from where it should be now."""
        ...

    def rest(self, state: Array, now: float, time: float) -> Trajectory:
        """What is left of the plan from the present state, (H, D), at a time of the episode."""
        ...

    def foreseen(
        self, state: Array, time: float, *, now: float = 0.0, lasting: float = 0.0
    ) -> Trajectory:
        """What following the plan to its end will come to, at the control rate (T, D).

        Args:
            state: (S,) from which it is followed.
            time: of the episode at that moment [s].
            now: since the plan began [s].
            lasting: what is foreseen at least, beyond the end of the plan if need be [s].
        """
        ...


class Tracker(Protocol):
    """Follows plans with one robot; a state (S,) is what a plan's start tells of a moment.

    ``shield_margin`` is what a shield asks for along a backup, in each constraint's unit, since
    the motion foreseen here is not the simulator's.
    """

    shield_margin: ClassVar[float]

    def follower(self, plan: Plan) -> Follower:
        """For a plan that begins now."""
        ...

    def stop(self, state: Array) -> Array:
        """Action (A,) that brings the robot to rest."""
        ...

    def backup(self, state: Array, action: Array, time: float) -> Trajectory:
        """The robot after an action (A,) for one control step, and then brought to rest, (K, D)."""
        ...

    def evasions(self, state: Array, action: Array, time: float) -> tuple[Array, Trajectory]:
        """Actions (N, A) to take instead of one (A,) that is not safe, and what comes of each.

        The first brings the robot to rest, the others push it for a while before, (N, K, D).
        """
        ...

    def retreat(self, driven: Array) -> list[Array]:
        """Actions (A,) to take before a plan can begin; none if it can.

        Args:
            driven: (K, S) states so far, one a control step.
        """
        ...

    def arrived(self, state: Array, goal: Array) -> bool:
        """Whether what had to be done at the end of a plan is done."""
        ...
