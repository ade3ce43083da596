"""Projection as the planner's last stage: what it mends, what it leaves alone, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glass_plan.constraints import Avoid, Ball, Box, SpeedLimit
from glass_plan.errors import RequestError
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.records import Status
from tests.models import MODEL

START, GOAL = (-1.0, -1.0, 0.0, 0.0), (-1.0, 1.0)


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


def test_projection_leads_an_unguided_plan_around_a_disc(planner):
    unguided = Sampling.unguided(20)
    disc = Avoid(Ball((1.0, 0.0), 0.12)) & SpeedLimit(2.0)
    plain = planner.with_sampling(unguided).plan(START, GOAL, disc, seed=0)
    hard = planner.with_sampling(replace(unguided, hard=0.02)).plan(START, GOAL, disc, seed=0)
    assert plain.status is Status.INFEASIBLE
    assert hard.status is Status.FEASIBLE
    assert hard.nfe == plain.nfe
    assert np.array_equal(hard.states[0], plain.states[0])
    assert np.array_equal(hard.states[-1, :2], plain.states[-1, :2])


def test_projection_leaves_feasible_candidates_alone(planner):
    plain = planner.plan(START, GOAL, seed=0)
    hard = planner.with_sampling(Sampling(hard=0.0)).plan(START, GOAL, seed=0)
    held = planner.embodiment.standing.margin(plain.candidates) > 0
    assert bool(held.any())
    same = hard.candidates.channel("position")[held] == plain.candidates.channel("position")[held]
    assert bool(same.all())


@pytest.mark.parametrize("hard", [-0.1, float("nan")])
def test_a_projection_for_no_margin_at_all_is_refused(planner, hard):
    with pytest.raises(RequestError, match="hard must be in"):
        planner.with_sampling(Sampling(hard=hard)).plan(START, GOAL, seed=0)


def test_what_projection_cannot_mend_comes_back_infeasible(planner):
    blocked = Avoid(Box((0.4, -0.6), (1.6, 0.6)))
    plan = planner.with_sampling(Sampling(hard=0.02)).plan(START, GOAL, blocked, seed=0)
    assert plan.status is Status.INFEASIBLE
    assert min(plan.margins.values()) < 0


def test_projection_moves_no_way_for_a_speed_limit(planner):
    """Speeds see to it; as rows it asks of ways what no place can give."""
    projected = planner.with_sampling(replace(Sampling.unguided(20), hard=0.02))
    slow = SpeedLimit(0.015)  # a margin below what is asked for, at any speed
    disc = Avoid(Ball((1.0, 0.0), 0.12))
    ways = [
        projected.plan(START, GOAL, asked, seed=0).trajectory.channel("position")
        for asked in (disc, disc & slow)
    ]
    assert float(disc.margin(projected.plan(START, GOAL, disc & slow, seed=0).trajectory)) > 0
    assert bool((ways[0] == ways[1]).all())
