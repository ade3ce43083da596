"""Regions: how their distances behave under motion, their gradients, their pictures and errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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
from tests.constraints.regions import FLAT, PATH, ROUND, cloud, distances


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
