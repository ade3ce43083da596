from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import Ball, Box, Grid, Moving, Region, Union
from glass_plan.errors import SpecError
from tests.constraints.strategies import grids, regions

MAZE = ((1, 1, 1, 1), (1, 0, 0, 1), (1, 0, 1, 1), (1, 0, 0, 0))
EXAMPLES: list[Region] = [
    Ball((0.3, -0.2), 0.7),
    Box((-0.5, -1.0), (1.2, 0.4)),
    Grid(MAZE, 0.8),
    Union((Ball((0.3, -0.2), 0.7), Box((0.5, 0.1), (1.2, 0.4)))),
    Moving(Ball((0.1, 0.0), 0.3), ((0, 0), (1, 0), (1, 2)), speed=0.7, loop=True),
    Moving(Grid(MAZE, 0.8), ((0, 0), (1, 0.5)), speed=0.7),
]


def double(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def distances(
    region: Region, points: torch.Tensor, times: torch.Tensor | None = None
) -> list[float]:
    times = torch.zeros(points.shape[:-1], dtype=points.dtype) if times is None else times
    return region.signed_distance(points, times).tolist()


def brute_force(grid: Grid, x: float, y: float) -> float:
    """Signed distance to the union of occupied cells, over every cell of a map framed by walls."""
    frame = np.pad(np.array(grid.occupancy), 3, constant_values=1)
    rows, columns = frame.shape
    left = (np.arange(columns) - columns / 2) * grid.cell
    top = (rows / 2 - np.arange(rows)) * grid.cell
    dx = np.maximum(np.maximum(left - x, x - left - grid.cell), 0)[None, :]
    dy = np.maximum(np.maximum(y - top, top - grid.cell - y), 0)[:, None]
    away = np.hypot(dx, dy)
    inside = frame.flat[away.argmin()] == 1  # the point's own cell is at distance 0
    nearest = away[frame != 1].min() if inside and (frame != 1).any() else away[frame == 1].min()
    return float(np.clip(-nearest if inside else nearest, -grid.cell, grid.cell))


def test_distance_to_a_ball_is_distance_to_its_centre_less_its_radius() -> None:
    assert distances(Ball((1, 2), 0.5), double((4, 6), (1, 2), (1, 2.5))) == [4.5, -0.5, 0.0]


def test_distance_to_a_box_is_exact_inside_and_out() -> None:
    points = double((5, 2), (5, 6), (1.5, 1), (2, 1.75), (4, 3))
    assert distances(Box((0, 0), (4, 3)), points) == [1.0, math.hypot(1, 3), -1.0, -1.25, 0.0]


def test_row_0_of_a_grid_is_on_top_and_outside_is_occupied() -> None:
    grid = Grid(((0, 1), (1, 1)), 1.0)  # only the cell up on the left is free
    points = double((-0.5, 0.5), (-0.9, 0.5), (0.5, 0.5), (-0.5, -0.3), (5, 5), (0.1, -0.1))
    expected = [0.5, 0.1, -0.5, -0.3, -1.0, -math.hypot(0.1, 0.1)]
    assert distances(grid, points) == pytest.approx(expected)


@settings(max_examples=60)
@given(grid=grids, seed=st.integers(0, 999))
def test_grid_agrees_with_brute_force(grid: Grid, seed: int) -> None:
    points = 4 * torch.rand(40, 2, generator=torch.Generator().manual_seed(seed)).double() - 2
    if not any(0 in row for row in grid.occupancy):
        expected = [-grid.cell] * 40
    else:
        expected = [brute_force(grid, x, y) for x, y in points.tolist()]
    assert distances(grid, points) == pytest.approx(expected, abs=1e-9)


def test_a_grid_point_that_is_not_a_number_has_no_distance() -> None:
    points = torch.tensor([[math.nan, 0.0], [math.inf, 0.0]])
    assert torch.isnan(Grid(MAZE, 1.0).signed_distance(points, points[:, 0])).all()


def test_union_takes_the_nearest_part() -> None:
    union = Union((Ball((0, 0), 1), Ball((5, 0), 1)))
    assert distances(union, double((2, 0), (5, 0))) == [1.0, -1.0]


def test_a_moving_region_is_read_at_plan_time_and_stops_at_the_last_waypoint() -> None:
    region = Moving(Ball((0, 1), 0.5), ((0, 0), (2, 0), (2, 4)), speed=2.0)
    times = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 9.0], dtype=torch.float64)
    centres = double((0, 1), (0, 1), (1, 1), (2, 1), (2, 3), (2, 5), (2, 5))
    assert distances(region, centres, times) == pytest.approx([-0.5] * 7)


def test_a_loop_goes_back_to_its_first_waypoint() -> None:
    region = Moving(Ball((0, 0), 0.5), ((0, 0), (3, 0), (3, 4)), loop=True)  # 3 + 4 + 5 [m]
    times = torch.tensor([3.0, 7.0, 9.5, 12.0, 15.0], dtype=torch.float64)
    centres = double((3, 0), (3, 4), (1.5, 2), (0, 0), (3, 0))
    assert distances(region, centres, times) == pytest.approx([-0.5] * 5)


def test_a_closed_list_of_waypoints_is_not_closed_twice() -> None:
    region = Moving(Ball((0, 0), 0.5), ((0, 0), (1, 0), (0, 0)), loop=True)
    assert distances(region, double((1, 0)), torch.full((1,), 3.0).double()) == pytest.approx(
        [-0.5]
    )


@settings(max_examples=60)
@given(region=regions, seed=st.integers(0, 999))
def test_distance_changes_no_faster_than_point_and_time(region: Region, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p, q = 3 * torch.randn(2, 50, 2, generator=generator).double()
    t, s = 3 * torch.rand(2, 50, generator=generator).double()
    change = (region.signed_distance(p, t) - region.signed_distance(q, s)).abs()
    assert (change <= (p - q).norm(dim=-1) + region.top_speed * (t - s).abs() + 1e-9).all()


@pytest.mark.parametrize("region", EXAMPLES, ids=lambda region: type(region).__name__)
def test_distance_has_the_gradient_of_finite_differences(region: Region) -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(2, 20, 2, generator=generator).double().requires_grad_()
    times = torch.rand(2, 20, generator=generator).double().requires_grad_()
    inputs = (points, times) if region.top_speed else (points, times.detach())
    assert torch.autograd.gradcheck(region.signed_distance, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("region", EXAMPLES, ids=lambda region: type(region).__name__)
def test_gradients_are_finite_at_kinks(region: Region, dtype: torch.dtype) -> None:
    line = torch.cat([torch.linspace(-2, 2, 11), torch.tensor([0.3, -0.2, 0.35, 1.2, 0.4])])
    points = torch.cartesian_prod(line, line).to(dtype).requires_grad_()
    times = torch.zeros(len(points), dtype=dtype, requires_grad=True)
    value = region.signed_distance(points, times).sum() + 0 * times.sum()
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(value, (points, times)))


@pytest.mark.parametrize("region", EXAMPLES, ids=lambda region: type(region).__name__)
def test_tensors_made_in_inference_mode_still_serve_gradients(region: Region) -> None:
    points, times = torch.randn(3, 5, 2), torch.rand(3, 5)
    points_16, times_16 = points.bfloat16(), times.bfloat16()  # a type no other test has cached
    with torch.inference_mode():
        region.signed_distance(points_16.clone(), times_16.clone())
    region.signed_distance(points_16.requires_grad_(), times_16).sum().backward()


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Ball((0, 0), 0), "Ball: radius must be > 0"),
        (lambda: Ball((0, 0), math.nan), "Ball: radius must be a number"),
        (lambda: Ball((), 1), "Ball: center must have coordinates"),
        (lambda: Ball((0, "x"), 1), r"Ball: center\[1\] must be a number"),
        (lambda: Ball(3, 1), "Ball: center must be a list"),
        (lambda: Ball((0, True), 1), "got True"),
        (lambda: Ball((0, 10**5000), 1), "too long to print"),
        (lambda: Box((0, 0), (1, 0)), "Box: low must be < high"),
        (lambda: Box((0, 0), (1, 1, 1)), "Box: low and high differ in length"),
        (lambda: Grid((), 1), "Grid: rows must be equally long and not empty"),
        (lambda: Grid(((0, 1), (0,)), 1), r"got \[1, 2\]"),
        (lambda: Grid(((0, 2),), 1), "Grid: occupancy must be 0 or 1, got 2"),
        (lambda: Grid(((0, 1),), -1), "Grid: cell must be > 0"),
        (lambda: Grid([[0] * 2000] * 2000, 1), "Grid: at most 1000000 cells"),
        (lambda: Union(()), "Union: needs at least one part"),
        (lambda: Union((Ball((0, 0), 1), Ball((0, 0, 0), 1))), r"got \[2, 3\]"),
        (lambda: Union((3,)), "Union: expected a region, got 3"),
        (lambda: Moving(Ball((0, 0), 1), ((0, 0),)), "at least 2 waypoints of 2 coordinates"),
        (lambda: Moving(Ball((0, 0), 1), ((0, 0, 0), (1, 1, 1))), "2 coordinates like its shape"),
        (lambda: Moving(Ball((0, 0), 1), ((0, 0), (0, 0))), "must differ from the one before"),
        (lambda: Moving(Ball((0, 0), 1), ((0, 0), (1, 0)), speed=0), "Moving: speed must be > 0"),
        (lambda: Moving(Ball((0, 0), 1), ((0, 0), (1, 0)), loop=1), "loop must be true or false"),
    ],
)
def test_a_region_out_of_range_says_what_is_wrong(build: Callable[[], object], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        build()


def test_regions_are_values() -> None:
    assert Ball([0, 1], 1) == Ball((0.0, 1.0), np.float64(1))
    assert hash(Grid([[0, 1]], 1)) == hash(Grid(((False, True),), 1.0))
    assert repr(Ball((0, 1), 1)) == "Ball(center=(0.0, 1.0), radius=1.0)"
