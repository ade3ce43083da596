"""Polygons and ways in the plane: distance to the nearest edge, with a sign by which side.

|p - edges| = min_k |p - (a_k + s_k (b_k - a_k))|, s_k clipped to [0, 1]; inside is what a ray
crosses an odd number of times. Exact, inside and out.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glass_plan.constraints.checks import SMALLEST, Numbers, constant, items, point, positive, shown
from glass_plan.constraints.geometry import Region
from glass_plan.errors import SpecError

MAX_VERTICES = 256
"""Most vertices of a polygon or waypoints of a tube."""

TINY = 1e-30
"""Smallest squared distance [m^2] under a square root, whose slope at 0 is infinite."""

Segments = tuple[tuple[Numbers, ...], tuple[Numbers, ...]]
"""Starts and ends."""


@dataclass(frozen=True)
class Polygon(Region):
    """Points inside a closed line that does not cross itself.

    Args:
        vertices: (x, y) [m] in either sense of rotation; the last is joined to the first.
    """

    vertices: tuple[Numbers, ...]

    def __post_init__(self) -> None:
        kind = type(self).__name__
        vertices = _points(f"{kind}: vertices", self.vertices, least=3)
        if any(len(at) != 2 for at in vertices):
            raise SpecError(f"{kind}: vertices must be [x, y], got {shown(vertices)}")
        edges = list(zip(vertices, vertices[1:] + vertices[:1], strict=True))
        if math.dist(*edges[-1]) < SMALLEST:
            raise SpecError(f"{kind}: the last vertex is joined to the first; leave it out")
        if any(_meet(a, b) for a, b in _apart(edges)):
            raise SpecError(f"{kind}: its edges must not cross or touch, got {shown(vertices)}")
        object.__setattr__(self, "vertices", vertices)

    @property
    def dim(self) -> int:
        """Number of coordinates: 2."""
        return 2

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance to the nearest edge, < 0 inside."""
        edges = (self.vertices, self.vertices[1:] + self.vertices[:1])
        distance = _to_segments(points, edges)
        return distance * (1 - 2 * self._inside(points.detach()).to(distance.dtype))

    def _inside(self, points: Float[Tensor, "... H 2"]) -> Bool[Tensor, "... H"]:
        """Whether a ray to the right crosses an odd number of edges."""
        edges = (self.vertices, self.vertices[1:] + self.vertices[:1])
        a, b = constant(edges, points.dtype, points.device)  # (E, 2)
        x, y = points[..., :1], points[..., 1:]
        spans = (a[:, 1] <= y) != (b[:, 1] <= y)  # (..., H, E)
        run = torch.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
        crossing = a[:, 0] + (y - a[:, 1]) / run * (b[:, 0] - a[:, 0])
        crossings: Tensor = (spans & (x < crossing)).sum(-1)
        return (crossings % 2).bool()


@dataclass(frozen=True)
class ConvexPolygon(Polygon):
    """A polygon without a corner that points inwards, which is checked."""

    def __post_init__(self) -> None:
        super().__post_init__()
        corners = [self.vertices[k:] + self.vertices[:k] for k in range(len(self.vertices))]
        turns = {_turn(*corner[:3]) > 0 for corner in corners if _turn(*corner[:3]) != 0}
        if len(turns) != 1:
            raise SpecError(
                f"ConvexPolygon: all corners must turn the same way, got {shown(self.vertices)}; "
                "use a Polygon"
            )


@dataclass(frozen=True)
class Tube(Region):
    """Points within ``radius`` [m] of a way through waypoints, in any number of coordinates.

    Args:
        waypoints: [m], at least two.
        radius: [m].
    """

    waypoints: tuple[Numbers, ...]
    radius: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "waypoints", _points("Tube: waypoints", self.waypoints, least=2))
        object.__setattr__(self, "radius", positive("Tube: radius", self.radius))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.waypoints[0])

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance to the nearest leg less the radius."""
        return _to_segments(points, (self.waypoints[:-1], self.waypoints[1:])) - self.radius


def _to_segments(points: Float[Tensor, "... H d"], segments: Segments) -> Float[Tensor, "... H"]:
    """Distance [m] to the nearest of the segments."""
    a, b = constant(segments, points.dtype, points.device)  # (E, d)
    along = b - a
    towards = points[..., None, :] - a  # (..., H, E, d)
    share = ((towards * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
    square = (towards - share[..., None] * along).square().sum(-1)
    distance: Tensor = square.amin(-1).clamp_min(TINY).sqrt()
    return distance


def _points(where: str, value: object, *, least: int) -> tuple[Numbers, ...]:
    """At least so many points of equal dimension, each apart from the one before."""
    given = items(where, value)
    if not least <= len(given) <= MAX_VERTICES:
        raise SpecError(f"{where} must be {least} to {MAX_VERTICES} points, got {len(given)}")
    points = tuple(point(f"{where}[{k}]", at) for k, at in enumerate(given))
    if len({len(at) for at in points}) != 1:
        raise SpecError(f"{where} must have the same number of coordinates, got {shown(points)}")
    if any(math.dist(a, b) < SMALLEST for a, b in itertools.pairwise(points)):
        raise SpecError(f"{where} must differ from the one before, got {shown(points)}")
    return points


Edge = tuple[Numbers, Numbers]


def _apart(edges: list[Edge]) -> list[tuple[Edge, Edge]]:
    """Pairs of edges that do not share a vertex."""
    count = len(edges)
    pairs = itertools.combinations(range(count), 2)
    return [(edges[j], edges[k]) for j, k in pairs if 1 < k - j < count - 1]


def _meet(one: Edge, other: Edge) -> bool:
    """Whether two segments have a point in common."""
    (a, b), (c, d) = one, other
    across = _turn(a, b, c) * _turn(a, b, d) <= 0 and _turn(c, d, a) * _turn(c, d, b) <= 0
    boxes = all(
        max(min(a[k], b[k]), min(c[k], d[k])) <= min(max(a[k], b[k]), max(c[k], d[k]))
        for k in (0, 1)
    )
    return across and boxes


def _turn(a: Numbers, b: Numbers, c: Numbers) -> float:
    """> 0 if the way from a over b to c turns left."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
