"""What the tests of the constraint language draw from: regions, constraints, trajectories."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from hypothesis import strategies as st

from glass_plan.constraints import (
    AccelLimit,
    ActionLimit,
    All,
    Always,
    AnyOf,
    AtEnd,
    Avoid,
    Ball,
    Box,
    Capsule,
    Constraint,
    ConvexPolygon,
    Curvature,
    Drifting,
    Ellipsoid,
    Eventually,
    Grid,
    HalfSpace,
    Inflated,
    Intersection,
    JerkLimit,
    JointLimits,
    Moving,
    NearTo,
    Polygon,
    Prefer,
    Raster,
    Reach,
    Region,
    Release,
    SpeedLimit,
    StayIn,
    Tracked,
    Tube,
    Union,
    Until,
)
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.strengths import Constant, Ramp, Strength, Window

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
turns = st.floats(-3, 3)
turned_boxes = st.builds(
    lambda low, sides, turn: Box(low, (low[0] + sides[0], low[1] + sides[1]), turn),
    point,
    st.tuples(size, size),
    turns,
)
ellipsoids = st.builds(Ellipsoid, point, st.tuples(size, size), turns)
capsules = st.builds(
    lambda a, by, r: Capsule(a, (a[0] + by[0], a[1] + by[1]), r),
    point,
    st.tuples(size, coordinate),
    size,
)
half_spaces = st.builds(
    lambda angle, offset: HalfSpace((math.cos(angle), math.sin(angle)), offset), turns, coordinate
)


def star(center: tuple[float, float], radii: list[float]) -> tuple[tuple[float, float], ...]:
    """Corners around a centre, at these distances and equal angles: they never cross."""
    angles = [2 * math.pi * k / len(radii) for k in range(len(radii))]
    return tuple(
        (center[0] + r * math.cos(angle), center[1] + r * math.sin(angle))
        for r, angle in zip(radii, angles, strict=True)
    )


stars = st.builds(star, point, st.lists(size, min_size=3, max_size=7))
polygons = st.builds(Polygon, stars)
convex_polygons = st.builds(
    lambda center, r, n: ConvexPolygon(star(center, [r] * n)), point, size, st.integers(3, 7)
)
rasters = st.integers(1, 6).flatmap(
    lambda width: st.builds(
        Raster,
        st.lists(st.text("#.", min_size=width, max_size=width), min_size=1, max_size=5).map(tuple),
        st.sampled_from([0.3, 1.0]),
        point,
        st.booleans(),
    )
)
solids = (
    balls | boxes | turned_boxes | ellipsoids | capsules | half_spaces | polygons | convex_polygons
)
paths = st.lists(point, min_size=2, max_size=4, unique=True).filter(
    lambda path: all(math.dist(a, b) > 0.01 for a, b in pairwise(path))
)
tubes = st.builds(Tube, paths.map(tuple), size)
static: st.SearchStrategy[Region] = st.recursive(
    solids | tubes | grids | rasters,
    lambda inner: (
        st.builds(Union, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Intersection, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Inflated, inner, size)
    ),
    max_leaves=3,
)
moving = st.one_of(
    st.builds(Moving, static, paths.map(tuple), st.floats(0.1, 2), st.booleans()),
    st.builds(Drifting, static, st.tuples(coordinate, coordinate)),
    st.builds(lambda shape, path: Tracked(shape, range(len(path)), path), static, paths),
    st.builds(Inflated, static, st.just(0), st.floats(0.1, 1), coordinate),
)


@st.composite
def any_regions(draw: st.DrawFn) -> Region:
    """A function, so that strategies of regions print short."""
    return draw(static | moving)


regions: st.SearchStrategy[Region] = any_regions()

plain_leaves: st.SearchStrategy[Constraint] = st.one_of(
    st.builds(Avoid, regions, margin=st.floats(0, 0.5)),
    st.builds(StayIn, regions),
    st.builds(Reach, regions),
    st.builds(SpeedLimit, size),
    st.builds(AccelLimit, size),
    st.builds(JerkLimit, st.floats(1, 100)),
    st.builds(Curvature, size),
    st.builds(ActionLimit, size | st.tuples(size, size)),
    st.builds(lambda low, by: JointLimits(low, tuple(a + by for a in low)), point, size),
    st.builds(NearTo, paths.map(tuple), size),
    st.builds(lambda path, r: NearTo(path, r, range(len(path))), paths, size),
)
names = st.sampled_from(["", "", "pillar", "not_here", "zone 7", "Tür-1.b"])
leaves = st.builds(
    lambda leaf, name, flip: ~leaf.named(name) if flip else leaf.named(name),
    plain_leaves,
    names,
    st.booleans(),
)
spans = st.sampled_from([(), (), (0.0, 0.4), (0.35, 0.8), (0.5, 0.65), (3.0, 4.0)])


def grown(inner: st.SearchStrategy[Constraint]) -> st.SearchStrategy[Constraint]:
    """Joins of constraints, and temporal operators over them."""
    joined = st.builds(
        lambda kind, terms, name: kind(tuple(terms), name=name),
        st.sampled_from([All, AnyOf]),
        st.lists(inner, min_size=1, max_size=3),
        names,
    )
    about_one = st.builds(
        lambda kind, term, span, name: kind(term, span, name=name),
        st.sampled_from([Always, Eventually]),
        inner,
        spans,
        names,
    )
    about_two = st.builds(
        lambda kind, a, b, span: kind(a, b, span),
        st.sampled_from([Until, Release]),
        inner,
        inner,
        spans,
    )
    return joined | joined | about_one | about_two | st.builds(AtEnd, inner, name=names)


@st.composite
def any_constraints(draw: st.DrawFn) -> Constraint:
    """A function, so that strategies of constraints print short."""
    return draw(st.recursive(leaves, grown, max_leaves=6))


constraints: st.SearchStrategy[Constraint] = any_constraints()

flow_times = st.floats(0, 1)
betas = st.sampled_from([0.0, 0.5, 1.0, 3.0])
between = st.tuples(flow_times, flow_times).filter(lambda ends: ends[0] < ends[1])
schedules: st.SearchStrategy[Strength] = st.one_of(
    st.builds(Constant, betas),
    st.builds(lambda ends, beta: Window(*ends, beta), between, betas),
    st.builds(lambda ends, beta: Ramp(*ends, beta), between, betas),
)
preferences = st.builds(Prefer, constraints, st.floats(0, 9), schedules, name=names)
specs: st.SearchStrategy[Constraint] = st.one_of(
    constraints,
    preferences,
    st.builds(
        lambda terms, name: All(tuple(terms), name=name),
        st.lists(constraints | preferences, max_size=3),
        names,
    ),
)
"""Constraints with soft parts, which are in no operator but ``all``."""


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
