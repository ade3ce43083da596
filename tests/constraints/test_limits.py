"""Limits on how a trajectory moves, by hand, against closed forms, and by finite differences."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import (
    AccelLimit,
    ActionLimit,
    Always,
    Constraint,
    Curvature,
    DynamicsConsistency,
    Eventually,
    JerkLimit,
    JointLimits,
    NearTo,
    SpeedLimit,
    dump_spec,
    parse_spec,
)
from glass_plan.constraints.pieces import PIECE
from glass_plan.errors import LayoutError, SpecError
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.robots import PANDA
from tests.constraints.strategies import through, wander

CORNER = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def coast(state: torch.Tensor, action: torch.Tensor, dt: torch.Tensor) -> torch.Tensor:
    """A point of unit mass under a constant force."""
    position, velocity = state[..., :2], state[..., 2:]
    lapse = dt[..., None]
    moved = position + velocity * lapse + 0.5 * action * lapse**2
    return torch.cat([moved, velocity + action * lapse], dim=-1)


EXAMPLES: list[Constraint] = [
    SpeedLimit(1.0),
    AccelLimit(5.0),
    JerkLimit(50.0),
    Curvature(2.0),
    ActionLimit(0.5),
    ActionLimit((0.5, 0.7)),
    JointLimits((-0.2, -0.1), (0.3, 0.4)),
    DynamicsConsistency(0.1, coast),
    NearTo(CORNER, 0.2),
    NearTo(CORNER, 0.2, times=(0.3, 0.6, 1.0)),
    ~JerkLimit(50.0),
    ~JointLimits((-0.2, -0.1), (0.3, 0.4)),
]


def driven(length: int = 7) -> Trajectory:
    """What ``coast`` makes of random actions."""
    x = wander(3, batch=1, length=length).x[0]
    for k in range(length - 1):
        x[k + 1, :4] = coast(x[k : k + 1, :4], x[k : k + 1, 4:6], x[k : k + 1, 6])[0]
    return Trajectory(x, POINT_MASS)


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
@pytest.mark.parametrize("inside", [lambda c: c, Always, Eventually])
def test_limits_have_the_gradient_of_finite_differences(
    c: Constraint, inside: Callable[[Constraint], Constraint]
) -> None:
    x, c = wander(5, batch=2, length=6).x.requires_grad_(), inside(c)
    for measure in (
        lambda x: c.margin(Trajectory(x, POINT_MASS, 0.3), temperature=0.1),
        lambda x: c.violation(Trajectory(x, POINT_MASS, 0.3), buffer=0.05),
    ):
        assert torch.autograd.gradcheck(measure, (x,))


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
def test_limits_at_rest_have_finite_gradients(c: Constraint) -> None:
    for points in ([(0, 0)], [(0, 0)] * 2, [(0, 0)] * 4, [(0, 0), (1, 0), (0, 0)]):
        x = through(*points).x.requires_grad_()
        at_rest = Trajectory(x, POINT_MASS)
        total = c.margin(at_rest) + c.violation(at_rest) + Always(c).margin(at_rest)
        assert torch.isfinite(torch.autograd.grad(total, x)[0]).all()


def test_jerk_is_the_change_of_acceleration_over_the_time_between_middles() -> None:
    x = through((0, 0), (0, 0), (0, 0), (0, 0)).x
    x[:, 2] = torch.tensor([0.0, 1.0, 3.0, 3.0])
    x[:, 6] = torch.tensor([0.5, 1.0, 0.5, 9.0])  # accelerations 2, 2, 0
    margin = JerkLimit(3).margin(Trajectory(x, POINT_MASS))
    assert margin.item() == pytest.approx(3 - 2 / 0.75)


@settings(max_examples=20)
@given(radius=st.floats(0.1, 5), count=st.integers(3, 40), turn=st.floats(0.5, 6))
def test_curvature_of_a_circle_is_one_over_its_radius(
    radius: float, count: int, turn: float
) -> None:
    angles = [turn * k / (count - 1) for k in range(count)]
    circle = through(*[(radius * math.cos(a), radius * math.sin(a)) for a in angles])
    if turn / (count - 1) < math.pi:
        assert Curvature(99).margin(circle).item() == pytest.approx(99 - 1 / radius, abs=1e-6)


def test_turning_back_curves_and_standing_still_does_not() -> None:
    limit = Curvature(9)
    assert limit.margin(through((0, 0), (1, 0), (0, 0))).item() == pytest.approx(9 - 2)
    assert limit.margin(through((0, 0), (1, 0), (1, 0), (1, 1))).item() == 9
    assert limit.margin(through((0, 0), (1, 0))).item() == 9


def test_action_and_joint_limits_are_worked_by_hand() -> None:
    x = through((0.0, 0.5), (0.25, 0.5)).x
    x[:, 4:6] = torch.tensor([[0.25, -0.75], [0.5, 0.0]])
    trajectory = Trajectory(x, POINT_MASS)
    assert ActionLimit(1).margin(trajectory).item() == 0.25
    assert ActionLimit((0.5, 2)).margin(trajectory).item() == 0
    assert JointLimits((-0.5, 0.25), (1, 1)).margin(trajectory).item() == 0.25
    assert JointLimits((-1, -1), (1, 1), channel="action").margin(trajectory).item() == 0.25


def test_between_waypoints_joints_may_be_where_the_negation_does_not_hold() -> None:
    across = through((-1.0, 0.0), (1.0, 0.0))
    out = ~JointLimits((-0.5, -9), (0.5, 9))
    assert out.margin(across).item() == 0.5
    assert Always(out).margin(across).item() == -0.5


def test_a_model_agrees_with_what_it_made() -> None:
    trajectory, consistent = driven(), DynamicsConsistency(0.1, coast)
    assert consistent.margin(trajectory).item() == pytest.approx(0.1)
    x = trajectory.x.clone()
    x[-1, :2] += torch.tensor([0.3, 0.4])
    assert consistent.margin(replace(trajectory, x=x)).item() == pytest.approx(0.1 - 0.5)
    only_speed = DynamicsConsistency(
        0.1, lambda v, u, dt: v + u * dt[..., None], channels=("velocity",)
    )
    assert only_speed.margin(replace(trajectory, x=x)).item() == pytest.approx(0.1)


def test_a_model_is_a_part_of_the_value_and_not_of_a_file() -> None:
    consistent = DynamicsConsistency(0.1, coast)
    assert pickle.loads(pickle.dumps(consistent)) == consistent
    assert hash(consistent) == hash(DynamicsConsistency(0.1, coast))
    with pytest.raises(SpecError, match="no key for DynamicsConsistency"):
        dump_spec(consistent)


def test_a_sketch_is_followed_anywhere_along_it_or_at_its_times() -> None:
    path = through((0, 0), (1, 0), (1, 1), dt=1.0)
    back = through((1, 1), (1, 0), (0, 0), dt=1.0)
    assert NearTo(CORNER, 0.2).margin(back).item() == pytest.approx(0.2, abs=PIECE)
    timed = NearTo(path, 0.2)
    assert timed == NearTo(CORNER, 0.2, times=(0, 1, 2))
    assert timed.margin(path).item() == pytest.approx(0.2, abs=PIECE)
    assert timed.margin(back).item() == pytest.approx(0.2 - math.sqrt(2), abs=PIECE)
    late = replace(path, t_start=0.5)  # half a metre behind, or at the corner 0.7 m
    assert timed.margin(late).item() == pytest.approx(0.2 - 0.5, abs=PIECE)


def test_limits_are_written_as_numbers_or_by_name() -> None:
    text = """
    all:
      - jerk_limit: 50
      - curvature: 2
      - action_limit: [0.5, 0.7]
      - joint_limits: {low: [-1, -1], high: [1, 1], channel: action}
      - near_to: {waypoints: [[0, 0], [1, 0], [1, 1]], within: 0.2, times: [0, 1, 2]}
    """
    assert parse_spec(text).terms == (  # type: ignore[attr-defined]
        JerkLimit(50),
        Curvature(2),
        ActionLimit((0.5, 0.7)),
        JointLimits((-1, -1), (1, 1), channel="action"),
        NearTo(CORNER, 0.2, times=(0, 1, 2)),
    )


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: JerkLimit(-1), "JerkLimit: limit must be > 0"),
        (lambda: ActionLimit((1, 0)), r"ActionLimit: limit\[1\] must be > 0"),
        (lambda: ActionLimit(()), "ActionLimit: limit must have coordinates"),
        (lambda: JointLimits((0, 0), (1,)), "as many low as high"),
        (lambda: JointLimits((0, 1), (1, 1)), "each low < high"),
        (lambda: JointLimits((0,), (1,), channel=3), "JointLimits: channel: name must be"),
        (lambda: DynamicsConsistency(0.1, 3), r"step must be a function \(state, action, dt\)"),
        (lambda: NearTo(CORNER, 0), "NearTo: within must be > 0"),
        (lambda: NearTo(CORNER[:1], 1), "NearTo: Tube: waypoints must be 2 to"),
        (lambda: NearTo(CORNER, 1, times=(0, 1)), "NearTo: Tracked: needs one time for each"),
        (lambda: NearTo(wander(0), 1), r"NearTo: takes one trajectory \(H, D\)"),
        (lambda: parse_spec("joint_limits: {low: [0]}"), "joint_limits: missing key 'high'"),
        (
            lambda: parse_spec("near_to: {waypoint: 1}"),
            "near_to: unknown key 'waypoint'; did you mean 'waypoints'",
        ),
    ],
)
def test_a_limit_out_of_range_says_what_is_wrong(build: Callable[[], object], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        build()


def test_bounds_of_another_size_are_named_with_the_constraint() -> None:
    with pytest.raises(LayoutError, match=r"joint_limits: its bounds are 3 numbers"):
        JointLimits((0, 0, 0), (1, 1, 1)).check(POINT_MASS)
    with pytest.raises(LayoutError, match=r"joint_limits: no channel 'joint' to hold joints"):
        JointLimits((0,), (1,), channel="joint").check(POINT_MASS)
    with pytest.raises(LayoutError, match=r"dynamics_consistency: .*'positon'; did you mean"):
        DynamicsConsistency(1, coast, channels=("positon",)).check(POINT_MASS)


def test_joints_in_another_channel_are_hinted_at() -> None:
    with pytest.raises(LayoutError, match=r"no channel 'position' .* channel='joints'"):
        JointLimits((-1.0,) * 7, (1.0,) * 7).check(PANDA)
