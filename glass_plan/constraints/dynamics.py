"""Limits on how a trajectory moves: speed and acceleration, always.

Velocity is taken as linear between waypoints, so that its extremes are at waypoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import positive
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.layout import Trajectory


@dataclass(frozen=True)
class Slower(Predicate):
    """value = limit - |velocity| [m/s] at waypoints; sign -1 for the negation."""

    limit: float
    sign: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        """Velocity."""
        return ("velocity",)

    def __invert__(self) -> Self:
        return replace(self, sign=-self.sign)

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values [m/s], (..., H)."""
        speed: Tensor = torch.linalg.vector_norm(trajectory.channel("velocity"), dim=-1)
        return self.sign * (self.limit - speed)

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """At waypoints; of the negation, on segments: the velocity may pass by 0 on its way."""
        velocity = trajectory.channel("velocity")
        if self.sign > 0 or velocity.shape[-2] == 1:
            return self.values(trajectory)
        start, change = velocity[..., :-1, :], velocity.diff(dim=-2)
        square = change.square().sum(-1).clamp_min(torch.finfo(change.dtype).tiny)
        share = (-(start * change).sum(-1) / square).clamp(0, 1).detach()
        least = torch.linalg.vector_norm(start + share[..., None] * change, dim=-1)
        return torch.as_tensor(least - self.limit)


@dataclass(frozen=True)
class Steadier(Predicate):
    """value = limit - |change of velocity| / dt [m/s^2] per segment; sign -1 for the negation."""

    limit: float
    sign: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        """Velocity and the time step."""
        return ("velocity", "dt")

    def __invert__(self) -> Self:
        return replace(self, sign=-self.sign)

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values [m/s^2], (..., H - 1); a lone waypoint does not accelerate."""
        velocity = trajectory.channel("velocity")
        if velocity.shape[-2] == 1:
            velocity = velocity.repeat_interleave(2, dim=-2)
        change: Tensor = torch.linalg.vector_norm(velocity.diff(dim=-2), dim=-1)
        lapse = trajectory.dt[..., : change.shape[-1]]
        return self.sign * (self.limit - change / lapse)


@dataclass(frozen=True, repr=False)
class _Limit(Leaf):
    """A leaf about one number."""

    limit: float

    is_safety = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", positive(f"{type(self).__name__}: limit", self.limit))
        super().__post_init__()

    @property
    def label(self) -> str:
        """The name, or the kind of limit."""
        return self.name or self.word


@dataclass(frozen=True, repr=False)
class SpeedLimit(_Limit):
    """Always slower than ``limit`` [m/s], Euclidean norm of the velocity."""

    word = "speed_limit"

    @property
    def predicate(self) -> Predicate:
        """The velocity is below the limit."""
        return Slower(self.limit)


@dataclass(frozen=True, repr=False)
class AccelLimit(_Limit):
    """Always a change of velocity below ``limit`` [m/s^2] per time."""

    word = "accel_limit"

    @property
    def predicate(self) -> Predicate:
        """The acceleration is below the limit."""
        return Steadier(self.limit)
