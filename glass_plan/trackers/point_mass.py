"""A force-driven ball follows its plans: feedforward and feedback (``tracking``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glass_plan.checkpoint import Dynamics
from glass_plan.errors import RequestError
from glass_plan.layout import Layout, Trajectory
from glass_plan.planner import as_vector
from glass_plan.progress import as_driven, remainder
from glass_plan.records import Plan
from glass_plan.tracking import Reference, brake, drive, slowed, track

Array = NDArray[np.float64]

NEAR = 0.12
"""Distance [m] from its goal at which the ball has arrived."""


@dataclass(frozen=True)
class PointMassTracker:
    """Follows plans with a ball.

    Args:
        dynamics: of the ball.
        layout: of plans.
        max_speed: beyond which it does not push, however far behind it is [m/s].
    """

    dynamics: Dynamics
    layout: Layout
    max_speed: float | None = None

    def state(self, observation: Mapping[str, ArrayLike] | ArrayLike) -> Array:
        """(4,) position [m] and velocity [m/s]: the observation itself, or under that key."""
        return finite_state(observation)

    def follower(self, plan: Plan) -> PointMassFollower:
        """For a plan that begins now."""
        return PointMassFollower(self, plan)

    def stop(self, state: Array) -> Array:
        """Against the motion."""
        return brake(state)

    def retreat(self, driven: Array) -> list[Array]:
        """None: a plan can begin anywhere."""
        return []

    def arrived(self, state: Array, goal: Array) -> bool:
        """Whether the ball is near its goal."""
        return bool(np.linalg.norm(goal - state[:2]) < NEAR)


class PointMassFollower:
    """Follows one plan.

    Args:
        tracker: of the ball.
        plan: to follow.
    """

    def __init__(self, tracker: PointMassTracker, plan: Plan) -> None:
        begin = plan.trajectory.t_start
        moved = replace(plan.trajectory, t_start=begin - begin)
        self._tracker, self._plan = tracker, plan
        self._reference = Reference.of(replace(plan, trajectory=moved))
        self.end = self._reference.end

    def action(self, state: Array, now: float) -> Array:
        """What the plan asks for, at no more than the highest speed."""
        dynamics, max_speed = self._tracker.dynamics, self._tracker.max_speed
        action = track(self._reference, state, now, dynamics)
        return action if max_speed is None else slowed(action, state[2:], max_speed, dynamics)

    def off(self, state: Array, now: float) -> float:
        """Distance [m] from the plan's place now."""
        position, _, _ = self._reference.at(now)
        return float(np.linalg.norm(position - state[:2]))

    def rest(self, state: Array, now: float, time: float) -> Trajectory:
        """What is left of the plan (``remainder``)."""
        return remainder(self._plan, self._reference, now, state, time)

    def foreseen(self, state: Array, time: float) -> Trajectory:
        """By the robot's own step (``drive``)."""
        tracker = self._tracker
        driven = drive(self._reference, state, tracker.dynamics, max_speed=tracker.max_speed)
        driven[:, 4] += time
        return as_driven(driven, tracker.layout)


def finite_state(observation: Mapping[str, ArrayLike] | ArrayLike) -> Array:
    """The numbers of an observation.

    Raises:
        RequestError: there are none, or they are not finite.
    """
    state = as_vector(observation, "observation").numpy()
    if not np.isfinite(state).all():
        raise RequestError(f"controller: observation must be finite, got {state.tolist()}")
    return state
