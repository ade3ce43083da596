"""Regions that move in plan time: a shape in a frame whose origin follows a path.

d(p, t) = d_shape(p - c(t)). Between two turns of the path the relative motion of a straight drive
is straight, too, and the signed distance changes by its length at most. Uncertainty that grows is
``Inflated``'s. Knows nothing of flow time.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glass_plan.constraints.checks import (
    SMALLEST,
    Numbers,
    constant,
    items,
    not_negative,
    point,
    positive,
    shown,
)
from glass_plan.constraints.geometry import Region, region
from glass_plan.errors import SpecError


@dataclass(frozen=True)
class Carried(Region):
    """A shape that is carried along."""

    shape: Region

    def __post_init__(self) -> None:
        region(f"{type(self).__name__}: shape", self.shape)

    @abstractmethod
    def position(self, times: Float[Tensor, "... H"]) -> Float[Tensor, "... H d"]:
        """Where the frame's origin is [m], (..., H, d), at plan times (..., H) [s]."""

    def leg(self, times: Float[Tensor, "... H"]) -> Int[Tensor, "... H"] | None:
        """A number of the straight leg with constant speed at each time; None: all are bent."""
        return None

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.shape.dim

    @property
    def slope(self) -> float:
        """The shape's."""
        return self.shape.slope

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """The shape's distance in the frame that follows the path."""
        return self.shape.signed_distance(points - self.position(times), times)

    def travel(
        self, points: Float[Tensor, "... K d"], times: Float[Tensor, "... K"]
    ) -> Float[Tensor, "... K-1"]:
        """The shape's, in the frame that follows the path, where that does not turn."""
        most = super().travel(points, times)
        leg = self.leg(times)
        if leg is None:
            return most
        relative = self.shape.travel(points - self.position(times), times)
        return torch.where(leg.diff(dim=-1) == 0, relative, most)


@dataclass(frozen=True)
class Moving(Carried):
    """A shape carried along straight lines between waypoints, from the first at time 0.

    Args:
        shape: in its own frame, whose origin follows the path.
        waypoints: of the path [m].
        speed: along the path [m/s].
        loop: go back to the first waypoint and round again, instead of stopping at the last.
    """

    waypoints: tuple[Numbers, ...]
    speed: float = 1.0
    loop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        waypoints = _path_points("Moving: waypoints", self.waypoints, self.dim)
        if any(math.dist(a, b) < SMALLEST for a, b in itertools.pairwise(waypoints)):
            raise SpecError(
                f"Moving: waypoints must differ from the one before, got {waypoints!r:.99}"
            )
        if not isinstance(self.loop, bool):
            raise SpecError(f"Moving: loop must be true or false, got {shown(self.loop)}")
        object.__setattr__(self, "waypoints", waypoints)
        object.__setattr__(self, "speed", positive("Moving: speed", self.speed))

    @property
    def top_speed(self) -> float:
        """Along the path, and of the shape in its own frame [m/s]."""
        return self.slope * self.speed + self.shape.top_speed

    def position(self, times: Float[Tensor, "... H"]) -> Float[Tensor, "... H d"]:
        """Along the path, from the first waypoint at time 0."""
        origin, direction, past = _path(self.waypoints, self.loop, times.dtype, times.device)
        gone = self.speed * times.clamp_min(0)  # [m]
        gone = gone.remainder(past[-1]) if self.loop else gone.clamp_max(past[-1])
        leg = torch.bucketize(gone.detach(), past[1:-1], right=True)
        return _rows(origin, leg) + gone.unsqueeze(-1) * _rows(direction, leg)

    def leg(self, times: Float[Tensor, "... H"]) -> Int[Tensor, "... H"]:
        """Counted from the start, over all rounds."""
        _, direction, past = _path(self.waypoints, self.loop, times.dtype, times.device)
        gone = self.speed * times.detach()
        rounds = (gone / past[-1]).floor().clamp_min(0) * self.loop
        leg = torch.bucketize(gone - rounds * past[-1], past[1:])
        return torch.where(gone < 0, -1, leg + rounds.long() * len(direction))


@dataclass(frozen=True)
class Drifting(Carried):
    """A shape at constant velocity, in its place at time 0.

    Args:
        shape: as it is at time 0.
        velocity: [m/s].
    """

    velocity: Numbers

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "velocity", point("Drifting: velocity", self.velocity))
        if len(self.velocity) != self.dim:
            raise SpecError(
                f"Drifting: velocity needs {self.dim} coordinates like its shape, "
                f"got {self.velocity}"
            )

    @property
    def top_speed(self) -> float:
        """Of the drift, and of the shape in its own frame [m/s]."""
        return self.slope * math.hypot(*self.velocity) + self.shape.top_speed

    def position(self, times: Float[Tensor, "... H"]) -> Float[Tensor, "... H d"]:
        """Velocity times time."""
        return times[..., None] * constant(self.velocity, times.dtype, times.device)

    def leg(self, times: Float[Tensor, "... H"]) -> Int[Tensor, "... H"]:
        """The only one."""
        return torch.zeros_like(times, dtype=torch.long)


@dataclass(frozen=True)
class Tracked(Carried):
    """A shape at positions given for certain times, in straight lines between, at rest outside.

    Args:
        shape: in its own frame, whose origin follows the track.
        times: increasing [s].
        positions: one for each time [m].
    """

    times: Numbers
    positions: tuple[Numbers, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        times = point("Tracked: times", self.times)
        positions = _path_points("Tracked: positions", self.positions, self.dim)
        if len(times) != len(positions):
            raise SpecError(
                f"Tracked: needs one time for each of {len(positions)} positions, got {len(times)}"
            )
        if any(b - a < SMALLEST for a, b in itertools.pairwise(times)):
            raise SpecError(f"Tracked: times must increase, got {shown(times)}")
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "positions", positions)

    @property
    def top_speed(self) -> float:
        """On the fastest leg, and of the shape in its own frame [m/s]."""
        legs = zip(itertools.pairwise(self.positions), itertools.pairwise(self.times), strict=True)
        speed = max(math.dist(*places) / (end - start) for places, (start, end) in legs)
        return self.slope * speed + self.shape.top_speed

    def position(self, times: Float[Tensor, "... H"]) -> Float[Tensor, "... H d"]:
        """Between the positions before and after."""
        moments = constant(self.times, times.dtype, times.device)
        places = constant(self.positions, times.dtype, times.device)
        leg = torch.bucketize(times.detach(), moments[1:-1], right=True)
        lapse = moments.diff()
        share = ((times - moments[leg]) / lapse[leg]).clamp(0, 1)
        return torch.lerp(_rows(places, leg), _rows(places, leg + 1), share[..., None])

    def leg(self, times: Float[Tensor, "... H"]) -> Int[Tensor, "... H"]:
        """The number of times that have passed."""
        return torch.bucketize(times.detach(), constant(self.times, times.dtype, times.device))


@dataclass(frozen=True)
class Following(Carried):
    """A shape that follows a function of time; for Python only, specification files have none.

    Args:
        shape: in its own frame, whose origin follows the path.
        path: plan times (..., H) [s] to positions (..., H, d) [m], differentiable.
        speed: largest of the path [m/s]; segment checks rest on it.
    """

    path: Callable[[Tensor], Tensor]
    speed: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.path):
            raise SpecError(f"Following: path must be a function of time, got {shown(self.path)}")
        object.__setattr__(self, "speed", not_negative("Following: speed", self.speed))

    @property
    def top_speed(self) -> float:
        """Of the path, and of the shape in its own frame [m/s]; above 0, since times matter."""
        return self.slope * max(self.speed, SMALLEST) + self.shape.top_speed

    def position(self, times: Float[Tensor, "... H"]) -> Float[Tensor, "... H d"]:
        """The function's value."""
        return self.path(times)


@lru_cache(maxsize=256)
def _path(
    waypoints: tuple[Numbers, ...], loop: bool, dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, "M d"], Float[Tensor, "M d"], Float[Tensor, "M+1"]]:
    """Origin and unit direction of every leg, and the length gone before it; last, the whole.

    A leg is origin + gone * direction, where gone is the length from the path's own start.
    """
    closes = loop and math.dist(waypoints[0], waypoints[-1]) >= SMALLEST
    with torch.inference_mode(False):
        stops = torch.tensor(waypoints + waypoints[:1] * closes, dtype=torch.float64, device=device)
        legs = stops.diff(dim=0)
        length = torch.linalg.vector_norm(legs, dim=-1)
        past = torch.cat([length.new_zeros(1), length.cumsum(0)])
        direction = legs / length[:, None]
        origin = stops[:-1] - past[:-1, None] * direction
        return origin.to(dtype), direction.to(dtype), past.to(dtype)


def _rows(table: Float[Tensor, "M d"], index: Int[Tensor, "..."]) -> Float[Tensor, "... d"]:
    """Rows of a table, (..., d) for indices (...); several times faster than table[index]."""
    return table.index_select(0, index.flatten()).view(*index.shape, table.shape[-1])


def _path_points(where: str, value: object, dim: int) -> tuple[Numbers, ...]:
    """At least two points of the shape's dimension."""
    points = tuple(point(f"{where}[{k}]", at) for k, at in enumerate(items(where, value)))
    if len(points) < 2 or any(len(at) != dim for at in points):
        kind, name = where.split(": ")
        raise SpecError(
            f"{kind}: needs at least 2 {name} of {dim} coordinates like its shape, "
            f"got {shown(points)}"
        )
    return points
