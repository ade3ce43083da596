"""Whether a body of spheres is in a region: by its worst sphere, or its best if any part will do.

What places the spheres runs in straight lines between waypoints, the spheres of an arm do not: each
is bounded along the chord of a piece, less what it strays from that at most (bodies.py), so that no
bound is above the true value. As for a point, segments that cannot hold the least or the largest
value are left uncut, and penalties are differentiated where they are not 0. Segments that are no
longer than a piece are placed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glass_plan.bodies import Spheres, check_body, spheres_of
from glass_plan.constraints.geometry import Region
from glass_plan.constraints.leaf import Predicate
from glass_plan.constraints.pieces import PIECE, Segments, pieces, sum_by_row, with_middles
from glass_plan.constraints.smooth import NEGLIGIBLE, soft_max, soft_min
from glass_plan.errors import LayoutError
from glass_plan.layout import Layout, Trajectory


@dataclass(frozen=True)
class SpheresIn(Predicate):
    """The body is in a region: value = grow + body * radius - signed distance [m].

    Args:
        region: where.
        grow: how much larger the region counts [m].
        body: +1 if any part of the body counts, 0 for its tool, -1 for the whole body.
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
        """The time step if the region moves; what the body reads is the layout's to say."""
        return ("dt",) if self.moves else ()

    def __invert__(self) -> Self:
        return replace(self, sign=-self.sign)

    def unit(self, layout: Layout) -> str:
        """Metres."""
        return "m"

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if the body does not fit the layout, or the region the body."""
        assert layout.body is not None
        if self.body == 0 and layout.body.tool is None:
            raise LayoutError(
                "the body has no centre; give it a tool, or the layout a channel 'position'"
            )
        if self.region.dim != 3:
            raise LayoutError(
                f"its region has {self.region.dim} coordinates, a body of spheres has 3; use a "
                "region in space"
            )
        check_body(layout)
        if self.moves:
            layout.slice("dt")

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values [m] at the waypoints and the middles of the segments, (..., 2 H - 1)."""
        spheres = self._spheres(trajectory)
        return self._at(spheres, *_samples(spheres, trajectory))

    def penalty(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]:
        """See ``Predicate.penalty``; samples that hold with the buffer cost no gradient."""
        return shared_penalty([self], trajectory, buffer=buffer)

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Lower bound [m] of the value on each segment, (..., H - 1)."""
        spheres = self._spheres(trajectory)
        return self._lows(spheres, _segments(spheres, trajectory))

    def highest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Largest value [m] seen on each segment, (..., H - 1)."""
        spheres = self._spheres(trajectory)
        return self._highs(spheres, _segments(spheres, trajectory))

    def bounds(self, trajectory: Trajectory) -> tuple[Tensor, Tensor]:
        """``lowest`` and ``highest``, with the spheres placed once for both."""
        spheres = self._spheres(trajectory)
        value, wander = self._on_pieces(spheres, _segments(spheres, trajectory))
        return self._low_of(value, wander), self._high_of(value)

    def least(self, trajectory: Trajectory, temperature: float) -> Float[Tensor, "..."]:
        """See ``Predicate.least``; only segments that can hold it are cut."""
        spheres = self._spheres(trajectory)
        segments = _segments(spheres, trajectory)
        with torch.no_grad():
            value, wander, travel = self._at_ends(spheres, segments)
            low = self._of_all((value.sum(-1) - wander) / 2)
            seen = self._of_all(value.transpose(-1, -2)).amin(-1).amin(-1, keepdim=True)
        where = _to_cut(segments, low <= seen + NEGLIGIBLE * temperature, travel)
        if where[0].numel():
            low = low.index_put(where, self._lows(spheres, segments[where]))
        return soft_min(low, temperature)

    def most(self, trajectory: Trajectory, temperature: float) -> Float[Tensor, "..."]:
        """See ``Predicate.most``; only segments that can hold it are cut."""
        spheres = self._spheres(trajectory)
        segments = _segments(spheres, trajectory)
        with torch.no_grad():
            value, wander, travel = self._at_ends(spheres, segments)
            high = self._of_all(value.transpose(-1, -2)).amax(-1)
            needed = high.amax(-1, keepdim=True) - NEGLIGIBLE * temperature
            best = self._of_all((value.sum(-1) + wander) / 2)
        where = _to_cut(segments, best >= needed, travel)
        if where[0].numel():
            high = high.index_put(where, self._highs(spheres, segments[where]))
        return soft_max(high, temperature)

    def _spheres(self, trajectory: Trajectory) -> Spheres:
        x, layout = trajectory.x, trajectory.layout
        return spheres_of(layout, tool=self.body == 0, dtype=x.dtype, device=x.device)

    def _of_all(self, values: Float[Tensor, "... S"]) -> Float[Tensor, "..."]:
        """The worst sphere's value if all of them have to obey, the best one's if any will do."""
        return values.amax(-1) if self.body == self.sign else values.amin(-1)

    def _each(
        self, points: Float[Tensor, "... 3"], times: Float[Tensor, "..."], radii: Tensor
    ) -> Float[Tensor, "..."]:
        """Values [m] of spheres; times and radii are broadcast."""
        distance = self.region.signed_distance(points, times.expand(points.shape[:-1]))
        return self.sign * (self.grow + self.body * radii - distance)

    def _at(
        self, spheres: Spheres, x: Float[Tensor, "... D"], times: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Values [m] of the body in transitions."""
        return self._of_all(self._each(spheres.centers(x), times[..., None], spheres.radii))

    def _at_ends(self, spheres: Spheres, segments: Segments) -> tuple[Tensor, Tensor, Tensor]:
        """Values [m] at both ends of segments, (..., S, 2), and how far each may wander [m].

        That is by how the region and the sphere move together, and by how far both go, (..., S).
        """
        ends = segments.begin.new_tensor([0.0, 1.0]).expand(*segments.begin.shape, 2)
        value, wander, travel = self._placed(spheres, segments, ends)
        return value, wander[..., 0], travel[..., 0]

    def _lows(self, spheres: Spheres, segments: Segments) -> Float[Tensor, "..."]:
        return self._low_of(*self._on_pieces(spheres, segments))

    def _highs(self, spheres: Spheres, segments: Segments) -> Float[Tensor, "..."]:
        return self._high_of(self._on_pieces(spheres, segments)[0])

    def _low_of(
        self, value: Float[Tensor, "... S P+1"], wander: Float[Tensor, "... S P"]
    ) -> Float[Tensor, "..."]:
        low = (value[..., 1:] + value[..., :-1] - wander) / 2  # (..., S, P)
        return self._of_all(low.transpose(-1, -2)).amin(-1)

    def _high_of(self, value: Float[Tensor, "... S P+1"]) -> Float[Tensor, "..."]:
        return self._of_all(value.transpose(-1, -2)).amax(-1)

    def _on_pieces(
        self, spheres: Spheres, segments: Segments
    ) -> tuple[Float[Tensor, "... S P+1"], Float[Tensor, "... S P"]]:
        """Values [m] at the ends of the pieces, and how far each may wander in them [m]."""
        value, wander, travel = self._at_ends(spheres, segments)
        fraction = pieces(travel.detach().amax(-1))  # (..., P+1)
        if fraction.shape[-1] == 2:
            return value, wander[..., None]
        value, wander, _ = self._placed(spheres, segments, fraction)
        return value, wander

    def _placed(
        self, spheres: Spheres, segments: Segments, fraction: Float[Tensor, "... P+1"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As ``_at_ends``, at fractions of segments, (..., S, P + 1), and between, (..., S, P)."""
        x = segments.start[..., None, :] + fraction[..., None] * segments.step[..., None, :]
        when = (segments.begin[..., None] + fraction * segments.lapse[..., None])[..., None, :]
        at = spheres.centers(x).transpose(-2, -3)  # (..., S, P+1, 3)
        stray = spheres.stray(x[..., :-1, :], x.diff(dim=-2)).transpose(-1, -2)
        bent = 2 * self.region.slope * stray
        travel = bent + Region.travel(self.region, at, when)
        wander = travel
        if self.moves:  # how far the value may wander depends on how they move together
            wander = bent + self.region.travel(at, when.expand(at.shape[:-1]))
        return self._each(at, when, spheres.radii[:, None]), wander, travel


def shared_penalty(
    predicates: Sequence[SpheresIn], trajectory: Trajectory, *, buffer: float
) -> Float[Tensor, "..."]:
    """Sum of the penalties of predicates about the same spheres, which are placed once for all."""
    spheres = predicates[0]._spheres(trajectory)
    x, times = _samples(spheres, trajectory)

    def costs(x: Float[Tensor, "... D"], times: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        at = spheres.centers(x)
        each = [p._of_all(p._each(at, times[..., None], spheres.radii)) for p in predicates]
        return torch.relu(buffer - torch.stack(each)).square().sum(0)

    with torch.no_grad():
        cost = costs(x, times)  # (..., K)
    if not (torch.is_grad_enabled() and (x.requires_grad or times.requires_grad)):
        return cost.sum(-1)
    near = cost.flatten().nonzero().squeeze(-1)  # (A,)
    some = costs(x.flatten(0, -2).index_select(0, near), times.flatten().index_select(0, near))
    return sum_by_row(some, near, cost)


def _samples(
    spheres: Spheres, trajectory: Trajectory
) -> tuple[Float[Tensor, "... K D"], Float[Tensor, "... K"]]:
    """Transitions and times [s] at waypoints, then at the middles of segments."""
    x = with_middles(spheres.transitions(trajectory), dim=-2)
    known = "dt" in trajectory.layout.names
    return x, with_middles(trajectory.times, dim=-1) if known else x[..., 0]


def _segments(spheres: Spheres, trajectory: Trajectory) -> Segments:
    x = spheres.transitions(trajectory)
    times = trajectory.times if "dt" in trajectory.layout.names else x[..., 0]
    if x.shape[-2] == 1:  # a lone waypoint is a segment of no length
        x, times = x.repeat_interleave(2, -2), times.repeat_interleave(2, -1)
    start, begin = x[..., :-1, :].contiguous(), times[..., :-1].contiguous()
    return Segments(start, x.diff(dim=-2), begin, times.diff(dim=-1))


def _to_cut(
    segments: Segments, near: Bool[Tensor, "..."], travel: Float[Tensor, "... S"]
) -> tuple[Tensor, ...]:
    """Indices of the segments to look at again: near, and longer than a piece or differentiated."""
    differentiated = segments.start.requires_grad or segments.begin.requires_grad
    if not (torch.is_grad_enabled() and differentiated):
        near = near & (travel.amax(-1) > PIECE)
    return near.nonzero(as_tuple=True)
