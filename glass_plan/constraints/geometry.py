"""Regions of space: values with a signed distance, < 0 inside, to be kept out of or gone to.

Coordinates are tuples of floats [m] in world units, times are plan times [s]. A signed distance
is ``slope``-Lipschitz in the point and ``top_speed``-Lipschitz in time: segment checks rest on it.
Gradients come from autograd and are finite everywhere. Here are the simple solids, all exact; maps,
polygons, compounds and motion have modules of their own. Knows nothing of constraints or robots.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import (
    SMALLEST,
    Numbers,
    constant,
    number,
    point,
    positive,
    shown,
)
from glass_plan.errors import SpecError


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

    @property
    def slope(self) -> float:
        """Largest change of the signed distance per distance of points."""
        return 1.0

    @abstractmethod
    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance [m] to the surface, < 0 inside.

        Args:
            points: (..., H, d) [m].
            times: (..., H) plan time of each point [s].
        """

    def travel(
        self, points: Float[Tensor, "... K d"], times: Float[Tensor, "... K"]
    ) -> Float[Tensor, "... K-1"]:
        """Most that the signed distance can change by, up and down, from each point to the next.

        Args:
            points: (..., K, d) [m], driven in straight lines.
            times: (..., K) [s].
        """
        way: Tensor = torch.linalg.vector_norm(points.diff(dim=-2), dim=-1)
        return self.slope * way + self.top_speed * times.diff(dim=-1)


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
    """Points between two opposite corners, turned about the middle.

    Args:
        low: corner [m], before it is turned.
        high: the opposite corner [m].
        rotation: none, (angle,) in the plane or a rotation vector in space [rad].
    """

    low: Numbers
    high: Numbers
    rotation: Numbers = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", point("Box: low", self.low))
        object.__setattr__(self, "high", point("Box: high", self.high))
        if len(self.low) != len(self.high):
            raise SpecError(f"Box: low and high differ in length, got {self.low} and {self.high}")
        if any(high - low < SMALLEST for low, high in zip(self.low, self.high, strict=True)):
            raise SpecError(
                f"Box: low must be < high, got {self.low} and {self.high}; swap the coordinates"
            )
        object.__setattr__(self, "rotation", rotation("Box", self.rotation, self.dim))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.low)

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """|max(q, 0)| + min(max_i q_i, 0) with q = |p - middle| - half the sides."""
        low, high = constant((self.low, self.high), points.dtype, points.device)
        if self.rotation:
            middle = (low + high) / 2
            points = middle + turned_back(points - middle, self.rotation)
        return _of_excess(torch.maximum(low - points, points - high))


@dataclass(frozen=True)
class HalfSpace(Region):
    """Points p with normal . p <= offset.

    Args:
        normal: outward; scaled to length 1, and the offset with it.
        offset: of the plane from the origin along the normal [m].
    """

    normal: Numbers
    offset: float

    def __post_init__(self) -> None:
        normal = point("HalfSpace: normal", self.normal)
        length = math.hypot(*normal)
        if length < SMALLEST:
            raise SpecError(f"HalfSpace: normal must not be 0, got {normal}; write [1, 0]")
        if abs(length - 1) > 1e-12:
            normal = tuple(x / length for x in normal)
            object.__setattr__(self, "offset", number("HalfSpace: offset", self.offset) / length)
        object.__setattr__(self, "normal", normal)
        object.__setattr__(self, "offset", number("HalfSpace: offset", self.offset))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.normal)

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Normal . p - offset."""
        return points @ constant(self.normal, points.dtype, points.device) - self.offset


@dataclass(frozen=True)
class Capsule(Region):
    """Points within ``radius`` [m] of the segment from ``start`` to ``end`` [m]."""

    start: Numbers
    end: Numbers
    radius: float

    def __post_init__(self) -> None:
        _check_axis(self)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.start)

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance to the segment less the radius."""
        start, end = constant((self.start, self.end), points.dtype, points.device)
        axis, towards = end - start, points - start
        share = (towards @ (axis / axis.square().sum())).clamp(0, 1)
        distance: Tensor = torch.linalg.vector_norm(towards - share[..., None] * axis, dim=-1)
        return distance - self.radius


@dataclass(frozen=True)
class Cylinder(Region):
    """Points within ``radius`` [m] of the axis from ``start`` to ``end`` [m], with flat ends."""

    start: Numbers
    end: Numbers
    radius: float

    def __post_init__(self) -> None:
        _check_axis(self)
        if len(self.start) != 3:
            raise SpecError(
                f"Cylinder: needs 3 coordinates, got {self.start}; in the plane use a rotated Box"
            )

    @property
    def dim(self) -> int:
        """Number of coordinates: 3."""
        return 3

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """As a box's, in the plane of the distances from the axis and along it."""
        start, end = constant((self.start, self.end), points.dtype, points.device)
        half = torch.linalg.vector_norm(end - start) / 2
        axis = (end - start) / (2 * half)
        towards = points - (start + end) / 2
        along = towards @ axis
        away = torch.linalg.vector_norm(towards - along[..., None] * axis, dim=-1)
        return _of_excess(torch.stack([away - self.radius, along.abs() - half], dim=-1))


def _of_excess(q: Float[Tensor, "... d"]) -> Float[Tensor, "..."]:
    """|max(q, 0)| + min(max_i q_i, 0): signed distance by how far each coordinate is out."""
    outside: Tensor = torch.linalg.vector_norm(q.clamp_min(0), dim=-1)
    return outside + q.amax(-1).clamp_max(0)


def _check_axis(value: Capsule | Cylinder) -> None:
    """Check and store start, end and radius."""
    kind = type(value).__name__
    start, end = (point(f"{kind}: {name}", getattr(value, name)) for name in ("start", "end"))
    if len(start) != len(end):
        raise SpecError(f"{kind}: start and end differ in length, got {start} and {end}")
    if math.dist(start, end) < SMALLEST:
        raise SpecError(f"{kind}: start and end must differ, got {start} twice; or use a Ball")
    object.__setattr__(value, "start", start)
    object.__setattr__(value, "end", end)
    object.__setattr__(value, "radius", positive(f"{kind}: radius", value.radius))


def rotation(kind: str, value: object, dim: int) -> Numbers:
    """A rotation's numbers: none, an angle in the plane, a rotation vector in space [rad]."""
    given = (value,) if isinstance(value, int | float) else value
    numbers = point(f"{kind}: rotation", given) if given != () and given != [] else ()
    if numbers and (dim, len(numbers)) not in ((2, 1), (3, 3)):
        raise SpecError(
            f"{kind}: rotation must be [angle] in the plane and a rotation vector [x, y, z] in "
            f"space, in rad, got {numbers} in {dim} coordinates"
        )
    if any(abs(x) > 2 * math.pi for x in numbers):
        raise SpecError(
            f"{kind}: rotation is in radians, up to a whole turn, got {numbers}; of degrees, "
            "math.radians"
        )
    return numbers if any(numbers) else ()


def turned_back(points: Float[Tensor, "... d"], by: Numbers) -> Float[Tensor, "... d"]:
    """Points in the frame of a body that was turned by a rotation."""
    return points @ constant(rotation_matrix(by), points.dtype, points.device)


def rotation_matrix(by: Numbers) -> tuple[Numbers, ...]:
    """Rows of the matrix that turns by an angle, or by a rotation vector (Rodrigues)."""
    angle = math.hypot(*by) if len(by) == 3 else by[0]
    s, c = math.sin(angle), math.cos(angle)
    if len(by) == 1:
        return ((c, -s), (s, c))
    x, y, z = (a / angle for a in by)
    return (
        (c + x * x * (1 - c), x * y * (1 - c) - z * s, x * z * (1 - c) + y * s),
        (y * x * (1 - c) + z * s, c + y * y * (1 - c), y * z * (1 - c) - x * s),
        (z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)),
    )


def region(where: str, value: object) -> Region:
    """A region, or a SpecError."""
    if isinstance(value, Region):
        return value
    raise SpecError(f"{where}: expected a region, got {shown(value)}; write Ball((0, 0), 0.3)")
