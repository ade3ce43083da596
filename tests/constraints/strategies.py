"""What the tests of the constraint language draw from: regions, constraints, trajectories."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from hypothesis import strategies as st

from glass_plan.constraints import (
    AccelLimit,
    All,
    AnyOf,
    Avoid,
    Ball,
    Box,
    Constraint,
    Grid,
    Moving,
    Reach,
    Region,
    SpeedLimit,
    StayIn,
    Union,
)
from glass_plan.layout import POINT_MASS, Trajectory

coordinate = st.floats(-3, 3, allow_nan=False)
point = st.tuples(coordinate, coordinate)
size = st.floats(0.1, 2)

balls = st.builds(Ball, point, size)
boxes = st.builds(lambda low, side: Box(low, tuple(a + side for a in low)), point, size)
grids = st.integers(1, 4).flatmap(
    lambda width: st.builds(
        Grid,
        st.lists(st.tuples(*[st.integers(0, 1)] * width), min_size=1, max_size=4).map(tuple),
        st.sampled_from([0.5, 1.0, 1.3]),
    )
)
static: st.SearchStrategy[Region] = st.recursive(
    balls | boxes | grids,
    lambda inner: st.builds(Union, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=3,
)
paths = st.lists(point, min_size=2, max_size=4, unique=True).filter(
    lambda path: all(math.dist(a, b) > 0.01 for a, b in pairwise(path))
)
moving = st.builds(Moving, static, paths.map(tuple), st.floats(0.1, 2), st.booleans())
regions: st.SearchStrategy[Region] = static | moving

plain_leaves: st.SearchStrategy[Constraint] = st.one_of(
    st.builds(Avoid, regions, margin=st.floats(0, 0.5)),
    st.builds(StayIn, regions),
    st.builds(Reach, regions),
    st.builds(SpeedLimit, size),
    st.builds(AccelLimit, size),
)
names = st.sampled_from(["", "", "pillar", "not_here", "zone 7", "Tür-1.b"])
leaves = st.builds(
    lambda leaf, name, flip: ~leaf.named(name) if flip else leaf.named(name),
    plain_leaves,
    names,
    st.booleans(),
)
constraints: st.SearchStrategy[Constraint] = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, terms, name: kind(tuple(terms), name=name),
        st.sampled_from([All, AnyOf]),
        st.lists(inner, min_size=1, max_size=3),
        names,
    ),
    max_leaves=6,
)


def wander(seed: int, *, batch: int = 3, length: int = 9, step: float = 0.2) -> Trajectory:
    """Random trajectories (batch, length, 7) in float64, segments of about ``step`` [m]."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, length, 7, generator=generator, dtype=torch.float64)
    x[..., :2] = 0.7 * x[:, :1, :2] + (step * x[..., :2]).cumsum(-2)
    x[..., 6] = 0.05 + 0.1 * torch.rand(batch, length, generator=generator, dtype=torch.float64)
    return Trajectory(x, POINT_MASS, t_start=0.3)


trajectories = st.integers(0, 10_000).map(wander)


def through(*points: tuple[float, ...], dt: float = 0.1, t_start: float = 0.0) -> Trajectory:
    """One trajectory (H, 7) at rest, in float64, through points [m]."""
    x = torch.zeros(len(points), 7, dtype=torch.float64)
    x[:, :2] = torch.tensor(points, dtype=torch.float64)
    x[:, 6] = dt
    return Trajectory(x, POINT_MASS, t_start)
