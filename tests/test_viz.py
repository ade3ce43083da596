from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, PathPatch, Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from glass_plan import viz
from glass_plan.constraints import (
    Always,
    Avoid,
    Ball,
    Box,
    Capsule,
    ConvexPolygon,
    Cylinder,
    Drifting,
    Ellipsoid,
    Following,
    Grid,
    HalfSpace,
    Inflated,
    Intersection,
    Moving,
    NearTo,
    Polygon,
    Prefer,
    Raster,
    Reach,
    Region,
    SpeedLimit,
    StayIn,
    Tracked,
    Tube,
    Union,
)
from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.records import Plan, Status
from tests.arms import HOLDING, READY, at_rest

BALL, BOX = Ball((1.0, 2.0), 0.5), Box((-1.0, -2.0), (0.0, 3.0))
MAP = ((1, 1, 1), (1, 0, 1))
OTHERS = [
    Box((-1.0, -0.5), (1.0, 0.5), rotation=(0.5,)),
    Ellipsoid((0.3, 0.1), (1.2, 0.6), rotation=(0.3,)),
    Capsule((-1.0, 0.0), (1.0, 0.5), 0.3),
    HalfSpace((1.0, 2.0), 0.4),
    Polygon(((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (0.0, -0.3))),
    ConvexPolygon(((-1.0, -1.0), (1.0, -1.0), (0.0, 1.0))),
    Tube(((-1.5, -1.0), (0.0, -1.0), (0.5, 1.0), (-1.0, 1.0), (-1.0, -0.5)), 0.3),
    Raster(("####", "#..#", "####"), 0.5, walled=False),
    Raster(("#..", "..#"), 0.8),
    Intersection((Ball((-0.5, 0.0), 1.0), Ball((0.5, 0.0), 1.0))),
    Inflated(Box((-0.5, -0.2), (0.5, 0.4)), by=0.1, rate=0.2),
    Union((BALL, Capsule((-1.0, 0.0), (0.0, -1.0), 0.3))),
    Moving(Polygon(((-1.0, -1.0), (1.0, -1.0), (0.0, 1.0))), ((0.0, 0.0), (1.0, 0.0))),
    Drifting(HalfSpace((0.0, 1.0), 0.0), (0.0, 1.0)),
    Tracked(Ellipsoid((0.0, 0.0), (0.5, 0.3)), (0, 2), ((0, 0), (1, 1))),
    Following(Capsule((-1.0, 0.0), (0.0, 0.0), 0.3), lambda t: torch.stack([t, 0 * t], -1), 1.0),
    Following(BALL, lambda t: torch.stack([0 * t, -t], -1), 1.0),
    Drifting(Box((-1.0, 0.0), (0.0, 0.5)), (0.5, 0.0)),
]


@pytest.fixture
def ax() -> Iterator[Axes]:
    """Empty axes, drawn at the end."""
    figure = Figure()
    yield figure.add_subplot()
    FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize(
    ("region", "count"),
    [
        (BALL, 1),
        (BOX, 1),
        (Ball((0.0, 0.0, 1.0), 0.3), 1),
        (Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), 1),
        (Grid(MAP, 0.5), 5),
        (Union((BALL, BOX, Grid(MAP, 0.5))), 7),
        (Moving(Union((BALL, BOX)), ((0.0, 0.0), (1.0, 0.0))), 2),
        (Moving(Ball((0.0, 0.0, 1.0), 0.3), ((0.0, 0.0, 0.0), (1.0, 0.0, 1.0))), 1),
    ],
)
def test_every_kind_of_region_is_drawn(ax: Axes, region: Region, count: int) -> None:
    viz.draw_region(ax, region, time=0.5, colour=viz.GREEN, alpha=0.3)
    assert len(ax.patches) == count
    assert all(to_hex(patch.get_facecolor()) == viz.GREEN.lower() for patch in ax.patches)
    assert all(patch.get_alpha() == 0.3 for patch in ax.patches)


@pytest.fixture
def window(ax: Axes) -> Axes:
    """Axes with limits."""
    ax.set(xlim=(-2.0, 2.0), ylim=(-1.5, 1.5))
    return ax


@pytest.mark.parametrize("region", OTHERS, ids=lambda region: type(region).__name__)
def test_what_is_filled_are_the_points_inside(window: Axes, region: Region) -> None:
    viz.draw_region(window, region, time=0.5)
    points = 3.0 * torch.rand(2000, 2, generator=torch.Generator().manual_seed(0)).double() - 1.5
    distance = region.signed_distance(points, torch.full((2000,), 0.5).double()).numpy()
    clear = np.abs(distance) > 0.03  # [m], wider than the lattice
    drawn = np.any([_covers(patch, points) for patch in window.patches], axis=0)
    assert 0 < drawn.sum() < 2000
    np.testing.assert_array_equal(drawn[clear], distance[clear] < 0)


def _covers(patch: Patch, points: torch.Tensor) -> NDArray[np.bool_]:
    """Whether points are within an odd number of a patch's rings: a second one is a hole."""
    path = patch.get_patch_transform().transform_path(patch.get_path())
    rings = [Path(ring).contains_points(points.numpy()) for ring in path.to_polygons()]
    return np.asarray(np.logical_xor.reduce(rings))


@pytest.mark.parametrize("region", OTHERS[:-2], ids=lambda region: type(region).__name__)
def test_an_outline_is_where_the_distance_is_zero(window: Axes, region: Region) -> None:
    viz.draw_region(window, region, time=0.5, filled=False)
    (patch,) = window.patches
    assert isinstance(patch, PathPatch)
    line = torch.from_numpy(np.asarray(patch.get_path().vertices, dtype=np.float64))
    distance = region.signed_distance(line, torch.full_like(line[:, 0], 0.5))
    assert distance.abs().max() < 0.03


@pytest.mark.parametrize("up", [0.0, 1.7])
def test_a_solid_is_seen_from_above(window: Axes, up: float) -> None:
    lying = Cylinder((-1.0, -0.5, up), (1.0, -0.5, up), 0.05)
    viz.draw_region(window, lying)
    (patch,) = window.patches
    box = patch.get_path().get_extents()
    np.testing.assert_allclose([box.p0, box.p1], [(-1.0, -0.55), (1.0, -0.45)], atol=0.01)


@pytest.mark.parametrize("filled", [True, False])
def test_limits_stay_as_they_are(window: Axes, filled: bool) -> None:
    far, around = Capsule((9.0, 9.0), (9.0, 8.0), 0.1), Tube(((-9.0, 0.0), (9.0, 0.0)), 50.0)
    viz.draw_region(window, far, filled=filled)
    assert not window.patches
    viz.draw_region(window, around, filled=filled)
    assert len(window.patches) == filled
    assert (window.get_xlim(), window.get_ylim()) == ((-2.0, 2.0), (-1.5, 1.5))


@pytest.mark.parametrize(
    "region", [Ball((1.0,), 0.5), HalfSpace((1.0,), 0.0), Capsule((0.0,) * 4, (1.0,) * 4, 0.5)]
)
def test_a_region_neither_of_the_plane_nor_of_space_cannot_be_drawn(
    ax: Axes, region: Region
) -> None:
    with pytest.raises(RequestError, match=f"cannot draw {type(region).__name__}"):
        viz.draw_region(ax, region)


def test_a_turned_box_has_no_upright_shapes() -> None:
    assert viz.has_marks(Avoid(BALL) & Reach(Grid(MAP, 0.5)) & SpeedLimit(1.0))
    assert not viz.has_marks(Avoid(BALL) & Always(StayIn(Union((BALL, OTHERS[0])))))
    with pytest.raises(RequestError, match="no balls and upright boxes make up Box"):
        viz.marks(Avoid(Box((0.0, 0.0), (1.0, 1.0), rotation=(0.5,))))


def test_what_moves_is_drawn_at_later_times_ever_fainter(window: Axes) -> None:
    moving = Drifting(BALL, (1.0, 0.0))
    growing = Inflated(Ball((0.0, 0.0), 0.2), rate=0.1)
    viz.draw_constraint(
        window, Avoid(BOX) & Avoid(moving) & Avoid(growing), later=(1.0, 2.0), alpha=0.8
    )
    alphas = [patch.get_alpha() for patch in window.patches]
    assert alphas == pytest.approx([0.8, *2 * [0.8, 0.4, 0.12]])
    places = [patch.center[0] for patch in window.patches if isinstance(patch, Circle)]
    assert places == [1.0, 2.0, 3.0]


def test_regions_inside_of_operators_and_preferences_are_drawn(window: Axes) -> None:
    sketch = NearTo(((0.0, 0.0), (1.0, 0.0)), within=0.2)
    viz.draw_constraint(window, Always(Avoid(BALL)) & Prefer(Reach(BOX)) & sketch)
    edges = [to_hex(patch.get_edgecolor()) for patch in window.patches]
    assert edges == [colour.lower() for colour in (viz.RED, viz.GREEN, viz.BLUE)]


def test_patches_are_where_the_region_is(ax: Axes) -> None:
    viz.draw_region(ax, Union((BALL, BOX)))
    disc, box = ax.patches
    assert isinstance(disc, Circle)
    assert (disc.center, disc.radius) == ((1.0, 2.0), 0.5)
    assert isinstance(box, Rectangle)
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((-1.0, -2.0), 1.0, 5.0)


def test_a_moving_region_is_drawn_at_its_time() -> None:
    there_and_up = Moving(Moving(BALL, ((0.0, 0.0), (0.0, 9.0)), 1.0), ((0.0, 0.0), (9.0, 0.0)), 2)
    (shape,) = viz.shapes(there_and_up, time=1.5)
    assert isinstance(shape, Ball)
    assert shape.center == pytest.approx((1.0 + 3.0, 2.0 + 1.5))


def test_cells_of_a_grid_are_where_its_distance_is_negative() -> None:
    grid = Grid(MAP, 0.5)
    cells = [shape for shape in viz.shapes(grid) if isinstance(shape, Box)]
    middles = torch.tensor(
        [[(a + b) / 2 for a, b in zip(c.low, c.high, strict=True)] for c in cells]
    )
    assert (grid.signed_distance(middles, middles[:, 0]) < 0).all()


def test_demands_are_told_apart_by_colour(ax: Axes) -> None:
    wish = (Avoid(BALL) | Avoid(BOX)) & Reach(BALL) & StayIn(BOX) & SpeedLimit(2.0)
    viz.draw_constraint(ax, wish & ~Reach(BOX))
    edges = [to_hex(patch.get_edgecolor()) for patch in ax.patches]
    expected = [viz.RED, viz.RED, viz.GREEN, viz.BLUE, viz.RED]
    assert edges == [colour.lower() for colour in expected]
    filled = [patch.get_facecolor()[3] > 0 for patch in ax.patches]
    assert filled == [True, True, True, False, True]


def test_walls_fill_the_map_with_equal_scales_and_no_ticks(ax: Axes) -> None:
    viz.draw_walls(ax, MAP, 0.5)
    (image,) = ax.images
    np.testing.assert_array_equal(np.asarray(image.get_array()), np.array(MAP) == 1)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.75, 0.75), (-0.5, 0.5))
    assert ax.get_aspect() == 1.0
    assert not len(ax.get_xticks()) + len(ax.get_yticks())
    viz.draw_trajectory(ax, [(0.0, 0.0), (5.0, 5.0)])
    assert ax.get_xlim() == (-0.75, 0.75)  # what leaves the map does not shrink it


def test_a_trajectory_is_a_line(ax: Axes) -> None:
    path = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 0.0]])
    viz.draw_trajectory(ax, path, colour=viz.BLUE, alpha=0.5, width=3.0)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xydata(), path)
    assert (line.get_color(), line.get_alpha(), line.get_linewidth()) == (viz.BLUE, 0.5, 3.0)


def test_a_plan_is_bold_over_its_faint_candidates(ax: Axes) -> None:
    candidates = torch.randn(5, 8, POINT_MASS.dim, generator=torch.Generator().manual_seed(0))
    chosen = candidates[2].requires_grad_()
    plan = Plan(
        trajectory=Trajectory(chosen, POINT_MASS),
        candidates=Trajectory(candidates, POINT_MASS),
        status=Status.FEASIBLE,
        margins={},
        nfe=1,
        calls=1,
        wall_time=0.0,
    )
    viz.draw_plan(ax, plan)
    (bold,) = ax.lines
    faint = ax.collections[0]
    np.testing.assert_allclose(bold.get_xydata(), chosen.detach().numpy()[:, :2])
    assert len(faint.get_paths()) == 5
    assert bold.get_linewidth() > max(faint.get_linewidths())
    assert bold.get_zorder() > faint.get_zorder()


def test_a_body_is_drawn_with_a_circle_for_every_sphere(ax: Axes) -> None:
    viz.draw_body(ax, at_rest(READY, HOLDING).x[0], HOLDING, axes=(0, 1), colour=viz.RED)
    outlined, filled = ax.patches[: len(ax.patches) // 2], ax.patches[len(ax.patches) // 2 :]
    radii = sorted(sphere.radius for sphere in HOLDING.body.spheres)
    for patches in (outlined, filled):
        assert sorted(patch.radius for patch in patches) == pytest.approx(radii)
    cube = next(patch for patch in filled if patch.center[1] > 4.9)  # beside all of the arm
    assert cube.center == pytest.approx((0.01, 5.0))
