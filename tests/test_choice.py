"""What the planner makes of its demands: for which ways are bent, and the rule of choice."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from glass_plan.constraints import All, Avoid, Ball, Prefer, Reach, SpeedLimit
from glass_plan.layout import Trajectory
from glass_plan.planner import ENOUGH, Planner, choose, ranked, without_speed_limits
from tests.models import MODEL

DISC = Avoid(Ball((1.0, 0.0), 0.12))


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


def lines(planner, heights, dts):
    """Straight candidates at heights y with equal time steps."""
    x = torch.zeros(len(heights), 5, planner.prior.layout.dim)
    x[:, :, 0] = torch.linspace(0, 1, 5)
    x[:, :, 1] = torch.tensor(heights)[:, None]
    x[:, :, 6] = torch.tensor(dts)[:, None]
    return Trajectory(x, replace(planner.prior.layout, radius=0.0))


def test_the_rule_of_choice(planner):
    far = {"far": Avoid(Ball((0.5, 0.0), 0.1))}
    inside, near, wide, wide_and_slow = 0.0, 0.1 + ENOUGH / 2, 0.5, 0.9
    best, margins, feasible = choose(lines(planner, [inside, near], [0.1, 0.2]), far)
    assert (best, feasible) == (1, True)
    assert margins["far"] == pytest.approx(ENOUGH / 2, abs=1e-5)
    best, _, _ = choose(lines(planner, [near, wide], [0.1, 0.1]), far)
    assert best == 1  # more margin, up to enough
    best, _, _ = choose(lines(planner, [wide, wide_and_slow], [0.1, 0.2]), far)
    assert best == 0  # both have enough: the shorter time
    best, _, feasible = choose(lines(planner, [0.1 + 1e-4, 0.1 - 1e-4], [5.0, 0.1]), far)
    assert (best, feasible) == (0, True)  # long and narrow, but feasible
    best, _, feasible = choose(lines(planner, [inside, 0.05], [0.1, 0.1]), far)
    assert (best, feasible) == (1, False)  # the least violating


def test_a_candidate_without_a_margin_is_never_chosen(planner):
    candidates = lines(planner, [float("nan"), 0.5], [0.1, 0.1])
    best, margins, feasible = choose(candidates, {"far": Avoid(Ball((0.5, 0.0), 0.1))})
    assert (best, feasible) == (1, True)
    assert margins["far"] > 0


def test_a_candidate_that_is_not_finite_comes_last(planner):
    candidates = lines(planner, [0.5, float("nan"), 0.0], [float("inf"), 0.1, 0.1])
    hopeless = {"far": Avoid(Ball((0.5, 0.0), 0.1)), "nothing": Reach(Ball((50.0, 0.0), 0.1))}
    order = [k for k, _, _ in ranked(candidates, hopeless)]
    assert order[0] == 2
    assert choose(lines(planner, [0.5], [float("inf")]), hopeless)[2] is False


@pytest.mark.parametrize(
    "asked",
    [
        DISC & Prefer(Reach(Ball((0.0, 1.0), 0.2))) & SpeedLimit(1.0),
        All((All((DISC, SpeedLimit(1.0))), Prefer(Reach(Ball((0.0, 1.0), 0.2))))),
    ],
    ids=["flat", "nested"],
)
def test_ways_are_bent_for_everything_but_speed_limits(planner, asked):
    ways = lines(planner, [0.0, 0.1], [0.1, 0.1])
    ways.x[..., ways.layout.slice("velocity")] = 3.0
    everything = planner.judged(DISC & Prefer(Reach(Ball((0.0, 1.0), 0.2))))
    bent = without_speed_limits(planner.judged(asked))
    expected = everything.soft()(ways)
    torch.testing.assert_close(bent.soft()(ways), expected)
    assert bool((planner.judged(asked).soft()(ways) < expected - 1).all())
