from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from glass_plan import viz
from glass_plan.constraints import (
    Avoid,
    Ball,
    Box,
    Grid,
    Moving,
    Reach,
    Region,
    SpeedLimit,
    StayIn,
    Union,
)
from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.records import Plan, Status

BALL, BOX = Ball((1.0, 2.0), 0.5), Box((-1.0, -2.0), (0.0, 3.0))
MAP = ((1, 1, 1), (1, 0, 1))


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


def test_a_region_on_a_line_cannot_be_drawn(ax: Axes) -> None:
    with pytest.raises(RequestError, match="cannot draw Ball"):
        viz.draw_region(ax, Ball((1.0,), 0.5))


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
