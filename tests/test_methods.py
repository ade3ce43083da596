"""Methods of drawing candidates: all keep their budget, and the barrier's programme is solved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from glass_plan.arms import ARMS
from glass_plan.constraints import Avoid, Ball, Reach, SpeedLimit
from glass_plan.errors import RequestError
from glass_plan.guidance import TrajectoryProx
from glass_plan.methods import METHODS, Sampling, steered
from glass_plan.methods.barrier import hildreth
from glass_plan.planner import Planner

START, GOAL = [-1.0, -1.0, 0.0, 0.0], (-1.0, 1.0)
DISC = Avoid(Ball((1.3, 0.0), 0.3)).named("disc")
PLANNING = [name for name, arm in ARMS.items() if arm.controller == "receding-horizon"]


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained("maze2d-umaze")


def plan(planner, name, **settings):
    if name.startswith("ompl"):
        pytest.importorskip("ompl")
    return planner.with_sampling(ARMS[name].sampling).plan(START, GOAL, DISC, **settings)


def test_every_method_is_evaluated():
    assert {ARMS[name].sampling.method for name in PLANNING} == set(METHODS)


@pytest.mark.parametrize("name", PLANNING)
def test_a_cold_plan_spends_the_rows_that_the_settings_say(planner, name):
    made = plan(planner, name)
    assert made.nfe == ARMS[name].sampling.rows <= 100
    assert made.calls <= 24 or name == "unguided"
    assert np.isfinite(made.states).all()
    assert made.states[0] == pytest.approx(START, abs=1e-5)


@pytest.mark.parametrize("name", PLANNING)
def test_the_seed_decides_what_a_method_draws(planner, name):
    first, again, other = (plan(planner, name, seed=seed).states for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["gradient", "pcgrad", "conflict-gate", "barrier", "glass-fks"])
def test_guidance_raises_the_margins_of_all_candidates(planner, name):
    free = plan(planner, "best-of-n").candidates
    bent = plan(planner, name).candidates
    assert DISC.margin(bent).mean() > DISC.margin(free).mean() + 0.02


@pytest.mark.parametrize("name", [name for name in PLANNING if not name.startswith("ompl")])
def test_no_method_moves_the_start_or_the_goal(planner, name):
    """The start is the waypoint nearest to the region, and the most drawn to it."""
    off, goal = Reach(Ball((-1.0, 1.0), 0.2)).named("off"), (0.0, -1.0)
    made = planner.with_sampling(ARMS[name].sampling).plan(START, goal, off).candidates
    place, velocity = made.channel("position"), made.channel("velocity")
    begin = torch.cat([place[:, 0], velocity[:, 0]], dim=-1)
    assert (begin - torch.tensor(START)).abs().max() < 1e-5
    assert (place[:, -1] - torch.tensor(goal)).abs().max() < 1e-5


def test_detours_alone_lead_samples_to_a_region_off_their_way(planner):
    off = Reach(Ball((-1.0, 1.0), 0.2)).named("off")
    margins = [
        planner.with_sampling(ARMS[name].sampling)
        .plan(START, (0.0, -1.0), off, seed=0)
        .margins["off"]
        for name in ("best-of-n", "best-of-n-detours")
    ]
    assert margins[0] < 0 < margins[1]


def test_a_speed_limit_bends_no_way(planner, monkeypatch):
    """Its gradient would make ways shorter that are driven slower anyhow."""
    proxes = []

    def kept(*args, **settings):
        proxes.append(TrajectoryProx(*args, **settings))
        return proxes[-1]

    monkeypatch.setattr(steered, "TrajectoryProx", kept)
    limit = SpeedLimit(0.5)
    made = planner.with_sampling(ARMS["glass-fks"].sampling).plan(START, GOAL, limit)
    fast = replace(made.candidates, x=made.candidates.x.clone())
    fast.x[..., fast.layout.slice("velocity")] *= 5
    assert float(limit.margin(fast).max()) < 0
    reward = proxes[0].reward.at(1.0)
    assert torch.equal(reward(fast), reward(made.candidates))


def test_the_barrier_is_not_corrected_after_the_deadline(planner):
    late = plan(planner, "barrier", deadline=0.0)
    assert late.status == "timeout"


def nearest(move, slopes, least):
    """By trying what holds with equality: nothing, one row, the other, both."""
    found = [move]
    found += [move + (c - a @ move) / (a @ a) * a for a, c in zip(slopes, least, strict=True)]
    found.append(np.linalg.solve(slopes, least))
    kept = [z for z in found if (slopes @ z >= least - 1e-9).all()]
    return min(kept, key=lambda z: np.linalg.norm(z - move))


def test_the_nearest_moves_keep_every_row():
    rng = np.random.default_rng(0)
    move, least = rng.normal(size=(20, 2)), rng.normal(size=(2, 20))
    angle = rng.uniform(0, 2 * np.pi, 20) + np.stack([np.zeros(20), rng.uniform(0.5, 2.6, 20)])
    slopes = rng.uniform(0.5, 2, (2, 20, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    asked = [torch.from_numpy(part) for part in (move[None], slopes[:, None], least[:, None])]
    found = hildreth(*asked, sweeps=1000)[0].numpy()
    wanted = [nearest(move[k], slopes[:, k], least[:, k]) for k in range(20)]
    assert found == pytest.approx(np.stack(wanted), abs=1e-6)


def test_what_does_not_depend_on_the_place_moves_nothing():
    move = torch.ones(1, 3, 2)
    assert torch.equal(hildreth(move, torch.zeros(1, 1, 3, 2), torch.ones(1, 1, 3)), move)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"particles": 0}, "particles must be an integer >= 1, got 0"),
        ({"particles": 8.5}, "particles must be an integer >= 1, got 8.5"),
        ({"weight": float("nan")}, r"weight must be in \[0, "),
        ({"ess_min": 7}, r"ess_min must be in \[0, 1\], got 7"),
        ({"warm_t": 3}, r"warm_t must be in \[0, 1\], got 3"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(RequestError, match=text):
        Sampling(**settings)
