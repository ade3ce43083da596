"""Whether the body is in a region: values at samples, bounds on the segments between waypoints.

Segments are checked exactly against a ball that stays, otherwise by the Lipschitz bound min over a
piece of length L >= (d_k + d_{k+1} - L) / 2, where L is the motion of the robot relative to the
region. Moving regions are read at plan time. Where only the least or the largest value is asked
for, segments that cannot hold it are left uncut; penalties are differentiated where they are not 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import constant
from glass_plan.constraints.geometry import Ball
from glass_plan.constraints.pieces import Segments, pieces, sum_by_row, with_middles
from glass_plan.constraints.smooth import NEGLIGIBLE, soft_max, soft_min
from glass_plan.constraints.spheres import SpheresIn
from glass_plan.errors import LayoutError
from glass_plan.layout import Layout, Trajectory


@dataclass(frozen=True)
class In(SpheresIn):
    """The body is in a region: value = grow + body * radius - signed distance [m].

    A body of spheres is for ``SpheresIn``; all here is for a point with a radius. The centre of
    either is the channel ``position``, or the tool of the spheres where there is none.

    Args:
        region: where.
        grow: how much larger the region counts [m].
        body: +1 if any part of the body counts, 0 for its centre, -1 for the whole body.
        sign: -1 for the negation, which holds outside.
        of: channel in the body's place: a position, or a pose, which begins with one.
    """

    of: str = ""

    @property
    def place(self) -> str:
        """The channel of a point."""
        return self.of or "position"

    @property
    def reads(self) -> tuple[str, ...]:
        """The place, and the time step if the region moves."""
        return (self.place, "dt") if self.moves else (self.place,)

    def unit(self, layout: Layout) -> str:
        """Of the channel ``position``; of others and of spheres, metres."""
        is_position = self._is_point(layout) and not self.of
        return layout.unit("position") if is_position else super().unit(layout)

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if a channel is missing or has another number of coordinates."""
        if not self._is_point(layout):
            super().check(layout)
            return
        for name in self.reads:
            layout.slice(name)
        size = len(layout.columns((self.place,)))
        if size not in ((3, 7) if self.of and self.region.dim == 3 else (self.region.dim,)):
            raise LayoutError(
                f"its region has {self.region.dim} coordinates, channel {self.place!r} has "
                f"{size}; use a region with as many"
            )

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values [m] at the waypoints and the middles of the segments, (..., 2 H - 1)."""
        if not self._is_point(trajectory.layout):
            return super().values(trajectory)
        return self._value(*self._samples(trajectory), trajectory.layout.radius)

    def penalty(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]:
        """See ``Predicate.penalty``; samples that hold with the buffer cost no gradient."""
        if not self._is_point(trajectory.layout):
            return super().penalty(trajectory, buffer=buffer)
        points, times = self._samples(trajectory)
        radius = trajectory.layout.radius
        with torch.no_grad():
            shortfall = torch.relu(buffer - self._value(points, times, radius))  # (..., K)
        if not (torch.is_grad_enabled() and (points.requires_grad or times.requires_grad)):
            return shortfall.square().sum(-1)
        near = shortfall.flatten().nonzero().squeeze(-1)  # (A,)
        point = points.flatten(0, -2).index_select(0, near)
        value = self._value(point, times.flatten().index_select(0, near), radius)
        return sum_by_row((buffer - value).square(), near, shortfall)

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Lower bound [m] of the value on each segment, (..., H - 1)."""
        if not self._is_point(trajectory.layout):
            return super().lowest(trajectory)
        return self._low(self._segments(trajectory), trajectory.layout.radius)

    def highest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Largest value [m] seen on each segment, (..., H - 1)."""
        if not self._is_point(trajectory.layout):
            return super().highest(trajectory)
        return self._high(self._segments(trajectory), trajectory.layout.radius)

    def bounds(self, trajectory: Trajectory) -> tuple[Tensor, Tensor]:
        """``lowest`` and ``highest``."""
        if not self._is_point(trajectory.layout):
            return super().bounds(trajectory)
        return self.lowest(trajectory), self.highest(trajectory)

    def least(self, trajectory: Trajectory, temperature: float) -> Float[Tensor, "..."]:
        """See ``Predicate.least``; only segments that can hold it are cut."""
        if not self._is_point(trajectory.layout):
            return super().least(trajectory, temperature)
        segments, radius = self._segments(trajectory), trajectory.layout.radius
        with torch.no_grad():
            begin, end, travel = self._ends(segments, radius)
            low = (begin + end - travel) / 2
            seen = torch.minimum(begin, end).amin(-1, keepdim=True)
            where = (low <= seen + NEGLIGIBLE * temperature).nonzero(as_tuple=True)
        return soft_min(low.index_put(where, self._low(segments[where], radius)), temperature)

    def most(self, trajectory: Trajectory, temperature: float) -> Float[Tensor, "..."]:
        """See ``Predicate.most``; only segments that can hold it are cut."""
        if not self._is_point(trajectory.layout):
            return super().most(trajectory, temperature)
        segments, radius = self._segments(trajectory), trajectory.layout.radius
        with torch.no_grad():
            begin, end, travel = self._ends(segments, radius)
            high = torch.maximum(begin, end)
            needed = high.amax(-1, keepdim=True) - NEGLIGIBLE * temperature
            where = ((begin + end + travel) / 2 >= needed).nonzero(as_tuple=True)
        return soft_max(high.index_put(where, self._high(segments[where], radius)), temperature)

    def _is_point(self, layout: Layout) -> bool:
        """Whether the place of a channel is all that counts."""
        alone = layout.body is None or (self.body == 0 and "position" in layout.names)
        return alone or bool(self.of)

    def _value(
        self, points: Float[Tensor, "... d"], times: Float[Tensor, "..."], radius: float
    ) -> Float[Tensor, "..."]:
        distance = self.region.signed_distance(points, times)
        grow = self.grow + self.body * radius
        return grow - distance if self.sign > 0 else distance - grow

    def _points(self, trajectory: Trajectory) -> Float[Tensor, "... H d"]:
        """Places [m] at the waypoints."""
        return trajectory.channel(self.place)[..., : self.region.dim]

    def _samples(
        self, trajectory: Trajectory
    ) -> tuple[Float[Tensor, "... K d"], Float[Tensor, "... K"]]:
        """Where [m] and when [s] values are taken: waypoints, then middles of segments."""
        points = with_middles(self._points(trajectory), dim=-2)
        times = with_middles(trajectory.times, dim=-1) if self.moves else points[..., 0]
        return points, times

    def _segments(self, trajectory: Trajectory) -> Segments:
        points = self._points(trajectory)
        times = trajectory.times if self.moves else points[..., 0]
        if points.shape[-2] == 1:  # a lone waypoint is a segment of no length
            points, times = points.repeat_interleave(2, -2), times.repeat_interleave(2, -1)
        start, begin = points[..., :-1, :].contiguous(), times[..., :-1].contiguous()
        return Segments(start, points.diff(dim=-2), begin, times.diff(dim=-1))

    def _ends(
        self, segments: Segments, radius: float
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Values at both ends of each segment, and how far it may wander between them [m]."""
        begin = self._value(segments.start, segments.begin, radius)
        end = self._value(segments.start + segments.step, segments.begin + segments.lapse, radius)
        return begin, end, self._travel(segments)

    def _travel(self, segments: Segments) -> Float[Tensor, "..."]:
        way: Tensor = torch.linalg.vector_norm(segments.step, dim=-1)
        return self.region.slope * way + self.region.top_speed * segments.lapse

    def _low(self, segments: Segments, radius: float) -> Float[Tensor, "..."]:
        value, wander = self._along(segments, radius)
        return ((value[..., 1:] + value[..., :-1] - wander) / 2).amin(-1)

    def _high(self, segments: Segments, radius: float) -> Float[Tensor, "..."]:
        value, _ = self._along(segments, radius)
        return value.amax(-1)

    def _along(
        self, segments: Segments, radius: float
    ) -> tuple[Float[Tensor, "... P+1"], Float[Tensor, "... P"]]:
        """Values [m] at the ends of the pieces, and how far the value may wander in each [m]."""
        travel = self._travel(segments)
        fraction = self._cuts(segments, travel.detach())  # (..., P+1)
        at = segments.start[..., None, :] + fraction[..., None] * segments.step[..., None, :]
        when = segments.begin[..., None] + fraction * segments.lapse[..., None]
        value = self._value(at, when, radius)
        if isinstance(self.region, Ball):  # rises or falls all along a piece: extremes at its ends
            return value, value.diff(dim=-1).abs()
        if self.moves:  # how far the value may wander depends on how they move together
            return value, self.region.travel(at, when)
        return value, fraction.diff(dim=-1) * travel[..., None]

    def _cuts(self, segments: Segments, travel: Float[Tensor, "..."]) -> Float[Tensor, "... P+1"]:
        """Where to cut each segment, 0 to 1: nearest to a ball's centre, else pieces of 2 cm."""
        start, step = segments.start.detach(), segments.step.detach()
        if isinstance(self.region, Ball):
            towards = constant(self.region.center, step.dtype, step.device) - start
            square = step.square().sum(-1).clamp_min(torch.finfo(step.dtype).tiny)
            nearest = ((towards * step).sum(-1) / square).clamp(0, 1)
            return torch.stack([torch.zeros_like(nearest), nearest, torch.ones_like(nearest)], -1)
        return pieces(travel)
