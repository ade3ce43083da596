"""Limits on how a trajectory moves, always: speed, acceleration, jerk, curvature, a model's step.

value = limit - size, where the size is a norm of differences between waypoints. Velocity is taken
as linear between waypoints, so that its extremes are at waypoints; the others are what the
waypoints say, and zero where there are too few of them to say anything.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from glass_plan.bodies import tool_steps
from glass_plan.constraints.checks import positive, shown
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.errors import SpecError
from glass_plan.layout import Layout, Trajectory

STILL = 1e-6
"""Steps shorter than this [m] have no direction, so that nothing turns there."""

Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""States (..., K, S), actions (..., K, A) and times (..., K) [s] to the next states (..., K, S)."""


@dataclass(frozen=True)
class Below(Predicate):
    """value = limit - size; sign -1 for the negation."""

    limit: float
    sign: int = 1

    @abstractmethod
    def size(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """What is limited, >= 0, at waypoints or on segments."""

    def __invert__(self) -> Self:
        return replace(self, sign=-self.sign)

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values in the unit of the limit."""
        return self.sign * (self.limit - self.size(trajectory))


@dataclass(frozen=True)
class Speed(Below):
    """Of the velocity [m/s], (..., H); of a body without that channel, of its tool on segments."""

    reads = ("velocity",)

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if there is neither a velocity nor a tool and time."""
        if _moves_tool(layout):
            layout.slice("dt")
        else:
            super().check(layout)

    def unit(self, layout: Layout) -> str:
        """The velocity's; of a tool, m/s."""
        return "m/s" if _moves_tool(layout) else super().unit(layout)

    def size(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """|v|; of a tool a bound on each segment, and 0 of a lone waypoint."""
        if not _moves_tool(trajectory.layout):
            return norm(trajectory.channel("velocity"))
        if trajectory.x.shape[-2] == 1:
            return torch.zeros_like(trajectory.x[..., 0])
        chord, bend = tool_steps(trajectory)
        return (chord + self.sign * bend).clamp_min(0) / trajectory.dt[..., :-1]

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """At waypoints; of the negation, on segments: the velocity may pass by 0 on its way."""
        if self.sign > 0 or trajectory.x.shape[-2] == 1 or _moves_tool(trajectory.layout):
            return self.values(trajectory)
        velocity = trajectory.channel("velocity")
        start, change = velocity[..., :-1, :], velocity.diff(dim=-2)
        square = change.square().sum(-1).clamp_min(torch.finfo(change.dtype).tiny)
        share = (-(start * change).sum(-1) / square).clamp(0, 1).detach()
        return norm(start + share[..., None] * change) - self.limit


def _moves_tool(layout: Layout) -> bool:
    """Whether speed is that of a body's tool, since no channel has it."""
    return "velocity" not in layout.names and layout.body is not None


@dataclass(frozen=True)
class Accel(Below):
    """Change of velocity over time [m/s^2], (..., H - 1); a lone waypoint has none."""

    reads = ("velocity", "dt")

    def unit(self, layout: Layout) -> str:
        """The velocity's over s."""
        return _per_second(layout, 2)

    def size(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """|dv| / dt."""
        if trajectory.x.shape[-2] == 1:
            return norm(0 * trajectory.channel("velocity"))
        return norm(_accelerations(trajectory))


@dataclass(frozen=True)
class Jerk(Below):
    """Change of acceleration over time [m/s^3], (..., H); none at the first and last waypoint."""

    reads = ("velocity", "dt")

    def unit(self, layout: Layout) -> str:
        """The velocity's over s^2."""
        return _per_second(layout, 3)

    def size(self, trajectory: Trajectory) -> Float[Tensor, "... H"]:
        """|a_k - a_{k-1}| over the mean time of the segments around waypoint k."""
        if trajectory.x.shape[-2] < 3:
            return norm(0 * trajectory.channel("velocity"))
        dt = trajectory.dt
        lapse = (dt[..., :-2] + dt[..., 1:-1]) / 2
        return pad(norm(_accelerations(trajectory).diff(dim=-2)) / lapse, (1, 1))


@dataclass(frozen=True)
class Bend(Below):
    """Curvature of the path [1/m], (..., H); none at the first and last waypoint.

    |u_k - u_{k-1}| over the mean length of the steps around waypoint k, where u are their
    directions: 1 / radius for equal steps around a circle, 2 / length for turning back.
    """

    reads = ("position",)

    def unit(self, layout: Layout) -> str:
        """One over the position's."""
        return f"1/{layout.unit('position')}"

    def size(self, trajectory: Trajectory) -> Float[Tensor, "... H"]:
        """Change of direction per length."""
        if trajectory.x.shape[-2] < 3:
            return norm(0 * trajectory.channel("position"))
        step = trajectory.channel("position").diff(dim=-2)
        length = norm(step)
        turn = norm((step / length.clamp_min(STILL)[..., None]).diff(dim=-2))
        moves = torch.minimum(length[..., 1:], length[..., :-1]) >= STILL
        mean = ((length[..., 1:] + length[..., :-1]) / 2).clamp_min(STILL)
        return pad(torch.where(moves, turn / mean, 0 * turn), (1, 1))


@dataclass(frozen=True)
class Mismatch(Below):
    """Between the next waypoint and what a model makes of this one, (..., H - 1)."""

    step: Step = field(kw_only=True)
    channels: tuple[str, ...] = field(kw_only=True)

    @property
    def reads(self) -> tuple[str, ...]:
        """The state's channels, the action and the time step."""
        return (*self.channels, "action", "dt")

    def unit(self, layout: Layout) -> str:
        """The channels', if they have one in common."""
        units = {layout.unit(name) for name in self.channels}
        return units.pop() if len(units) == 1 else ""

    def size(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """|step(x_k, u_k, dt_k) - x_{k+1}|."""
        state = trajectory.x[..., trajectory.layout.columns(self.channels)]
        if state.shape[-2] == 1:
            return norm(0 * state)
        action, dt = trajectory.channel("action"), trajectory.dt
        predicted = self.step(state[..., :-1, :], action[..., :-1, :], dt[..., :-1])
        return norm(predicted - state[..., 1:, :])


def _per_second(layout: Layout, power: int) -> str:
    """The velocity's unit with another power of s: m/s^2."""
    return f"{layout.unit('velocity').removesuffix('/s')}/s^{power}"


def norm(x: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    """Euclidean norm over the last axis; its gradient at 0 is 0."""
    length: Tensor = torch.linalg.vector_norm(x, dim=-1)
    return length


def _accelerations(trajectory: Trajectory) -> Float[Tensor, "... H-1 d"]:
    return trajectory.channel("velocity").diff(dim=-2) / trajectory.dt[..., :-1, None]


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
    """Always slower than ``limit`` [m/s], Euclidean norm of the velocity, or of a tool's."""

    word = "speed_limit"

    @property
    def predicate(self) -> Predicate:
        """The velocity is below the limit."""
        return Speed(self.limit)


@dataclass(frozen=True, repr=False)
class AccelLimit(_Limit):
    """Always a change of velocity below ``limit`` [m/s^2] per time."""

    word = "accel_limit"

    @property
    def predicate(self) -> Predicate:
        """The acceleration is below the limit."""
        return Accel(self.limit)


@dataclass(frozen=True, repr=False)
class JerkLimit(_Limit):
    """Always a change of acceleration below ``limit`` [m/s^3] per time."""

    word = "jerk_limit"

    @property
    def predicate(self) -> Predicate:
        """The jerk is below the limit."""
        return Jerk(self.limit)


@dataclass(frozen=True, repr=False)
class Curvature(_Limit):
    """Always a curvature of the path below ``limit`` [1/m]: no turn tighter than 1 / limit."""

    word = "curvature"

    @property
    def predicate(self) -> Predicate:
        """The curvature is below the limit."""
        return Bend(self.limit)


@dataclass(frozen=True, repr=False)
class DynamicsConsistency(_Limit):
    """Always a next waypoint within ``limit`` of what a model predicts; for Python only.

    Args:
        limit: on the Euclidean norm over the state's channels, in their units.
        step: of the model, given or learned: (state, action, dt) to the next state.
        channels: that make up the state, in the order the model takes them.
    """

    step: Step
    channels: tuple[str, ...] = ("position", "velocity")

    word = "dynamics_consistency"

    def __post_init__(self) -> None:
        if not callable(self.step):
            raise SpecError(
                f"DynamicsConsistency: step must be a function (state, action, dt), "
                f"got {shown(self.step)}"
            )
        object.__setattr__(self, "channels", tuple(self.channels))
        super().__post_init__()

    @property
    def predicate(self) -> Predicate:
        """The model agrees."""
        return Mismatch(self.limit, step=self.step, channels=self.channels)
