from __future__ import annotations

import math

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
    Region,
    SpeedLimit,
    StayIn,
    soft_max,
    soft_min,
)
from glass_plan.constraints.pieces import PIECE
from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS, Trajectory
from tests.constraints.strategies import (
    balls,
    constraints,
    leaves,
    regions,
    through,
    trajectories,
    wander,
)

RADIUS = POINT_MASS.radius


def dense(region: Region, trajectory: Trajectory) -> torch.Tensor:
    """Signed distances (..., n) at 300 points of every segment, ends included."""
    part = torch.linspace(0, 1, 300, dtype=torch.float64)
    p, t = trajectory.channel("position"), trajectory.times
    points = p[..., :-1, None, :] + part[:, None] * p.diff(dim=-2)[..., None, :]
    times = t[..., :-1, None] + part * t.diff(dim=-1)[..., None]
    return region.signed_distance(points.flatten(-3, -2), times.flatten(-2))


@settings(max_examples=60)
@given(region=regions | balls, trajectory=trajectories, margin=st.sampled_from([0, 0.1]))
def test_margins_of_segments_are_below_dense_samples_by_at_most_a_piece(
    region: Region, trajectory: Trajectory, margin: float
) -> None:
    distance = dense(region, trajectory)
    for constraint, sampled in (
        (Avoid(region, margin), distance.amin(-1) - RADIUS - margin),
        (StayIn(region), -distance.amax(-1) - RADIUS),
        (~Reach(region), distance.amin(-1)),
    ):
        exact = constraint.margin(trajectory)
        assert (exact <= sampled + 1e-9).all()
        assert (exact >= sampled - PIECE).all()


@settings(max_examples=60)
@given(region=regions | balls, trajectory=trajectories)
def test_reach_is_what_some_point_of_a_segment_attains(
    region: Region, trajectory: Trajectory
) -> None:
    sampled = -dense(region, trajectory).amin(-1)
    exact = Reach(region).margin(trajectory)
    assert (exact <= sampled + PIECE / 2).all()  # 300 samples are not all points
    assert (exact >= sampled - PIECE).all()


@settings(max_examples=60)
@given(ball=balls, trajectory=trajectories)
def test_margin_of_a_ball_that_stays_is_exact(ball: Ball, trajectory: Trajectory) -> None:
    p = trajectory.channel("position")
    a, b, c = p[:, :-1], p[:, 1:], torch.tensor(ball.center, dtype=p.dtype)
    along = (((c - a) * (b - a)).sum(-1) / (b - a).square().sum(-1)).clamp(0, 1)
    nearest = (a + along[..., None] * (b - a) - c).norm(dim=-1).amin(-1)
    torch.testing.assert_close(Avoid(ball).margin(trajectory), nearest - ball.radius - RADIUS)
    torch.testing.assert_close(Reach(ball).margin(trajectory), ball.radius - nearest)


@settings(max_examples=100)
@given(leaf=leaves, trajectory=trajectories)
def test_margin_of_a_negation_is_the_opposite_up_to_the_bound(
    leaf: Constraint, trajectory: Trajectory
) -> None:
    total = leaf.margin(trajectory) + (~leaf).margin(trajectory)
    assert (total <= 1e-9).all()
    assert (total >= -PIECE).all()


@settings(max_examples=100)
@given(c=constraints, trajectory=trajectories, temperature=st.floats(1e-3, 2))
def test_smooth_margins_never_exceed_exact_ones(
    c: Constraint, trajectory: Trajectory, temperature: float
) -> None:
    smooth, exact = c.margin(trajectory, temperature=temperature), c.margin(trajectory)
    assert (smooth <= exact + 1e-9 + 1e-12 * exact.abs()).all()  # +-1e9 where a window is empty


@settings(max_examples=30)
@given(c=constraints, trajectory=trajectories)
def test_smooth_margins_tend_to_exact_ones(c: Constraint, trajectory: Trajectory) -> None:
    smooth = c.margin(trajectory, temperature=1e-6)
    torch.testing.assert_close(smooth, c.margin(trajectory), atol=1e-4, rtol=0)


@settings(max_examples=60)
@given(c=constraints, trajectory=trajectories)
def test_batch_of_one_equals_batch_of_many(c: Constraint, trajectory: Trajectory) -> None:
    for measure in (c.margin, c.violation):
        whole = measure(trajectory)
        assert whole.shape == (3,)
        for k in range(3):
            alone = measure(Trajectory(trajectory.x[k], POINT_MASS, 0.3))
            torch.testing.assert_close(alone, whole[k], atol=1e-10, rtol=1e-9)


@settings(max_examples=30)
@given(c=constraints)
def test_measures_keep_shape_type_and_arguments(c: Constraint) -> None:
    x = wander(1, batch=4).x.float().reshape(2, 2, 9, 7)
    before = x.clone()
    for value in (c.margin(Trajectory(x, POINT_MASS)), c.violation(Trajectory(x, POINT_MASS))):
        assert value.shape == (2, 2)
        assert value.dtype == torch.float32
    assert torch.equal(x, before)


@settings(max_examples=30)
@given(c=constraints)
def test_a_lone_waypoint_has_a_margin(c: Constraint) -> None:
    alone = Trajectory(wander(2, length=1).x, POINT_MASS)
    assert torch.isfinite(c.margin(alone)).all()
    assert torch.isfinite(c.violation(alone)).all()


def test_a_ball_between_waypoints_is_seen() -> None:
    assert Avoid(Ball((1, 0.2), 0.3)).margin(through((0, 0), (2, 0))).item() == pytest.approx(-0.2)
    box = Avoid(Box((0.9, -0.1), (1.1, 0.1))).margin(through((0, 0), (2, 0)))
    assert -0.2 - PIECE <= box.item() <= -0.2


def test_the_body_counts_for_avoid_and_stay_in_but_not_for_reach() -> None:
    ball, at = Ball((0, 0), 1), through((0.25, 0), (0.25, 0))
    assert StayIn(ball).margin(at).item() == pytest.approx(0.75 - RADIUS)
    assert Reach(ball).margin(at).item() == pytest.approx(0.75)
    assert Avoid(ball, margin=0.5).margin(at).item() == pytest.approx(-0.75 - RADIUS - 0.5)


def test_a_moving_obstacle_is_met_at_plan_time() -> None:
    crossing = Avoid(Moving(Ball((0, 0), 0.3), ((5, 0), (0, 0)), speed=1.0))  # at (0, 0) after 5 s
    at_rest = through((0, 0), (0, 0), dt=1.0, t_start=0.0)
    assert crossing.margin(at_rest).item() == pytest.approx(4 - 0.3 - RADIUS, abs=PIECE)
    late = through((0, 0), (0, 0), dt=1.0, t_start=4.5)
    assert crossing.margin(late).item() == pytest.approx(-0.3 - RADIUS, abs=PIECE)


def test_a_moving_obstacle_is_met_between_waypoints() -> None:
    swap = Avoid(Moving(Ball((0, 0), 0.1), ((1, 0), (0, 0)), speed=1.0))
    margin = swap.margin(through((0, 0), (1, 0), dt=1.0)).item()  # they meet halfway
    assert margin == pytest.approx(-0.1 - RADIUS, abs=PIECE)


def test_a_margin_that_is_not_a_number_is_not_hidden() -> None:
    x = wander(0, batch=1).x
    x[0, 4, 0] = math.nan
    broken = Trajectory(x, POINT_MASS)
    for region in (Ball((0, 0), 1), Box((0, 0), (1, 1)), Grid(((0,),), 9.0)):
        for c in (Avoid(region), Reach(region), StayIn(region)):
            assert torch.isnan(c.margin(broken)).all()
            assert torch.isnan(c.violation(broken)).all()


def test_limits_are_worked_by_hand() -> None:
    x = through((0, 0), (1, 0), (2, 0)).x
    x[:, 2:4] = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])
    x[:, 6] = torch.tensor([0.5, 0.1, 9.0])
    trajectory = Trajectory(x, POINT_MASS)
    assert SpeedLimit(6).margin(trajectory).item() == pytest.approx(1)
    assert AccelLimit(12).margin(trajectory).item() == pytest.approx(2)
    assert (~SpeedLimit(6)).margin(trajectory).item() == pytest.approx(-1)


def test_soft_min_and_soft_max_are_bounds() -> None:
    x = torch.tensor([1.0, 2.0, 2.0])
    assert soft_min(x, 0).item() == 1
    assert soft_max(x, 0).item() == 2
    assert soft_min(x, 0.5).item() == pytest.approx(
        -0.5 * math.log(math.exp(-2) + 2 * math.exp(-4))
    )
    assert soft_max(torch.full((7,), 2.0), 0.5).item() == pytest.approx(2)


@pytest.mark.parametrize("temperature", [-1.0, math.nan, math.inf])
def test_a_temperature_out_of_range_is_refused(temperature: float) -> None:
    for c in (Avoid(Ball((0, 0), 1)), Reach(Ball((0, 0), 1)), All((SpeedLimit(1), SpeedLimit(2)))):
        with pytest.raises(RequestError, match="temperature must be >= 0"):
            c.margin(wander(0), temperature=temperature)
