"""Signed distances against shapely (plane), trimesh (space) and dense points on a surface."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
import trimesh
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely.geometry.base import BaseGeometry

from glass_plan.constraints import (
    Ball,
    Box,
    Capsule,
    ConvexPolygon,
    Cylinder,
    Drifting,
    Ellipsoid,
    Following,
    HalfSpace,
    Inflated,
    Intersection,
    Moving,
    Polygon,
    Raster,
    Region,
    Tracked,
    Tube,
    Union,
)
from glass_plan.constraints.geometry import rotation_matrix
from glass_plan.errors import SpecError
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

PATH = ((0.0, 0.0), (1.0, 0.5), (1.2, 2.0))


def cloud(seed: int, dim: int = 2, count: int = 60) -> torch.Tensor:
    """Points (count, dim) over some metres."""
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.rand(count, dim, generator=generator, dtype=torch.float64) - 2.5


def distances(region: Region, points: torch.Tensor, time: float = 0.0) -> torch.Tensor:
    return region.signed_distance(points, torch.full_like(points[..., 0], time))


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


def turned(region: Region, turn: tuple[float, ...], by: tuple[float, ...]) -> Region:
    """The region after a turn about the origin and a shift."""
    matrix = np.array(rotation_matrix(turn))

    def at(place: tuple[float, ...]) -> tuple[float, ...]:
        return tuple((matrix @ place + by).tolist())

    match region:
        case Ball():
            return Ball(at(region.center), region.radius)
        case Box() | Ellipsoid() if len(turn) == 1:
            angle = (region.rotation[0] if region.rotation else 0.0) + turn[0]
            if isinstance(region, Ellipsoid):
                return Ellipsoid(at(region.center), region.radii, angle)
            low, high = np.array(region.low), np.array(region.high)
            middle, half = np.array(at(tuple((low + high) / 2))), (high - low) / 2
            return Box(middle - half, middle + half, angle)
        case Capsule() | Cylinder():
            return type(region)(at(region.start), at(region.end), region.radius)
        case HalfSpace():
            normal = matrix @ region.normal
            return HalfSpace(normal, region.offset + float(normal @ by))
        case Polygon():
            return type(region)(tuple(at(v) for v in region.vertices))
        case Tube():
            return Tube(tuple(at(v) for v in region.waypoints), region.radius)
        case Union() | Intersection():
            return type(region)(tuple(turned(part, turn, by) for part in region.parts))
        case Inflated():
            return Inflated(turned(region.shape, turn, by), region.by)
    raise AssertionError(region)


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


@pytest.mark.parametrize("region", FLAT + ROUND, ids=lambda region: type(region).__name__)
def test_distance_does_not_change_when_all_is_moved(region: Region) -> None:
    points = cloud(7, dim=region.dim)
    turn, by = ((0.9,), (1.5, -2.0)) if region.dim == 2 else ((0.3, -0.8, 0.5), (1.5, -2.0, 0.3))
    matrix = torch.tensor(rotation_matrix(turn), dtype=torch.float64)
    there = points @ matrix.T + torch.tensor(by, dtype=torch.float64)
    moved = turned(region, turn, by)
    torch.testing.assert_close(distances(moved, there), distances(region, points))


def test_a_box_and_an_ellipsoid_turn_in_space() -> None:
    turn = (0.3, -0.8, 0.5)
    matrix = torch.tensor(rotation_matrix(turn), dtype=torch.float64)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64))
    points = cloud(8, dim=3)
    for straight, rotated in (
        (Box((-1, -2, -3), (1, 2, 3)), Box((-1, -2, -3), (1, 2, 3), turn)),
        (Ellipsoid((0, 0, 0), (1, 2, 3)), Ellipsoid((0, 0, 0), (1, 2, 3), turn)),
    ):
        torch.testing.assert_close(
            distances(rotated, points @ matrix.T), distances(straight, points)
        )


def test_what_moves_is_where_its_law_says() -> None:
    ball, times = Ball((0, 1), 0.5), torch.tensor([-1.0, 0.0, 0.5, 2.0, 9.0], dtype=torch.float64)
    drifting = Drifting(ball, (2, -1))
    tracked = Tracked(ball, (0, 1, 3), ((0, 0), (2, 0), (2, 4)))
    following = Following(ball, lambda t: torch.stack([t, t * t], -1), speed=20)
    for region, places in (
        (drifting, [(-2, 2), (0, 1), (1, 0.5), (4, -1), (18, -8)]),
        (tracked, [(0, 1), (0, 1), (1, 1), (2, 3), (2, 5)]),
        (following, [(-1, 2), (0, 1), (0.5, 1.25), (2, 5), (9, 82)]),
    ):
        found = region.signed_distance(torch.tensor(places, dtype=torch.float64), times)
        assert found.tolist() == pytest.approx([-0.5] * 5)


def test_uncertainty_grows_from_its_time_on() -> None:
    region = Inflated(Ball((0, 0), 0.5), by=0.1, rate=0.2, since=1.0)
    at = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    found = [distances(region, at, time).item() for time in (0.0, 1.0, 3.0)]
    assert found == pytest.approx([1.4, 1.4, 1.0])


@pytest.mark.parametrize("shape", [Moving, Drifting, Tracked])
def test_driving_along_with_a_region_changes_no_distance(shape: type[Region]) -> None:
    ball, times = Ball((0, 1), 0.5), torch.linspace(0.5, 0.9, 5, dtype=torch.float64)
    region = {
        Moving: Moving(ball, ((0, 0), (2, 0), (2, 9)), speed=2.0),
        Drifting: Drifting(ball, (2, 0)),
        Tracked: Tracked(ball, (0, 1, 3), ((0, 0), (2, 0), (2, 4))),
    }[shape]
    beside = torch.stack([2 * times, torch.full_like(times, 3.0)], -1)
    assert region.travel(beside, times).tolist() == pytest.approx([0.0] * 4, abs=1e-9)
    standing = torch.zeros_like(beside)
    assert region.travel(standing, times).tolist() == pytest.approx([0.2] * 4)


def test_a_raster_reads_pictures_arrays_and_text_alike(tmp_path: Path) -> None:
    dark = np.array([[1, 0, 0], [1, 1, 0]], dtype=bool)
    Image.fromarray(np.where(dark, 0, 255).astype(np.uint8)).save(tmp_path / "map.png")
    expected = Raster(("#..", "##."), 0.5, (1, 2))
    assert Raster.from_image(tmp_path / "map.png", 0.5, (1, 2)) == expected
    assert Raster.from_array(dark, 0.5, (1, 2)) == expected
    assert Raster(((1, 0, 0), (1, 1, 0)), 0.5, (1, 2)) == expected
    assert torch.equal(expected.occupied, torch.from_numpy(dark))
    with pytest.raises(SpecError, match=r"none.png: no picture"):
        Raster.from_image(tmp_path / "none.png", 0.5)


def test_a_raster_outside_is_occupied_only_if_walled() -> None:
    at = torch.tensor([[5.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    free = Raster(("...", ".#.", "..."), 1.0, walled=False)
    assert distances(free, at).tolist() == pytest.approx([math.hypot(3.5, 1.0), -0.5])
    assert distances(Raster(free.rows, 1.0), at).tolist() == pytest.approx([-3.5, -0.5])


CASES: list[Region] = [
    *FLAT,
    Raster((".#..", "##..", "...#"), 0.5),
    Drifting(Ball((0.1, 0), 0.3), (0.5, 1)),
    Tracked(Ball((0.1, 0), 0.3), (0, 0.5, 2), PATH),
    Inflated(Ball((0.1, 0), 0.3), 0.1, rate=0.2, since=0.1),
]


@pytest.mark.parametrize("region", CASES + ROUND, ids=lambda region: type(region).__name__)
def test_every_distance_has_the_gradient_of_finite_differences(region: Region) -> None:
    points = cloud(3, dim=region.dim, count=25).requires_grad_()
    times = torch.linspace(0.2, 0.7, 25, dtype=torch.float64).requires_grad_(region.top_speed > 0)
    inputs = (points, times)
    assert torch.autograd.gradcheck(region.signed_distance, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("region", CASES + ROUND, ids=lambda region: type(region).__name__)
def test_gradients_are_finite_on_axes_corners_and_surfaces(
    region: Region, dtype: torch.dtype
) -> None:
    line = torch.tensor([-1.0, -0.2, 0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 1.2, 2.0])
    points = torch.cartesian_prod(*[line] * region.dim).to(dtype).requires_grad_()
    value = region.signed_distance(points, torch.zeros_like(points[:, 0])).sum()
    assert torch.isfinite(torch.autograd.grad(value, points)[0]).all()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Box((0, 0), (1, 1), (1, 2, 3)), "Box: rotation must be"),
        (lambda: Ellipsoid((0, 0), (1,)), "Ellipsoid: needs 2 radii"),
        (lambda: Ellipsoid((0, 0), (1, 0)), r"Ellipsoid: radii\[1\] must be > 0"),
        (lambda: HalfSpace((0, 0), 1), "HalfSpace: normal must not be 0"),
        (lambda: Capsule((0, 0), (0, 0), 1), "Capsule: start and end must differ"),
        (lambda: Capsule((0, 0), (0, 0, 1), 1), "Capsule: start and end differ in length"),
        (lambda: Cylinder((0, 0), (0, 1), 1), "Cylinder: needs 3 coordinates"),
        (lambda: Polygon(((0, 0), (1, 1))), "Polygon: vertices must be 3 to 256 points"),
        (lambda: Polygon(((0, 0), (1, 1), (1, 0), (0, 1))), "edges must not cross"),
        (lambda: Polygon(((0, 0), (1, 1), (1, 0), (0, 0))), "leave it out"),
        (lambda: Polygon(((0, 0, 0), (1, 1, 0), (1, 0, 0))), r"must be \[x, y\]"),
        (lambda: ConvexPolygon(((0, 0), (2, 0), (1, 0.5), (1, 2))), "turn the same way"),
        (lambda: Tube(((0, 0), (0, 0)), 1), "Tube: waypoints must differ"),
        (lambda: Tube(((0, 0), (0, 0, 1)), 1), "same number of coordinates"),
        (lambda: Raster(("#.", "#"), 1), "Raster: rows must be equally long"),
        (lambda: Raster(("#x",), 1), "must consist of '#' and '.'"),
        (lambda: Raster(((0, 2),), 1), "must hold 0 and 1, got 2"),
        (lambda: Raster((3,), 1), "must be texts"),
        (lambda: Raster(("#" * 1000,) * 1000, 1), "at most 200000 pixels"),
        (lambda: Raster(("#",), 1, (0, 0, 0)), r"center must be \[x, y\]"),
        (lambda: Raster(("#",), 1, walled=1), "walled must be true or false"),
        (lambda: Inflated(Ball((0, 0), 1), -1), "Inflated: by must be >= 0"),
        (lambda: Inflated(3), "Inflated: shape: expected a region"),
        (lambda: Intersection(()), "Intersection: needs at least one part"),
        (lambda: Drifting(Ball((0, 0), 1), (1,)), "velocity needs 2 coordinates"),
        (lambda: Tracked(Ball((0, 0), 1), (0, 1, 2), PATH[:2]), "one time for each"),
        (lambda: Tracked(Ball((0, 0), 1), (0, 0, 2), PATH), "times must increase"),
        (lambda: Tracked(Ball((0, 0), 1), (0,), PATH[:1]), "at least 2 positions"),
        (lambda: Following(Ball((0, 0), 1), 3, 1), "path must be a function"),
    ],
)
def test_a_shape_out_of_range_says_what_is_wrong(build, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        build()
