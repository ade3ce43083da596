"""What is projected in tests: half-planes, lone waypoints, straight ways, metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from glass_plan.constraints import (
    Avoid,
    Ball,
    Box,
    Leaf,
    Predicate,
    StayIn,
)
from glass_plan.guidance import Bend, sine_subspace, smoothing_kernel
from glass_plan.layout import POINT_MASS, Trajectory

FREE = replace(POINT_MASS, start=(), goal=(), radius=0.0)
"""Nothing pinned, a body without size."""
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Lower(Predicate):
    """offset - <normal, position>, at waypoints."""

    normal: tuple[float, float]
    offset: float

    reads = ("position",)

    def __invert__(self):
        return Lower((-self.normal[0], -self.normal[1]), -self.offset)

    def values(self, trajectory):
        position = trajectory.channel("position")
        return self.offset - position @ torch.tensor(self.normal, dtype=position.dtype)


@dataclass(frozen=True, repr=False)
class Below(Leaf):
    """Always in a half-plane."""

    normal: tuple[float, float]
    offset: float

    is_safety = True
    label = "below"

    @property
    def predicate(self):
        return Lower(self.normal, self.offset)


DISC = Avoid(Ball((0.0, 0.0), 1.0))
SQUARE = StayIn(Box((-1.0, -1.0), (1.0, 1.0)))
RIGHT, LEFT = Below((-1.0, 0.0), -1.0), Below((1.0, 0.0), -1.0)  # x >= 1, x <= -1


def points(*rows):
    """Lone waypoints with the position, and if given the velocity, of each row."""
    x = torch.zeros(len(rows), 1, POINT_MASS.dim, dtype=torch.float64)
    for k, row in enumerate(rows):
        x[k, 0, : len(row)] = torch.tensor(row, dtype=torch.float64)
    x[..., 6] = 0.1
    return Trajectory(x, FREE)


def lines(*heights, count=32, dtype=torch.float64):
    """Straight ways of 4 m to the right at heights y."""
    x = torch.zeros(len(heights), count, POINT_MASS.dim, dtype=dtype)
    x[..., 0] = torch.linspace(-2, 2, count)
    x[..., 1] = torch.tensor(heights)[:, None]
    x[..., 6] = 0.1
    return Trajectory(x, POINT_MASS)


AROUND = Avoid(Ball((0.2, 0.1), 0.4)) & Avoid(Box((-1.2, -0.3), (-0.8, -0.05)))


SPREADS = {
    "raw": lambda given_: None,
    "sine": lambda given_: sine_subspace(given_.x.shape[1], 8),
    "kernel": lambda given_: smoothing_kernel(given_, Bend()),
}
"""Metrics, by the spread of displacements, for the trajectories that they are given."""
