"""A force-driven ball follows its plans: feedforward and feedback (``tracking``)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from glass_plan.checkpoint import Dynamics
from glass_plan.layout import Layout, Trajectory
from glass_plan.progress import as_driven, remainder
from glass_plan.records import Plan
from glass_plan.tracking import BRAKE_GAIN, Reference, brake, drive, integrate, slowed, track

Array = NDArray[np.float64]

NEAR = 0.12
"""Distance [m] from its goal at which the ball has arrived."""
REST = 0.3
"""How long the ball is watched after a push [s]: at full force it stops from 5 m/s in 0.21 s."""
DIRECTIONS = 16
PUSHES = (0.05, 0.15)
"""Length of an evasive push [s]."""


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
    shield_margin: ClassVar[float] = 0.01

    def follower(self, plan: Plan) -> PointMassFollower:
        """For a plan that begins now."""
        return PointMassFollower(self, plan)

    def stop(self, state: Array) -> Array:
        """Against the motion."""
        return brake(state)

    def backup(self, state: Array, action: Array, time: float) -> Trajectory:
        """By the robot's own step: an action for one, and then against the motion."""
        asked = torch.from_numpy(np.clip(action, -1, 1))[None]
        once = torch.full((1,), self.dynamics.dt, dtype=torch.float64)
        backup = self._braked(state, asked, once, time)
        return replace(backup, x=backup.x[0])

    def evasions(self, state: Array, action: Array, time: float) -> tuple[Array, Trajectory]:
        """Braking, or full force in one of ``DIRECTIONS`` for one of ``PUSHES`` before."""
        angle = 2 * math.pi * torch.arange(DIRECTIONS, dtype=torch.float64) / DIRECTIONS
        unit = torch.stack([angle.cos(), angle.sin()], -1)
        unit = unit / unit.abs().amax(-1, keepdim=True)  # both motors pull as hard as they can
        pushes = torch.cat([torch.zeros(1, 2, dtype=torch.float64), *[unit for _ in PUSHES]])
        lasting = torch.tensor([0.0, *(t for t in PUSHES for _ in range(DIRECTIONS))]).double()
        actions = np.concatenate([brake(state)[None], pushes[1:].numpy()])
        return actions, self._braked(state, pushes, lasting, time)

    def _braked(
        self,
        state: Array,
        pushes: Float[Tensor, "N 2"],
        lasting: Float[Tensor, "N"],
        time: float,
    ) -> Trajectory:
        """What the robot does if it is pushed for a while [s] and then brakes, (N, K, D)."""
        dt = self.dynamics.dt
        steps = round((float(lasting.max()) + REST) / dt)
        x = torch.zeros(len(pushes), steps + 1, self.layout.dim, dtype=torch.float64)
        position, velocity = (
            torch.from_numpy(part).expand(len(pushes), 2) for part in (state[:2], state[2:])
        )
        places, speeds, actions = [position], [velocity], []
        for k in range(steps):
            pushed = (k * dt < lasting - 1e-9)[:, None]
            action = torch.where(pushed, pushes, (-BRAKE_GAIN * velocity).clamp(-1, 1))
            velocity = integrate(velocity, action, self.dynamics)
            position = position + dt * velocity
            places.append(position)
            speeds.append(velocity)
            actions.append(action)
        for name, values in (("position", places), ("velocity", speeds)):
            x[..., self.layout.slice(name)] = torch.stack(values, dim=1)
        x[:, :-1, self.layout.slice("action")] = torch.stack(actions, dim=1)
        x[..., self.layout.slice("dt")] = dt
        return Trajectory(x, self.layout, t_start=time)

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

    def foreseen(
        self, state: Array, time: float, *, now: float = 0.0, lasting: float = 0.0
    ) -> Trajectory:
        """By the robot's own step (``drive``)."""
        dynamics, max_speed = self._tracker.dynamics, self._tracker.max_speed
        driven = drive(
            self._reference, state, dynamics, max_speed=max_speed, now=now, lasting=lasting
        )
        driven[:, 4] += time
        return as_driven(driven, self._tracker.layout)
