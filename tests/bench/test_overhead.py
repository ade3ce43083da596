"""Overhead: the ratio is about the calls that were made, and the ten constraints are ten."""

from __future__ import annotations

import pytest
import torch

from glass_plan.bench.overhead import (
    GOALS,
    OverheadBench,
    free_cells,
    opposite_corners,
    ten_constraints,
)
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.planner import Planner
from tests.models import MODEL


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


def test_free_cells_keep_the_distance_of_a_cell_to_the_walls(planner):
    cells = free_cells(planner.config.world)
    x = torch.zeros(len(cells), 2, POINT_MASS.dim)
    x[..., POINT_MASS.slice("position")] = cells[:, None].float()
    margin = planner.embodiment.standing.margin(Trajectory(x, POINT_MASS))
    assert len(cells) == sum(value == 0 for row in planner.config.world.walls for value in row)
    assert (margin > 0.3).all()


def test_the_ten_constraints_are_ten(planner):
    assert len(ten_constraints(planner.config.world).parts()) == 10


def test_the_corners_can_be_planned_between(planner):
    start, goal = opposite_corners(planner.config.world)
    assert planner.plan(start, goal).status == "feasible"


def test_every_row_counts_its_calls(planner, tmp_path):
    counted = []
    bench = OverheadBench(tmp_path, planner, repeats=1, advance=lambda: counted.append(1))
    text = bench.run()
    assert len(counted) == bench.measurements
    shown = [line.split("|") for line in text.splitlines() if line.startswith("| fk")]
    assert {(int(line[2]), int(line[3]), int(line[4])) for line in shown} == {
        (8, 20, 160),
        (32, 20, 640),
    }
    assert text.count("ratio") - 1 == 2 * len(GOALS)
