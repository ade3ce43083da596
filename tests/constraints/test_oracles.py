"""Signed distances against shapely (plane), trimesh (space) and dense points on a surface."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import torch
import trimesh
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from glass_plan.constraints import (
    Box,
    Capsule,
    Cylinder,
    Ellipsoid,
    Polygon,
    Raster,
    Region,
    Tube,
)
from glass_plan.constraints.geometry import rotation_matrix
from tests.constraints.regions import cloud, distances
from tests.constraints.strategies import (
    capsules,
    convex_polygons,
    ellipsoids,
    paths,
    polygons,
    rasters,
    size,
    turned_boxes,
)


def from_shapely(shape: BaseGeometry, points: torch.Tensor) -> torch.Tensor:
    """Signed distances (n,) to a shape of shapely's."""
    places = [shapely.Point(at) for at in points.tolist()]
    away = [p.distance(shape.boundary) * (-1 if shape.contains(p) else 1) for p in places]
    return torch.tensor(away, dtype=torch.float64)


def corners(box: Box) -> list[tuple[float, ...]]:
    """Of a box in the plane, turned about its middle."""
    low, high = np.array(box.low), np.array(box.high)
    middle, half = (low + high) / 2, (high - low) / 2
    turn = np.array(rotation_matrix(box.rotation)) if box.rotation else np.eye(2)
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return [tuple(at) for at in middle + (signs * half) @ turn.T]


@settings(max_examples=40)
@given(region=polygons | convex_polygons, seed=st.integers(0, 999))
def test_distance_to_a_polygon_is_shapelys(region: Polygon, seed: int) -> None:
    expected = from_shapely(shapely.Polygon(region.vertices), cloud(seed))
    torch.testing.assert_close(distances(region, cloud(seed)), expected, atol=1e-9, rtol=0)


@settings(max_examples=30)
@given(region=turned_boxes, seed=st.integers(0, 999))
def test_distance_to_a_turned_box_is_that_of_its_corners(region: Box, seed: int) -> None:
    expected = from_shapely(shapely.Polygon(corners(region)), cloud(seed))
    torch.testing.assert_close(distances(region, cloud(seed)), expected, atol=1e-9, rtol=0)


@settings(max_examples=30)
@given(capsule=capsules, path=paths, radius=size, seed=st.integers(0, 999))
def test_distance_to_a_capsule_or_tube_is_that_to_its_line(
    capsule: Capsule, path: list[tuple[float, float]], radius: float, seed: int
) -> None:
    for region, line in (
        (capsule, [capsule.start, capsule.end]),
        (Tube(tuple(path), radius), path),
    ):
        way, points = shapely.LineString(line), cloud(seed)
        expected = [way.distance(shapely.Point(at)) - region.radius for at in points.tolist()]
        assert distances(region, points).tolist() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30)
@given(region=rasters, seed=st.integers(0, 999))
def test_distance_to_a_raster_is_within_its_bound_of_the_pixels(region: Raster, seed: int) -> None:
    assume(len(set("".join(region.rows))) == 2)  # something is occupied, something is free
    height, width = len(region.rows), len(region.rows[0])
    left = region.center[0] - region.cell * width / 2
    bottom = region.center[1] - region.cell * height / 2
    pixels = [
        shapely.box(*(region.cell * np.array([c, height - r - 1, c + 1, height - r])))
        for r, row in enumerate(region.rows)
        for c, letter in enumerate(row)
        if letter == "#"
    ]
    occupied = shapely.unary_union(pixels)
    whole = region.cell * np.array([width, height])
    if region.walled:
        frame = shapely.box(-20, -20, whole[0] + 20, whole[1] + 20)
        occupied = shapely.union(occupied, frame - shapely.box(0, 0, *whole))
    inside = torch.rand(40, 2, generator=torch.Generator().manual_seed(seed)).double()
    lattice = (inside * 2 * torch.tensor([width, height])).round() / 2 * region.cell
    place = torch.tensor([left, bottom], dtype=torch.float64)
    bound = region.cell * 0.36
    for points, within in ((lattice, 1e-9), (inside * torch.from_numpy(whole), bound)):
        found = distances(region, points + place)
        expected = from_shapely(occupied, points)
        assert ((found - expected).abs() <= within).all()


@settings(max_examples=40)
@given(region=ellipsoids, seed=st.integers(0, 999))
def test_distance_to_an_ellipse_is_that_to_the_nearest_of_dense_points(
    region: Ellipsoid, seed: int
) -> None:
    angle = np.linspace(0, 2 * math.pi, 20_001)
    turn = np.array(rotation_matrix(region.rotation)) if region.rotation else np.eye(2)
    rim = np.stack([np.cos(angle), np.sin(angle)], -1) * region.radii @ turn.T + region.center
    points = cloud(seed, count=30)
    away = np.linalg.norm(points.numpy()[:, None] - rim, axis=-1).min(-1)
    local = (points.numpy() - region.center) @ turn / region.radii
    expected = np.where(np.linalg.norm(local, axis=-1) < 1, -away, away)
    assert distances(region, points).tolist() == pytest.approx(expected.tolist(), abs=1e-3)


def test_distance_to_an_ellipsoid_is_found_on_its_axes_and_at_its_centre() -> None:
    region = Ellipsoid((0, 0, 0), (3, 2, 1))
    points = torch.tensor(
        [[0, 0, 0], [5, 0, 0], [0, 0, 3], [0, -2, 0], [1e-8, 0, 0.5]], dtype=torch.float64
    )
    expected = [-1, 2, 2, 0, -0.5]
    assert distances(region, points).tolist() == pytest.approx(expected, abs=1e-6)
    assert distances(region, points.float()).tolist() == pytest.approx(expected, abs=1e-4)


SOLIDS: list[tuple[Region, trimesh.Trimesh]] = [
    (Box((-1, -0.5, -0.2), (1, 0.5, 0.2)), trimesh.creation.box((2, 1, 0.4))),
    (
        Cylinder((0, 0, -0.8), (0, 0, 0.8), 0.6),
        trimesh.creation.cylinder(0.6, 1.6, sections=200),
    ),
    (
        Capsule((0, 0, -0.5), (0, 0, 0.5), 0.4),
        trimesh.creation.capsule(height=1.0, radius=0.4, count=[64, 64]),
    ),
    (
        Ellipsoid((0, 0, 0), (1.2, 0.8, 0.5)),
        trimesh.creation.icosphere(4).apply_scale((1.2, 0.8, 0.5)),
    ),
]


@pytest.mark.parametrize(("region", "mesh"), SOLIDS, ids=lambda value: type(value).__name__)
def test_distance_in_space_is_that_to_the_mesh(region: Region, mesh: trimesh.Trimesh) -> None:
    points = torch.cat([cloud(4, dim=3, count=20), 0.2 * cloud(5, dim=3, count=20)])
    if isinstance(region, Capsule):
        mesh.apply_translation(-mesh.bounds.mean(axis=0))
    _, away, _ = trimesh.proximity.closest_point_naive(mesh, points.numpy())
    outward = mesh.face_normals, mesh.triangles_center  # of convex meshes
    inside = (np.einsum("fd,pfd->pf", outward[0], points.numpy()[:, None] - outward[1]) < 0).all(-1)
    expected = np.where(inside, -away, away)
    assert inside.any()
    assert distances(region, points).tolist() == pytest.approx(expected.tolist(), abs=5e-3)
