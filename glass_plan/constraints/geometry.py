"""Regions of space: values with a signed distance, < 0 inside, to be kept out of or gone to.

Coordinates are tuples of floats [m] in world units, times are plan times [s]. A signed distance
is 1-Lipschitz in the point and ``top_speed``-Lipschitz in time; segment checks rest on that.
Gradients come from autograd and are finite everywhere. Knows nothing of constraints or robots.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from glass_plan.constraints.checks import SMALLEST, Numbers, constant, items, point, positive, shown
from glass_plan.errors import SpecError

MAX_CELLS = 1_000_000
"""Largest number of cells of a grid."""

ALIKE = 4.0
"""Added to the squared distance (in cells) of a neighbour like the point's own cell."""

TINY = 1e-30
"""Smallest squared distance [cells^2] under a square root, whose slope at 0 is infinite."""


class Region(ABC):
    """A set of points, perhaps moving."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of coordinates of its points."""

    @property
    def top_speed(self) -> float:
        """Largest speed of its surface [m/s]; 0 for a region that stays, which ignores times."""
        return 0.0

    @abstractmethod
    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance [m] to the surface, < 0 inside.

        Args:
            points: (..., H, d) [m].
            times: (..., H) plan time of each point [s].
        """


@dataclass(frozen=True)
class Ball(Region):
    """Points within ``radius`` [m] of ``center`` [m]."""

    center: Numbers
    radius: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", point("Ball: center", self.center))
        object.__setattr__(self, "radius", positive("Ball: radius", self.radius))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.center)

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """|p - center| - radius."""
        center = constant(self.center, points.dtype, points.device)
        distance: Tensor = torch.linalg.vector_norm(points - center, dim=-1)
        return distance - self.radius


@dataclass(frozen=True)
class Box(Region):
    """Points between two opposite corners ``low`` and ``high`` [m], sides along the axes."""

    low: Numbers
    high: Numbers

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", point("Box: low", self.low))
        object.__setattr__(self, "high", point("Box: high", self.high))
        if len(self.low) != len(self.high):
            raise SpecError(f"Box: low and high differ in length, got {self.low} and {self.high}")
        if any(high - low < SMALLEST for low, high in zip(self.low, self.high, strict=True)):
            raise SpecError(
                f"Box: low must be < high, got {self.low} and {self.high}; swap the coordinates"
            )

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.low)

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """|max(q, 0)| + min(max_i q_i, 0) with q = |p - middle| - half the sides."""
        low, high = constant((self.low, self.high), points.dtype, points.device)
        q = torch.maximum(low - points, points - high)  # (..., H, d)
        outside: Tensor = torch.linalg.vector_norm(q.clamp_min(0), dim=-1)
        return outside + q.amax(-1).clamp_max(0)


@dataclass(frozen=True)
class Grid(Region):
    """Occupied cells of a map, truncated at one cell: the value is within +-``cell``.

    The map is centred at the origin, row 0 on top (largest y), x to the right; every cell outside
    of it counts as occupied.

    Args:
        occupancy: rows of 0 (free) and 1 (occupied).
        cell: side [m].
    """

    occupancy: tuple[tuple[int, ...], ...]
    cell: float

    def __post_init__(self) -> None:
        where = "Grid: occupancy"
        rows = tuple(items(where, row) for row in items(where, self.occupancy))
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths == {0}:
            raise SpecError(f"Grid: rows must be equally long and not empty, got {sorted(widths)}")
        if len(rows) * max(widths) > MAX_CELLS:
            raise SpecError(f"Grid: at most {MAX_CELLS} cells, got {len(rows)} x {max(widths)}")
        for x in itertools.chain(*rows):
            if x not in (0, 1):
                raise SpecError(f"{where} must be 0 or 1, got {shown(x)}")
        cells = tuple(tuple(int(x == 1) for x in row) for row in rows)
        object.__setattr__(self, "occupancy", cells)
        object.__setattr__(self, "cell", positive("Grid: cell", self.cell))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return 2

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance to the nearest of the 8 neighbours that differ from the point's own cell."""
        like = (points.dtype, points.device)
        height, width = len(self.occupancy), len(self.occupancy[0])
        scale = constant((1 / self.cell, -1 / self.cell), *like)
        origin = constant((width / 2, height / 2), *like)
        in_cells = torch.addcmul(origin, points, scale)
        corner = in_cells.detach().floor()
        local = (in_cells - corner).unsqueeze(-1)  # (..., H, 2, 1), column and row, in [0, 1]
        slope, offset = constant((((1, 0, -1),), ((0, 0, 1),)), *like)
        square = torch.addcmul(offset, local, slope).square()  # to the 3 columns and 3 rows
        around = _neighbours(self.occupancy, *like)[_index(corner, height, width)]  # (..., H, 10)
        apart = (square[..., 1, :, None] + square[..., 0, None, :]).flatten(-2)  # (..., H, 9)
        nearest = (apart + around[..., :9]).amin(-1).clamp(TINY, 1.0).sqrt()
        return self.cell * around[..., 9] * nearest


@lru_cache(maxsize=64)
def _neighbours(
    occupancy: tuple[tuple[int, ...], ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "K 10"]:
    """Per cell of the map in a frame of two walls: 9 x ALIKE or 0, then -1 if occupied else 1."""
    with torch.inference_mode(False):
        walls = pad(torch.tensor(occupancy, device=device), (3, 3, 3, 3), value=1)
        around = walls.unfold(0, 3, 1).unfold(1, 3, 1).flatten(-2)  # (rows + 4, columns + 4, 9)
        own = around[..., 4:5]
        return torch.cat([ALIKE * (around == own), 1.0 - 2 * own], dim=-1).flatten(0, 1).to(dtype)


def _index(corner: Float[Tensor, "... 2"], height: int, width: int) -> Tensor:
    """Row of ``_neighbours`` for a column and row of the map, (...)."""
    first, last = constant(((-2, -2), (width + 1, height + 1)), torch.int64, corner.device)
    framed = corner.long().clamp(first, last) + 2
    return framed[..., 1] * (width + 4) + framed[..., 0]


@dataclass(frozen=True)
class Union(Region):
    """Points in any of the parts: exact outside; inside, no deeper than the true distance."""

    parts: tuple[Region, ...]

    def __post_init__(self) -> None:
        parts = tuple(region("Union", part) for part in items("Union: parts", self.parts))
        if len({part.dim for part in parts}) != 1:
            raise SpecError(
                "Union: needs at least one part, all with the same number of coordinates, "
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

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Smallest of the parts' distances."""
        distances = [part.signed_distance(points, times) for part in self.parts]
        return torch.stack(distances, dim=-1).amin(-1)


@dataclass(frozen=True)
class Moving(Region):
    """A shape carried along straight lines between waypoints, from the first at time 0.

    Args:
        shape: in its own frame, whose origin follows the path.
        waypoints: of the path [m].
        speed: along the path [m/s].
        loop: go back to the first waypoint and round again, instead of stopping at the last.
    """

    shape: Region
    waypoints: tuple[Numbers, ...]
    speed: float = 1.0
    loop: bool = False

    def __post_init__(self) -> None:
        dim = region("Moving: shape", self.shape).dim
        path = items("Moving: waypoints", self.waypoints)
        waypoints = tuple(point(f"Moving: waypoints[{k}]", at) for k, at in enumerate(path))
        if len(waypoints) < 2 or any(len(at) != dim for at in waypoints):
            raise SpecError(
                f"Moving: needs at least 2 waypoints of {dim} coordinates like its shape, "
                f"got {shown(waypoints)}"
            )
        if any(math.dist(a, b) < SMALLEST for a, b in itertools.pairwise(waypoints)):
            raise SpecError(
                f"Moving: waypoints must differ from the one before, got {waypoints!r:.99}"
            )
        if not isinstance(self.loop, bool):
            raise SpecError(f"Moving: loop must be true or false, got {shown(self.loop)}")
        object.__setattr__(self, "waypoints", waypoints)
        object.__setattr__(self, "speed", positive("Moving: speed", self.speed))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.shape.dim

    @property
    def top_speed(self) -> float:
        """Along the path, and of the shape in its own frame [m/s]."""
        return self.speed + self.shape.top_speed

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """The shape's distance in the frame that follows the path."""
        return self.shape.signed_distance(points - self.position(times), times)

    def position(self, times: Float[Tensor, "... H"]) -> Float[Tensor, "... H d"]:
        """Where the frame's origin is [m], (..., H, d), at plan times (..., H) [s]."""
        start, direction, past = _path(self.waypoints, self.loop, times.dtype, times.device)
        gone = self.speed * times.clamp_min(0)  # [m]
        gone = gone.remainder(past[-1]) if self.loop else gone.clamp_max(past[-1])
        leg = torch.bucketize(gone.detach(), past[1:-1], right=True)
        return start[leg] + (gone - past[leg]).unsqueeze(-1) * direction[leg]


@lru_cache(maxsize=256)
def _path(
    waypoints: tuple[Numbers, ...], loop: bool, dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, "M d"], Float[Tensor, "M d"], Float[Tensor, "M+1"]]:
    """Start and unit direction of every leg, and the length gone before it; last, the whole."""
    closes = loop and math.dist(waypoints[0], waypoints[-1]) >= SMALLEST
    with torch.inference_mode(False):
        stops = torch.tensor(waypoints + waypoints[:1] * closes, dtype=torch.float64, device=device)
        legs = stops.diff(dim=0)
        length = torch.linalg.vector_norm(legs, dim=-1)
        past = torch.cat([length.new_zeros(1), length.cumsum(0)])
        return stops[:-1].to(dtype), (legs / length[:, None]).to(dtype), past.to(dtype)


def region(where: str, value: object) -> Region:
    """A region, or a SpecError."""
    if isinstance(value, Region):
        return value
    raise SpecError(f"{where}: expected a region, got {shown(value)}; write Ball((0, 0), 0.3)")
