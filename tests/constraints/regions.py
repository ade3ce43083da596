"""Regions of every kind, and their signed distances at points: what several tests read."""

from __future__ import annotations

import torch

from glass_plan.constraints import (
    Ball,
    Box,
    Capsule,
    ConvexPolygon,
    Cylinder,
    Ellipsoid,
    HalfSpace,
    Inflated,
    Intersection,
    Polygon,
    Region,
    Tube,
    Union,
)

PATH = ((0.0, 0.0), (1.0, 0.5), (1.2, 2.0))


def cloud(seed: int, dim: int = 2, count: int = 60) -> torch.Tensor:
    """Points (count, dim) over some metres."""
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.rand(count, dim, generator=generator, dtype=torch.float64) - 2.5


def distances(region: Region, points: torch.Tensor, time: float = 0.0) -> torch.Tensor:
    return region.signed_distance(points, torch.full_like(points[..., 0], time))


FLAT: list[Region] = [
    Ball((0.3, -0.2), 0.7),
    Box((-0.5, -1.0), (1.2, 0.4), 0.4),
    Ellipsoid((0.3, 0.1), (1.0, 0.4), -0.7),
    Capsule((0.1, 0.2), (1.0, -0.5), 0.3),
    HalfSpace((0.6, 0.8), 0.4),
    Polygon(((0, 0), (2, 0), (2, 1), (1, 0.5), (0, 1))),
    ConvexPolygon(((0, 0), (2, 0), (1, 1))),
    Tube(PATH, 0.3),
    Union((Ball((0.3, -0.2), 0.7), Capsule((0.1, 0.2), (1.0, -0.5), 0.3))),
    Intersection((Ball((0.3, -0.2), 0.7), HalfSpace((0.6, 0.8), 0.1))),
    Inflated(Polygon(((0, 0), (2, 0), (2, 1), (1, 0.5), (0, 1))), 0.2),
]
ROUND: list[Region] = [
    Ball((0.3, -0.2, 0.5), 0.7),
    Capsule((0.1, 0.2, 0.3), (1.0, -0.5, 0.0), 0.3),
    Cylinder((0.1, 0.2, 0.3), (1.0, -0.5, 0.0), 0.3),
    HalfSpace((0.6, 0.0, 0.8), 0.4),
    Tube(((0, 0, 0), (1, 0, 1), (1, 2, 0)), 0.2),
]
