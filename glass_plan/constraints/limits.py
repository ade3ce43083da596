"""Limits on the numbers of a channel, always: actions, joints.

value = min_i min(x_i - low_i, high_i - x_i) at waypoints. It is concave along a segment, so that
its least is at the ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import SMALLEST, Numbers, check_name, constant, point, positive
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.errors import LayoutError, SpecError, did_you_mean
from glass_plan.layout import Layout, Trajectory


@dataclass(frozen=True)
class Within(Predicate):
    """Every component of a channel is between its bounds; sign -1 for the negation.

    Args:
        channel: by name.
        low: one number for all components, or one each, in the channel's unit.
        high: as low.
        sign: -1 for the negation.
    """

    channel: str
    low: Numbers
    high: Numbers
    sign: int = 1

    @property
    def reads(self) -> tuple[str, ...]:
        """The channel."""
        return (self.channel,)

    def __invert__(self) -> Self:
        return replace(self, sign=-self.sign)

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if the channel is missing or has another number of components."""
        where = layout.slice(self.channel)
        size = where.stop - where.start
        if len(self.low) not in (1, size):
            raise LayoutError(
                f"its bounds are {len(self.low)} numbers, channel {self.channel!r} has {size} "
                "components; give one number each"
            )

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... H"]:
        """Values in the channel's unit at the waypoints, (..., H)."""
        x = trajectory.channel(self.channel)
        low, high = constant((self.low, self.high), x.dtype, x.device)
        return self.sign * torch.minimum(x - low, high - x).amin(-1)

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """At waypoints; of the negation, on segments: no less than a Lipschitz bound."""
        values = self.values(trajectory)
        if self.sign > 0 or values.shape[-1] == 1:
            return values
        travel = trajectory.channel(self.channel).diff(dim=-2).abs().amax(-1)
        return (values[..., 1:] + values[..., :-1] - travel) / 2


@dataclass(frozen=True, repr=False)
class ActionLimit(Leaf):
    """Always every component of the action within +- ``limit``.

    Args:
        limit: one number for all components, or one each, in the unit of the action.
    """

    limit: float | Numbers

    word = "action_limit"
    is_safety = True

    def __post_init__(self) -> None:
        if isinstance(self.limit, list | tuple):
            given = enumerate(point("ActionLimit: limit", self.limit))
            limit: float | Numbers = tuple(
                positive(f"ActionLimit: limit[{k}]", x) for k, x in given
            )
        else:
            limit = positive("ActionLimit: limit", self.limit)
        object.__setattr__(self, "limit", limit)
        super().__post_init__()

    @property
    def predicate(self) -> Predicate:
        """The action is within the limit."""
        high = self.limit if isinstance(self.limit, tuple) else (self.limit,)
        return Within("action", tuple(-x for x in high), high)


@dataclass(frozen=True, repr=False)
class JointLimits(Leaf):
    """Always every joint between its limits.

    Args:
        low: one number a joint [rad, or m for one that slides].
        high: as low.
        channel: that holds the joints' positions.
    """

    low: Numbers
    high: Numbers
    channel: str = "position"

    word = "joint_limits"
    is_safety = True

    def __post_init__(self) -> None:
        low, high = point("JointLimits: low", self.low), point("JointLimits: high", self.high)
        ordered = all(b - a >= SMALLEST for a, b in zip(low, high, strict=False))
        if len(low) != len(high) or not ordered:
            raise SpecError(
                f"JointLimits: needs as many low as high, each low < high, got {low} and {high}"
            )
        check_name("JointLimits: channel", self.channel)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        super().__post_init__()

    @property
    def predicate(self) -> Predicate:
        """The joints are within their limits."""
        return Within(self.channel, self.low, self.high)

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if the layout has no such channel, or another number of joints."""
        if self.channel not in layout.names:
            hint = did_you_mean(self.channel, layout.names)
            raise LayoutError(
                f"{self.label}: no channel {self.channel!r} to hold joints; write for instance "
                f"JointLimits(low, high, channel='joints'){hint}"
            )
        super().check(layout)
