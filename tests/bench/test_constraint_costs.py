"""What constraints cost: the sizes are what they are called, and growth is an exponent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from glass_plan.bench.constraint_costs import ConstraintBench, finer, growth, many, nested
from glass_plan.layout import POINT_MASS
from glass_plan.planner import Planner
from tests.constraints.strategies import through, wander
from tests.models import MODEL


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


def test_growth_is_the_exponent_of_a_power():
    sizes = [1, 2, 4, 8, 16]
    assert growth(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_growth_leaves_out_the_fixed_price_of_small_sizes():
    assert growth([1, 2, 1000, 2000], [9.0, 9.0, 1000.0, 2000.0]) == pytest.approx(1.0)


def test_many_are_as_many_and_every_ten_is_another(planner):
    terms = many(planner.config.world, 40).terms
    assert len(terms) == 40
    assert not set(terms[:8]) & set(terms[10:18])


def test_more_waypoints_follow_the_same_path_in_the_same_time():
    path = through((0, 0), (1, 0), (1, 1), (2, 3), (2, 2))
    coarse = replace(path, x=path.x[None])
    fine = finer(coarse, 9)
    position = POINT_MASS.slice("position")
    torch.testing.assert_close(fine.x[..., ::2, position], coarse.x[..., position])
    torch.testing.assert_close(fine.times[..., -1], coarse.times[..., -1])


def test_every_row_is_measured_and_judged(planner, tmp_path):
    counted = []
    bench = ConstraintBench(
        tmp_path, planner, 1, (10, 20, 30), (8, 16, 32), advance=lambda: counted.append(1)
    )
    text = bench.run()
    record = json.loads((tmp_path / "constraints.json").read_text())
    assert len(counted) == bench.measurements == len(record["table"]) == len(record["goals"])
    assert text.count("ratio") - 1 == text.count("exponent") - 2 == 4


def test_the_nested_formulas_steer_and_judge(planner):
    spec, drawn = nested(planner.config.world), wander(3)
    assert spec.violation(drawn).shape == spec.margin(drawn).shape == (3,)
    assert (spec.violation(drawn) > 0).all()
