"""Regions as a physics engine's shapes: every point of their surface lies on the region's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from numpy.typing import NDArray

from glass_envs.maniskill.solids import SLAB_SIDE, Solid, solids
from glass_plan.constraints import (
    Ball,
    Box,
    Capsule,
    Cylinder,
    Drifting,
    Ellipsoid,
    HalfSpace,
    Inflated,
    Intersection,
    Moving,
    Region,
    Tube,
    Union,
)
from glass_plan.errors import RequestError

TURN = (0.3, -0.5, 0.8)
BALL, BOX = Ball((0.1, -0.2, 0.3), 0.05), Box((-0.1, 0.0, 0.1), (0.2, 0.1, 0.5), rotation=TURN)
CAPSULE = Capsule((0.1, 0.2, 0.0), (0.2, -0.1, 0.3), 0.04)
CYLINDER = Cylinder((0.0, 0.2, 0.1), (0.3, 0.1, 0.0), 0.07)
WEDGE = Intersection((BOX, HalfSpace((1.0, -1.0, 1.0), 0.4)))
LENS = Intersection((Ball((0.0, 0.0, 0.2), 0.2), Ball((0.15, 0.0, 0.2), 0.2)))

EXACT: list[Region] = [
    BALL,
    Inflated(BALL, 0.02),
    Box(BOX.low, BOX.high),
    BOX,
    CAPSULE,
    Capsule((0.2, 0.0, 0.0), (0.0, 0.0, 0.0), 0.1),  # along -x, where the turn has no axis
    Inflated(CAPSULE, 0.01),
    CYLINDER,
    HalfSpace((1.0, 2.0, -2.0), 0.3),
    Inflated(HalfSpace((0.0, 0.0, 1.0), 0.1), 0.05),
]
MESHES: list[Region] = [
    WEDGE,
    Ellipsoid((0.1, 0.2, 0.3), (0.1, 0.2, 0.05), rotation=TURN),
    Inflated(BOX, 0.03),
    Inflated(CYLINDER, 0.03),
    LENS,
]


def surface(solid: Solid) -> NDArray[np.float64]:
    """Points on a solid's surface in the world, (N, 3), at time 0."""
    match solid.kind:
        case "sphere":
            points = trimesh.creation.icosphere(subdivisions=1).vertices * solid.size[0]
        case "box":
            points = trimesh.creation.box(2 * np.array(solid.size)).vertices
        case "capsule" | "cylinder":
            radius, half = solid.size
            angle = np.linspace(0, 6, 20)
            rim = radius * np.stack([0 * angle, np.cos(angle), np.sin(angle)], axis=-1)
            end = np.array([half, 0, 0])
            tip = np.array([[half + radius * (solid.kind == "capsule"), 0, 0]])
            points = np.concatenate([rim + end, rim - end, rim, tip, -tip])
        case "mesh":
            assert solid.mesh is not None
            points = solid.mesh.vertices
    turn = trimesh.transformations.quaternion_matrix(solid.quaternion)[:3, :3]
    return np.asarray(points @ turn.T + solid.place(0.0))


def distance(region: Region, points: NDArray[np.float64]) -> NDArray[np.float64]:
    at = torch.from_numpy(points)
    return region.signed_distance(at, torch.zeros(len(points))).numpy()


@pytest.mark.parametrize("region", EXACT, ids=lambda region: type(region).__name__)
def test_shapes_end_where_the_region_does(region: Region) -> None:
    (solid,) = solids(region)
    points = surface(solid)
    if "HalfSpace" in repr(region):  # a slab, of which one face is the plane's
        on = np.abs(distance(region, points)) < 1e-9
        assert on.sum() == 4
        assert distance(region, points).max() < 1e-9
        assert np.ptp(points[on], axis=0).max() > SLAB_SIDE / 2
    else:
        np.testing.assert_allclose(distance(region, points), 0.0, atol=1e-9)


@pytest.mark.parametrize("region", MESHES, ids=lambda region: type(region).__name__)
def test_meshes_touch_the_surface_from_inside(region: Region) -> None:
    (solid,) = solids(region)
    assert solid.kind == "mesh"
    assert solid.mesh is not None
    assert solid.mesh.convex
    np.testing.assert_allclose(distance(region, surface(solid)), 0.0, atol=1e-9)
    body = trimesh.Trimesh(surface(solid), solid.mesh.triangles)
    assert body.is_watertight
    assert body.volume > 0  # triangles face outwards
    within = distance(region, np.array(body.triangles_center))
    assert within.max() < 1e-9
    assert within.min() > -0.04 * body.scale  # sharp edges are cut off


def test_a_polytope_has_the_corners_of_its_planes() -> None:
    cut = Intersection((Box((0, 0, 0), (0.2, 0.2, 0.2)), HalfSpace((1, 1, 1), 0.2)))
    (solid,) = solids(cut)
    corners = sorted(map(tuple, surface(solid).round(9).tolist()))
    assert corners == [(0, 0, 0), (0, 0, 0.2), (0, 0.2, 0), (0.2, 0, 0)]


def test_unions_and_tubes_are_taken_apart() -> None:
    ways = Tube(((0, 0, 0), (0.1, 0, 0), (0.1, 0.1, 0.1)), 0.02)
    kinds = [solid.kind for solid in solids(Union((BALL, Inflated(Union((CAPSULE,)), 0.1), ways)))]
    assert kinds == ["sphere", "capsule", "capsule", "capsule"]


def test_what_moves_is_carried_by_all_its_paths() -> None:
    path = Moving(Union((Ball((0, 0, 0.1), 0.1), BOX)), ((1, 0, 0), (1, 1, 0)), speed=0.5)
    for solid, middle in zip(solids(Drifting(path, (0, 0, 0.2))), ((0, 0, 0.1), None), strict=True):
        start = np.array(solid.position if middle is None else middle)
        for time, moved in ((0.0, (1, 0, 0)), (1.0, (1, 0.5, 0.2)), (9.0, (1, 1, 1.8))):
            np.testing.assert_allclose(solid.place(time), start + np.array(moved))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (Ball((0, 0), 1.0), "needs a region of 3 coordinates, got 2"),
        (Inflated(BALL, rate=0.1), "changes its shape with time"),
        (Intersection((BALL, Drifting(BOX, (1, 0, 0)))), "changes its shape with time"),
        (Intersection((BALL, Ball((0.5, 0.5, 0.5), 0.05))), "no point .* is found"),
        (Intersection((BOX, HalfSpace((0, 0, 1), -1.0))), "no point .* is found"),
        (
            Intersection((Union((BALL, Ball((0.1, 0.2, 0.3), 0.05))), Ball((0, 0, 0), 1.0))),
            "from which all of it is seen",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(region: Region, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        solids(region)


def test_the_middle_may_be_anywhere_in_the_searched_part() -> None:
    region = Intersection((Ball((-1.3, 1.2, 1.0), 0.05), Ball((-1.27, 1.2, 1.0), 0.05)))
    np.testing.assert_allclose(distance(region, surface(solids(region)[0])), 0.0, atol=1e-9)
