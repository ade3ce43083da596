"""Regions made of regions: unions, intersections, and what is larger by a distance.

d(A or B) = min, d(A and B) = max, d(A grown by r) = d(A) - r. The sign is exact. So is the
distance outside of a union and inside of an intersection; elsewhere it is no larger than the true
one, which is the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import items, not_negative, number
from glass_plan.constraints.geometry import Region, region
from glass_plan.errors import SpecError


@dataclass(frozen=True)
class _Compound(Region):
    """Several regions as one."""

    parts: tuple[Region, ...]

    def __post_init__(self) -> None:
        kind = type(self).__name__
        parts = tuple(region(kind, part) for part in items(f"{kind}: parts", self.parts))
        if len({part.dim for part in parts}) != 1:
            raise SpecError(
                f"{kind}: needs at least one part, all with the same number of coordinates, "
                f"got {[part.dim for part in parts]}"
            )
        object.__setattr__(self, "parts", parts)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.parts[0].dim

    @property
    def top_speed(self) -> float:
        """Of the fastest part [m/s]."""
        return max(part.top_speed for part in self.parts)

    @property
    def slope(self) -> float:
        """Of the steepest part."""
        return max(part.slope for part in self.parts)

    def travel(
        self, points: Float[Tensor, "... K d"], times: Float[Tensor, "... K"]
    ) -> Float[Tensor, "... K-1"]:
        """Of the part that may change most."""
        travels = [part.travel(points, times) for part in self.parts]
        return torch.stack(travels, dim=-1).amax(-1)

    def _distances(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H P"]:
        return torch.stack([part.signed_distance(points, times) for part in self.parts], dim=-1)


@dataclass(frozen=True)
class Union(_Compound):
    """Points in any of the parts: exact outside; inside, no deeper than the true distance."""

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Smallest of the parts' distances."""
        return self._distances(points, times).amin(-1)


@dataclass(frozen=True)
class Intersection(_Compound):
    """Points in all of the parts: exact inside; outside, no farther than the true distance."""

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Largest of the parts' distances."""
        return self._distances(points, times).amax(-1)


@dataclass(frozen=True)
class Inflated(Region):
    """Points within a distance of a shape, which may grow with time: how uncertain it is.

    Args:
        shape: to grow.
        by: distance [m].
        rate: by which the distance grows [m/s].
        since: plan time at which it begins to [s].
    """

    shape: Region
    by: float = 0.0
    rate: float = 0.0
    since: float = 0.0

    def __post_init__(self) -> None:
        region("Inflated: shape", self.shape)
        object.__setattr__(self, "by", not_negative("Inflated: by", self.by))
        object.__setattr__(self, "rate", not_negative("Inflated: rate", self.rate))
        object.__setattr__(self, "since", number("Inflated: since", self.since))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.shape.dim

    @property
    def top_speed(self) -> float:
        """The shape's and the growth's [m/s]."""
        return self.shape.top_speed + self.rate

    @property
    def slope(self) -> float:
        """The shape's."""
        return self.shape.slope

    def travel(
        self, points: Float[Tensor, "... K d"], times: Float[Tensor, "... K"]
    ) -> Float[Tensor, "... K-1"]:
        """The shape's and the growth's."""
        travel = self.shape.travel(points, times)
        return travel + self.rate * times.diff(dim=-1) if self.rate else travel

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """The shape's distance less the growth so far."""
        distance = self.shape.signed_distance(points, times) - self.by
        if self.rate:
            return distance - self.rate * (times - self.since).clamp_min(0)
        return distance
