"""MPPI: its dynamics are the simulator's, its costs are worked by hand, its drives are safe."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

from glass_plan.constraints import Avoid, Ball, Moving, Reach, SpeedLimit
from glass_plan.errors import MissingPackageError, RequestError
from glass_plan.measures import measures
from glass_plan.mppi import Mppi, predict
from glass_plan.mppi_costs import HIT, Cost, Settings
from glass_plan.planner import Planner
from glass_plan.records import Outcome
from glass_plan.results import Row
from glass_plan.rollout import run_episode
from tests.models import ENV_ID, MODEL

pytest.importorskip("pytorch_mppi")

START, GOAL = (-1.0, -1.0), np.array([-1.0, 1.0])
PLACES = {"start": START, "goal": tuple(GOAL)}
DISC = Avoid(Ball((1.3, 0.0), 0.3)).named("disc")
SMALL = Settings(samples=64, horizon=12)


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def driven(planner):
    spec = DISC & Reach(Ball((1.0, -1.0), 0.3)).named("visit") & SpeedLimit(2.5).named("slow")
    env = gymnasium.make(ENV_ID, constraints=spec)
    episode = run_episode(env, Mppi(planner, spec), seed=0, options=PLACES)
    env.close()
    return episode


def cost(planner, state, *constraints, settings=SMALL, time=0.0):
    judged = {
        **planner.embodiment.standing.parts(),
        **{f"c{k}": c for k, c in enumerate(constraints)},
    }
    return Cost.of(judged, np.array(state), GOAL, time, planner.embodiment, settings)


@pytest.mark.parametrize("velocity", [(0.0, 0.0), (1.5, -0.7), (4.9, 0.3)])
def test_one_prediction_is_what_the_simulator_does(planner, velocity):
    env = gymnasium.make(ENV_ID).unwrapped
    env.reset(seed=0, options=PLACES)
    env._physics.point_env.set_state(np.array(START), np.array(velocity))
    action = np.array([0.8, -0.3])
    for _ in range(5):
        observation, *_ = env.step(action)
    env.close()
    state = torch.tensor([[*START, *velocity]], dtype=torch.float64)
    found = predict(state, torch.from_numpy(action)[None], planner.embodiment.dynamics, 5)
    assert found[0].numpy() == pytest.approx(observation["observation"], abs=1e-6)


def test_a_prediction_keeps_the_limit_of_the_filter_on_actions(planner):
    state, push = torch.tensor([[0.0, 0.0, 1.9, 0.0]]), torch.ones(1, 2)
    found = predict(state, push, planner.embodiment.dynamics, 5, max_speed=2.0)
    assert float(found[0, 2:].norm()) == pytest.approx(2.0)


def test_what_is_left_shrinks_along_the_way_and_grows_by_a_visit(planner):
    along = torch.tensor([[[-1.0, -1.0], [0.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]])
    bare = cost(planner, [*START, 0.0, 0.0]).to_go(along)[0]
    assert (bare.diff() < 0).all()
    assert float(bare[-1]) == pytest.approx(0.0, abs=0.1)
    visit = cost(planner, [*START, 0.0, 0.0], Reach(Ball((1.0, 1.0), 0.3))).to_go(along)[0]
    assert visit[3:] == pytest.approx(bare[3:])  # it is seen by then
    ahead = cost(planner, [1.0, 1.0, 0.0, 0.0], Reach(Ball((1.0, -1.0), 0.3)))
    there = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    left = ahead.to_go(there)[0]
    assert float(left[0]) > float(bare[3]) + 2 * 1.5  # there and back
    assert float(left[1]) < float(left[0])


def test_harm_counts_touches_at_the_time_of_the_state(planner):
    # on the place of the roll-out at plan time 5.05 s, and gone by 6 s
    passing = Avoid(Moving(Ball((0.0, 0.0), 0.1), ((-1.0, -6.05), (-1.0, 50.0)), speed=1.0))
    still = torch.tensor([[[*START, 0.0, 0.0]] * SMALL.horizon])
    state = [*START, 0.0, 0.0]
    at_once = cost(planner, state, passing, time=5.0).harm(still)
    later = cost(planner, state, passing, time=6.0).harm(still)
    assert float(later) == 0.0
    assert float(at_once) > 2 * HIT


def test_a_drive_by_a_region_keeps_clear_and_below_the_limit_and_reaches_the_goal(driven):
    assert driven.error is None
    assert driven.success
    assert driven.safe
    assert driven.info["reached_visit"] == 1.0


def test_every_decision_is_recorded_without_a_plan(driven):
    assert {d.outcome for d in driven.decisions} == {Outcome.PLANNED}
    assert all(d.plan is None and d.nfe == 0 and d.wall_time > 0 for d in driven.decisions)
    assert np.allclose(np.diff([d.time for d in driven.decisions]), 0.05)
    row = Row.of(driven)
    assert set(row.nfe) == {0}
    assert len(row.wall_time) == len(driven.decisions)
    told = measures(driven, SimpleNamespace(shortest=5.0))
    assert not {"roughness", "first_feasible"} & set(told)  # of plans


def test_the_seed_decides_the_actions_and_the_global_generator_stays(planner):
    def actions(seed):
        controller = Mppi(planner, DISC, SMALL)
        controller.reset(GOAL, seed)
        return [controller.act([*START, 0.0, 0.0], time) for time in (0.0, 0.02, 0.05)]

    before = torch.random.get_rng_state()
    first, again, other = actions(0), actions(0), actions(1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first[0], first[1])  # held
    assert not np.array_equal(first[0], first[2])


def test_act_wants_a_reset_and_a_finite_state(planner):
    controller = Mppi(planner, None, SMALL)
    with pytest.raises(RequestError, match="call reset"):
        controller.act([*START, 0.0, 0.0], 0.0)
    controller.reset(GOAL, 0)
    with pytest.raises(RequestError, match="finite"):
        controller.act([np.nan, 0.0, 0.0, 0.0], 0.0)


def test_without_the_package_the_error_says_what_to_install(planner, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_mppi", None)
    with pytest.raises(MissingPackageError, match=r"pip install glass_plan\[baselines\]"):
        Mppi(planner, None).reset(GOAL, 0)
