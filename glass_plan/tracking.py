"""Follows a plan at the control rate: feedforward from the plan, feedback on position and velocity.

u = (m a + c v) / gear + kp (p - x) + kd (v - dx/dt), with p, v, a from cubic Hermite interpolation
of the plan's waypoints and velocities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from torch import Tensor

from glass_plan.checkpoint import Dynamics
from glass_plan.records import Plan

Array = NDArray[np.float64]
Motion = TypeVar("Motion", Array, Tensor)
"""Of one robot, or of many side by side."""

LONGEST = 60.0
"""Of a plan that is driven in the mind [s]; what a model draws may claim to take days."""
KP, KD = 10.0, 2.0
"""Feedback gains [1/m], [s/m]: 15 rad/s and 1.5 times critical damping on PointMaze's ball."""
BRAKE_GAIN = 5.0
"""Action per speed [s/m] when braking."""


@dataclass(frozen=True)
class Reference:
    """A plan as functions of time.

    Args:
        spline: position [m] over plan time [s].
        end: last plan time [s].
    """

    spline: CubicHermiteSpline
    end: float

    @classmethod
    def of(cls, plan: Plan) -> Reference:
        """From a plan's waypoints, velocities and times."""
        states, times = plan.states, plan.times
        return cls(CubicHermiteSpline(times, states[:, :2], states[:, 2:]), float(times[-1]))

    def at(self, time: float) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration (2,) at a plan time; at rest after the end."""
        if time >= self.end:
            return self.spline(self.end), np.zeros(2), np.zeros(2)
        return self.spline(time), self.spline(time, 1), self.spline(time, 2)


def track(reference: Reference, state: Array, time: float, dynamics: Dynamics) -> Array:
    """Action (2,) that follows a plan.

    Args:
        reference: of the plan.
        state: (4,) position and velocity now.
        time: plan time now [s].
        dynamics: of the robot.
    """
    position, velocity, acceleration = reference.at(time + 0.5 * dynamics.dt)
    forward = (dynamics.mass * acceleration + dynamics.damping * velocity) / dynamics.gear
    position, velocity, _ = reference.at(time)
    return np.clip(forward + KP * (position - state[:2]) + KD * (velocity - state[2:]), -1, 1)


def drive(
    reference: Reference,
    state: Array,
    dynamics: Dynamics,
    *,
    max_speed: float | None = None,
    now: float = 0.0,
    lasting: float = 0.0,
) -> Array:
    """What following a plan to its end from a state will come to, by the robot's own step.

    m dv/dt = gear u - c v by MuJoCo's Euler step, implicit in the damping; walls push nothing.

    Args:
        reference: of the plan.
        state: (4,) position and velocity now.
        dynamics: of the robot.
        max_speed: that ``slowed`` keeps, if any [m/s].
        now: plan time [s].
        lasting: how long it is followed at least, at rest where it ends [s].

    Returns:
        (K, 5) position [m], velocity [m/s] and time from now on [s] at every control step, for
        ``LONGEST`` at most.
    """
    dt, left = dynamics.dt, max(reference.end - now, lasting)
    times = dt * np.arange(max(2, round(min(left, LONGEST) / dt) + 1))
    planned = now + times
    here = np.minimum(planned, reference.end)
    ahead = np.minimum(planned + 0.5 * dt, reference.end)
    ends = (planned + 0.5 * dt >= reference.end)[:, None]
    position, velocity = reference.spline(here), reference.spline(here, 1)
    velocity[planned >= reference.end] = 0.0
    pushed = dynamics.mass * reference.spline(ahead, 2) + dynamics.damping * reference.spline(
        ahead, 1
    )
    asked = np.where(ends, 0.0, pushed) / dynamics.gear + KP * position + KD * velocity
    x, v = np.array(state[:2]), np.array(state[2:])
    driven = np.empty((len(times), 5))
    driven[:, 4] = times
    for k in range(len(times)):
        driven[k, :2], driven[k, 2:4] = x, v
        action = (asked[k] - KP * x - KD * v).clip(-1, 1)
        if max_speed is not None:
            action = slowed(action, v, max_speed, dynamics)
        v = integrate(v, action, dynamics)
        x = x + dt * v
    return driven


def integrate(velocity: Motion, action: Motion, dynamics: Dynamics) -> Motion:
    """Velocity after one physics step: MuJoCo's Euler with implicit damping, clipped before it.

    Args:
        velocity: (..., 2) now [m/s].
        action: (..., 2) in [-1, 1].
        dynamics: of the robot.
    """
    held = velocity.clip(-dynamics.max_speed, dynamics.max_speed)
    change = (dynamics.gear * action - dynamics.damping * held) * dynamics.dt
    return held + change / (dynamics.mass + dynamics.dt * dynamics.damping)


def slowed(action: Array, velocity: Array, max_speed: float, dynamics: Dynamics) -> Array:
    """The action (2,), or the one nearest in effect that leads to no more than ``max_speed``.

    Args:
        action: (2,).
        velocity: (2,) now [m/s].
        max_speed: after the step [m/s].
        dynamics: of the robot.
    """
    gain = dynamics.dt / (dynamics.mass + dynamics.dt * dynamics.damping)
    coasting = velocity * (1 - gain * dynamics.damping)
    after = coasting + gain * dynamics.gear * np.clip(action, -1, 1)
    speed = float(np.linalg.norm(after))
    if speed <= max_speed:
        return action
    return np.clip((after * max_speed / speed - coasting) / (gain * dynamics.gear), -1, 1)


def brake(state: Array) -> Array:
    """Action (2,) against the motion."""
    return np.clip(-BRAKE_GAIN * state[2:], -1, 1)
