from __future__ import annotations

import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import (
    AccelLimit,
    All,
    Avoid,
    Ball,
    Box,
    Constraint,
    Grid,
    Moving,
    Reach,
    SpeedLimit,
    StayIn,
    Union,
)
from glass_plan.constraints.leaf import soft_least
from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.rewards import Reward
from tests.constraints.strategies import (
    any_regions,
    constraints,
    leaves,
    through,
    trajectories,
    wander,
)

BALL = Ball((0.2, -0.1), 0.6)
EXAMPLES: list[Constraint] = [
    Avoid(BALL, margin=0.1),
    Avoid(Grid(((1, 0), (0, 1)), 1.0)),
    Avoid(Moving(BALL, ((0, 0), (1, 0), (1, 1)), speed=0.8, loop=True)),
    Avoid(Union((BALL, Box((0.5, 0.5), (1, 1)))), margin=0.3),
    StayIn(Box((-1, -1), (1, 1))),
    Reach(Box((3, 3), (4, 4))),
    Reach(Ball((0, 3), 0.2)),
    ~Avoid(Ball((0, 3), 0.2)),
    SpeedLimit(1.0),
    AccelLimit(5.0),
    Avoid(BALL) & Reach(Ball((0, 3), 0.2)) & SpeedLimit(1.0),
    Avoid(BALL, margin=0.1) & Avoid(Box((-0.5, -1), (0.5, 0.5)), margin=0.2) & Avoid(BALL),
    Reach(Ball((0, 3), 0.2)) | Reach(Ball((0, -3), 0.2)),
]


def measure(c: Constraint, x: torch.Tensor) -> torch.Tensor:
    return c.violation(Trajectory(x, POINT_MASS, 0.3), buffer=0.05)


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
def test_violation_has_the_gradient_of_finite_differences(c: Constraint) -> None:
    x = wander(5, batch=2, length=6).x.requires_grad_()
    assert (measure(c, x) > 0).any()
    assert torch.autograd.gradcheck(lambda x: measure(c, x), (x,))


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
def test_a_smooth_margin_has_the_gradient_of_finite_differences(c: Constraint) -> None:
    x = wander(5, batch=2, length=6).x.requires_grad_()
    smooth = lambda x: c.margin(Trajectory(x, POINT_MASS, 0.3), temperature=0.1)  # noqa: E731
    assert torch.autograd.gradcheck(smooth, (x,))


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_at_rest_on_a_kink_are_finite(c: Constraint, dtype: torch.dtype) -> None:
    for at in ((0.2, -0.1), (0.5, 0.5), (0, 0), (3, 3), (0, 3), (0, 2.8), (1, 1)):
        x = through(at, at, at).x.to(dtype).requires_grad_()
        total = measure(c, x) + c.margin(Trajectory(x, POINT_MASS))
        assert torch.isfinite(torch.autograd.grad(total, x)[0]).all()


@settings(max_examples=80)
@given(leaf=leaves, trajectory=trajectories)
def test_violation_is_zero_iff_the_samples_hold_with_the_buffer(
    leaf: Constraint, trajectory: Trajectory
) -> None:
    values = leaf.predicate.values(trajectory)
    holds = (values >= 0.1).all(-1) if leaf.is_safety else (values >= 0.1).any(-1)
    assert torch.equal(leaf.violation(trajectory, buffer=0.1) == 0, holds)


@settings(max_examples=80)
@given(
    terms=st.lists(st.builds(Avoid, any_regions(), st.floats(0, 0.5)) | leaves, min_size=1),
    trajectory=trajectories,
)
def test_a_conjunction_costs_what_its_terms_cost(
    terms: list[Constraint], trajectory: Trajectory
) -> None:
    together = All(tuple(terms)).violation(trajectory, buffer=0.1)
    alone = torch.stack([term.violation(trajectory, buffer=0.1) for term in terms]).sum(0)
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)


@settings(max_examples=50)
@given(c=constraints, trajectory=trajectories)
def test_a_positive_margin_means_no_violation(c: Constraint, trajectory: Trajectory) -> None:
    if all(term.is_safety for term in c.parts().values()):
        assert (c.violation(trajectory)[c.margin(trajectory) > 0] == 0).all()


def test_violation_sums_squared_shortfalls_over_waypoints_and_middles() -> None:
    avoid = Avoid(Ball((0, 0), 1 - POINT_MASS.radius))  # value = |p| - 1
    trajectory = through((0.5, 0), (0.9, 0), (3, 0))
    expected = 0.5**2 + 0.3**2 + 0.1**2  # at 0.5, the middle 0.7, and 0.9
    assert avoid.violation(trajectory).item() == pytest.approx(expected)
    assert avoid.violation(trajectory, buffer=0.1).item() == pytest.approx(0.6**2 + 0.4**2 + 0.2**2)


def test_the_goal_pulls_the_nearest_waypoints_most() -> None:
    x = through((0, 0), (1, 0), (2, 0), (3, 0)).x.requires_grad_()
    violation = Reach(Ball((5, 0), 0.5)).violation(Trajectory(x, POINT_MASS))
    assert 0 < violation.item() <= 1.5**2
    pull = -torch.autograd.grad(violation, x)[0][:, 0]
    assert (pull > 0).all()
    assert (pull.diff() > 0).all()


def test_a_few_gradient_steps_satisfy_an_example() -> None:
    spec = Avoid(Ball((1, 0.05), 0.3), margin=0.05) & Reach(Ball((2, 0.5), 0.1))
    x = through(*[(0.2 * k, 0.0) for k in range(11)]).x
    for _ in range(300):
        x = x.detach().requires_grad_()
        violation = spec.violation(Trajectory(x, POINT_MASS), buffer=0.1)
        x = x - 0.2 * torch.autograd.grad(violation, x)[0]
    assert spec.margin(Trajectory(x, POINT_MASS)).item() > 0


def test_soft_least_is_zero_with_any_zero_and_scale_free() -> None:
    shortfall = torch.tensor([[0.0, 1.0], [1.0, 2.0], [10.0, 20.0]], dtype=torch.float64)
    zero, one, ten = soft_least(shortfall).tolist()
    assert zero == 0
    assert one == pytest.approx((1 + 2.0**-8) ** (-1 / 8))
    assert ten == pytest.approx(10 * one)


def test_soft_is_minus_weight_times_violation() -> None:
    trajectory, avoid = wander(5), EXAMPLES[0]
    reward = avoid.soft(3.0, 0.2)
    assert reward.name == "avoid_ball"
    torch.testing.assert_close(reward(trajectory), -3 * avoid.violation(trajectory, buffer=0.2))


def test_rewards_add_and_scale_on_both_sides() -> None:
    trajectory = wander(5)
    a, b = EXAMPLES[0].soft(), Reward(lambda t: t.x[..., 0, 0], "left")
    both = 2 * a + b * 0.5
    assert both.name == "2 * (avoid_ball) + 0.5 * (left)"
    torch.testing.assert_close(both(trajectory), 2 * a(trajectory) + 0.5 * b(trajectory))


def test_rewards_are_values() -> None:
    reward = 2 * EXAMPLES[0].soft() + EXAMPLES[5].soft(buffer=0)
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert hash(reward) == hash(2 * EXAMPLES[0].soft() + EXAMPLES[5].soft(buffer=0))


def test_rewards_refuse_what_is_no_reward_or_no_finite_scale() -> None:
    reward = EXAMPLES[0].soft()
    with pytest.raises(TypeError):
        reward + EXAMPLES[0]
    with pytest.raises(TypeError):
        reward * "2"
    with pytest.raises(RequestError, match="factor must be finite, got nan"):
        reward * math.nan
    with pytest.raises(RequestError, match="avoid_ball: weight must be >= 0"):
        EXAMPLES[0].soft(-1)
    with pytest.raises(RequestError, match="avoid_ball: buffer must be >= 0"):
        EXAMPLES[0].soft(buffer=math.nan)
