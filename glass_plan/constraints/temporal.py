"""What a region demands over time: Avoid, StayIn, Reach.

Avoid(R) = always not In(R), StayIn(R) = always In(R), Reach(R) = eventually In(R).
Segments between waypoints are checked: exactly against a ball that stays, otherwise by the
Lipschitz bound min over a piece of length L >= (d_k + d_{k+1} - L) / 2, where L is the motion of
the robot relative to the region. Moving regions are read at plan time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.base import Constraint, Penalty
from glass_plan.constraints.checks import Numbers, constant, not_negative
from glass_plan.constraints.geometry import Ball, Box, Region, region
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.errors import LayoutError
from glass_plan.layout import Layout, Trajectory

PIECE = 0.02
"""Longest piece of a segment [m]; the bound is within half of it."""

MAX_PIECES = 64
"""Most pieces of a segment; one longer than 1.28 m gets longer pieces and a looser bound."""


@dataclass(frozen=True)
class In(Predicate):
    """The body is in a region: value = grow + body * radius - signed distance [m].

    Args:
        region: where.
        grow: how much larger the region counts [m].
        body: +1 if any part of the body counts, 0 for its centre, -1 for the whole body.
        sign: -1 for the negation, which holds outside.
    """

    region: Region
    grow: float = 0.0
    body: int = 0
    sign: int = 1

    @property
    def moves(self) -> bool:
        """Whether time matters; if not, regions ignore the times, and any number will do."""
        return self.region.top_speed > 0

    @property
    def reads(self) -> tuple[str, ...]:
        """Position, and the time step if the region moves."""
        return ("position", "dt") if self.moves else ("position",)

    def __invert__(self) -> Self:
        return replace(self, sign=-self.sign)

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if a channel is missing or has another number of coordinates."""
        super().check(layout)
        where = layout.slice("position")
        if where.stop - where.start != self.region.dim:
            raise LayoutError(
                f"its region has {self.region.dim} coordinates, channel 'position' has "
                f"{where.stop - where.start}; use a region with as many"
            )

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values [m] at the waypoints and the middles of the segments, (..., 2 H - 1)."""
        points = _with_middles(trajectory.channel("position"), dim=-2)
        times = _with_middles(trajectory.times, dim=-1) if self.moves else points[..., 0]
        return self._value(self.region.signed_distance(points, times), trajectory.layout.radius)

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Lower bound [m] of the value on each segment, (..., H - 1)."""
        value, travel = self._along(trajectory)
        return ((value[..., 1:] + value[..., :-1] - travel) / 2).amin(-1)

    def highest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Largest value [m] seen on each segment, (..., H - 1)."""
        value, _ = self._along(trajectory)
        return value.amax(-1)

    def _value(self, distance: Float[Tensor, "... K"], radius: float) -> Float[Tensor, "... K"]:
        grow = self.grow + self.body * radius
        return grow - distance if self.sign > 0 else distance - grow

    def _along(
        self, trajectory: Trajectory
    ) -> tuple[Float[Tensor, "... H-1 P+1"], Float[Tensor, "... H-1 P"]]:
        """Values [m] at the ends of the pieces, and how far the value may wander in each [m]."""
        points = trajectory.channel("position")
        times = trajectory.times if self.moves else points[..., 0]
        if points.shape[-2] == 1:  # a lone waypoint is a segment of no length
            points, times = points.repeat_interleave(2, -2), times.repeat_interleave(2, -1)
        start, step, lapse = points[..., :-1, None, :], points.diff(dim=-2), times.diff(dim=-1)
        way = torch.linalg.vector_norm(step, dim=-1)
        travel = self.region.slope * way + self.region.top_speed * lapse
        fraction = self._cuts(start.detach(), step.detach(), travel.detach())  # (..., H-1, P+1)
        at = start + fraction[..., None] * step[..., None, :]  # (..., H-1, P+1, d)
        when = times[..., :-1, None] + fraction * lapse[..., None]
        distance = self.region.signed_distance(at.flatten(-3, -2), when.flatten(-2))
        value = self._value(distance.view_as(fraction), trajectory.layout.radius)
        if isinstance(self.region, Ball):  # rises or falls all along a piece: extremes at its ends
            return value, value.diff(dim=-1).abs()
        if self.moves:  # how far the value may wander depends on how they move together
            return value, self.region.travel(at, when)
        return value, fraction.diff(dim=-1) * travel[..., None]

    def _cuts(
        self,
        start: Float[Tensor, "... H-1 1 d"],
        step: Float[Tensor, "... H-1 d"],
        travel: Float[Tensor, "... H-1"],
    ) -> Float[Tensor, "... H-1 P+1"]:
        """Where to cut each segment, 0 to 1: nearest to a ball's centre, else pieces of 2 cm.

        A short segment's last pieces are empty, so that its cuts do not depend on the others.
        """
        if isinstance(self.region, Ball):
            towards = constant(self.region.center, step.dtype, step.device) - start[..., 0, :]
            square = step.square().sum(-1).clamp_min(torch.finfo(step.dtype).tiny)
            nearest = ((towards * step).sum(-1) / square).clamp(0, 1)
            return torch.stack([torch.zeros_like(nearest), nearest, torch.ones_like(nearest)], -1)
        own = (travel / PIECE).ceil().nan_to_num(1.0).clamp(1, MAX_PIECES)[..., None]
        count = torch.arange(int(own.max()) + 1, dtype=step.dtype, device=step.device)
        return (count / own).clamp_max(1)


def _with_middles(x: Tensor, dim: int) -> Tensor:
    """The entries along an axis, then the means of neighbours: H to 2 H - 1."""
    count = x.shape[dim] - 1
    return torch.cat([x, torch.lerp(x.narrow(dim, 0, count), x.narrow(dim, 1, count), 0.5)], dim)


@dataclass(frozen=True, repr=False)
class _About(Leaf):
    """A leaf about one region."""

    region: Region

    def __post_init__(self) -> None:
        region(type(self).__name__, self.region)
        super().__post_init__()

    @property
    def label(self) -> str:
        """The name, or for instance ``stay_in_box``."""
        return self.name or f"{self.word}_{type(self.region).__name__.lower()}"


@dataclass(frozen=True, repr=False, init=False)
class Avoid(_About):
    """Always not in a region: value = signed distance - body radius - clearance [m].

    Args:
        region: to keep out of.
        margin: the distance >= 0 to keep from it [m], an attribute under the name ``clearance``.
        name: for reports.
    """

    clearance: float

    word = "avoid"
    is_safety = True

    def __init__(self, region: Region, margin: float = 0.0, *, name: str = "") -> None:
        # written out because ``margin`` is also the method
        object.__setattr__(self, "region", region)
        object.__setattr__(self, "clearance", not_negative("Avoid: margin", margin))
        object.__setattr__(self, "name", name)
        self.__post_init__()

    @property
    def predicate(self) -> Predicate:
        """No part of the body is in the region, grown by the clearance."""
        return In(self.region, grow=self.clearance, body=1, sign=-1)

    @classmethod
    def penalties(cls, terms: Sequence[Constraint]) -> list[Penalty]:
        """One for all balls and upright boxes of a dimension, and one for each of the others."""
        shapes: dict[int, list[_Rounded]] = {}
        others: list[Penalty] = []
        for term in terms:
            assert isinstance(term, Avoid)
            shape = _rounded(term.region, term.clearance)
            if shape is None:
                others.append(term.violation)
            else:
                shapes.setdefault(term.region.dim, []).append(shape)
        return [*map(_AvoidRounded.of, shapes.values()), *others]

    def __repr__(self) -> str:
        margin = f", margin={self.clearance}" if self.clearance else ""
        return f"Avoid({self.region!r}{margin}){self._suffix()}"


_Rounded = tuple[Numbers, Numbers, float]
"""Middle and half sides of an upright box, and by how much it is rounded and grown [m]."""


def _rounded(shape: Region, grow: float) -> _Rounded | None:
    """A ball or an upright box as a rounded box; None for anything else."""
    if isinstance(shape, Ball):
        return shape.center, (0.0,) * shape.dim, shape.radius + grow
    if isinstance(shape, Box) and not shape.rotation:
        corners = list(zip(shape.low, shape.high, strict=True))
        middle, half = ([(b + sign * a) / 2 for a, b in corners] for sign in (1, -1))
        return tuple(middle), tuple(half), grow
    return None


@dataclass(frozen=True)
class _AvoidRounded:
    """The violation of avoiding several rounded boxes, in the few operations of one.

    Args:
        middles: a coordinate of all boxes after the other [m].
        halves: likewise, of their sides [m].
        growths: of each [m].
    """

    middles: tuple[Numbers, ...]
    halves: tuple[Numbers, ...]
    growths: Numbers

    @classmethod
    def of(cls, shapes: Sequence[_Rounded]) -> Self:
        """Of one or more of the same dimension."""
        middles, halves, growths = zip(*shapes, strict=True)
        return cls(tuple(zip(*middles, strict=True)), tuple(zip(*halves, strict=True)), growths)

    def __call__(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]:
        points = _with_middles(trajectory.channel("position"), dim=-2)
        asked = points.dtype, points.device
        lead = (-1, *[1] * (points.ndim - 2), len(self.growths), 1)  # (d, ..., K, 1)
        middles, halves = (constant(v, *asked).view(lead) for v in (self.middles, self.halves))
        reach = constant(self.growths, *asked)[:, None] + (trajectory.layout.radius + buffer)
        excess = (points.movedim(-1, 0).unsqueeze(-2) - middles).abs() - halves  # (d, ..., K, M)
        square = excess.clamp_min(0).square().sum(0).clamp_min(torch.finfo(points.dtype).tiny)
        distance = square.sqrt() + excess.amax(0).clamp_max(0)
        return torch.relu(reach - distance).square().sum((-2, -1))


@dataclass(frozen=True, repr=False)
class StayIn(_About):
    """Always in a region, with the whole body: value = -signed distance - body radius [m]."""

    word = "stay_in"
    is_safety = True

    @property
    def predicate(self) -> Predicate:
        """The whole body is in the region."""
        return In(self.region, body=-1)


@dataclass(frozen=True, repr=False)
class Reach(_About):
    """At some time in a region, with the body's centre: value = -signed distance [m]."""

    word = "reach"
    is_safety = False

    @property
    def predicate(self) -> Predicate:
        """The body's centre is in the region."""
        return In(self.region)
