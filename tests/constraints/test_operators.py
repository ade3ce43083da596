from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings

from glass_plan.constraints import (  # noqa: F401 (eval of a repr needs all shapes)
    AccelLimit,
    ActionLimit,
    All,
    Always,
    AnyOf,
    AtEnd,
    Avoid,
    Ball,
    Box,
    Capsule,
    Constraint,
    ConvexPolygon,
    Curvature,
    Drifting,
    Ellipsoid,
    Eventually,
    Grid,
    HalfSpace,
    Inflated,
    Intersection,
    JerkLimit,
    JointLimits,
    Moving,
    NearTo,
    Not,
    Polygon,
    Raster,
    Reach,
    Release,
    SpeedLimit,
    StayIn,
    Tracked,
    Tube,
    Union,
    Until,
)
from glass_plan.errors import LayoutError, SpecError
from glass_plan.layout import POINT_MASS, Channel, Layout, Trajectory
from tests.constraints.strategies import constraints, trajectories, wander

BALL, BOX = Ball((1, 0.5), 0.4), Box((3, 2), (4, 3))
AVOID, REACH, FAST = Avoid(BALL, margin=0.1), Reach(BOX), SpeedLimit(4)


@settings(max_examples=60)
@given(a=constraints, b=constraints)
def test_de_morgan_holds_by_equality(a: Constraint, b: Constraint) -> None:
    assert ~(a & b) == (~a | ~b)
    assert ~(a | b) == (~a & ~b)


@settings(max_examples=60)
@given(c=constraints)
def test_double_negation_changes_nothing(c: Constraint) -> None:
    assert ~~c == c


@settings(max_examples=60)
@given(c=constraints)
def test_constraints_pickle_hash_compare_and_print_as_their_source(c: Constraint) -> None:
    assert pickle.loads(pickle.dumps(c)) == c
    assert hash(pickle.loads(pickle.dumps(c))) == hash(c)
    assert eval(repr(c)) == c


@settings(max_examples=50)
@given(a=constraints, b=constraints, trajectory=trajectories)
def test_and_is_min_and_or_is_max(a: Constraint, b: Constraint, trajectory: Trajectory) -> None:
    margins = a.margin(trajectory), b.margin(trajectory)
    assert torch.equal((a & b).margin(trajectory), torch.minimum(*margins))
    assert torch.equal((a | b).margin(trajectory), torch.maximum(*margins))


@settings(max_examples=50)
@given(a=constraints, b=constraints, trajectory=trajectories)
def test_violation_of_and_is_sum_and_of_or_is_min(
    a: Constraint, b: Constraint, trajectory: Trajectory
) -> None:
    left, right = a.violation(trajectory, buffer=0.1), b.violation(trajectory, buffer=0.1)
    torch.testing.assert_close((a & b).violation(trajectory, buffer=0.1), left + right)
    either = (a | b).violation(trajectory, buffer=0.1)
    torch.testing.assert_close(either, torch.minimum(left, right))


def test_negation_stops_at_the_leaves() -> None:
    assert repr(~(AVOID & (REACH | FAST))) == repr(Not(AVOID) | (Not(REACH) & Not(FAST)))


def test_operators_read_aloud() -> None:
    assert repr(AVOID & ~FAST) == (
        "(Avoid(Ball(center=(1.0, 0.5), radius=0.4), margin=0.1) & ~SpeedLimit(4.0))"
    )
    assert repr((AVOID | FAST).named("x")).endswith("| SpeedLimit(4.0)).named('x')")
    assert repr(All(())) == "All(())"


def test_conjunctions_flatten_unless_named() -> None:
    assert (AVOID & (REACH & FAST)).terms == (AVOID, REACH, FAST)
    group = (REACH & FAST).named("trip")
    assert (AVOID & group).terms == (AVOID, group)


def test_parts_have_unique_names() -> None:
    spec = (
        AVOID & AVOID & FAST.named("avoid_ball_3") & Avoid(BALL) & REACH & ~REACH & (AVOID | FAST)
    )
    assert list(spec.parts()) == [
        "avoid_ball",
        "avoid_ball_2",
        "avoid_ball_3",
        "avoid_ball_4",
        "reach_box",
        "not_reach_box",
        "any",
    ]
    assert list(spec.parts().values()) == list(spec.terms)
    assert REACH.named("goal").parts() == {"goal": REACH.named("goal")}


def test_a_negation_is_named_after_what_it_negates() -> None:
    assert (~AVOID.named("pillar")).name == "not_pillar"
    assert (~(AVOID & FAST).named("not_")).name == "not_not_"
    assert Not(AVOID.named("pillar")) == ~AVOID.named("pillar")


def test_safety_is_what_must_hold_at_every_instant() -> None:
    for safe in (AVOID, StayIn(BOX), FAST, AccelLimit(1), ~REACH, AVOID & FAST, AVOID | FAST):
        assert safe.is_safety
    for other in (REACH, ~AVOID, AVOID & REACH, ~(AVOID & FAST)):
        assert not other.is_safety


def test_nothing_asked_is_always_satisfied() -> None:
    trajectory = wander(0)
    x = trajectory.x.requires_grad_()
    assert All(()).margin(trajectory).tolist() == [torch.inf] * 3
    violation = All(()).violation(trajectory)
    assert violation.tolist() == [0, 0, 0]
    assert not torch.autograd.grad(violation.sum(), x)[0].any()


@settings(max_examples=60)
@given(c=constraints)
def test_every_constraint_fits_the_point_mass(c: Constraint) -> None:
    c.check(POINT_MASS)


def test_a_missing_channel_is_named_with_the_constraint() -> None:
    layout = Layout((Channel("position", 2, "m"), Channel("velocities", 2, "m/s")))
    with pytest.raises(LayoutError, match=r"cap: layout: unknown channel 'velocity'; did you mean"):
        (AVOID & FAST.named("cap")).check(layout)
    with pytest.raises(LayoutError, match=r"not_accel_limit: .*'velocity'"):
        (~AccelLimit(1)).check(layout)
    with pytest.raises(LayoutError, match=r"avoid_moving: layout: unknown channel 'dt'"):
        Avoid(Moving(BALL, ((0, 0), (1, 0)))).check(layout)
    AVOID.check(layout)


def test_a_region_of_another_dimension_is_named_with_the_constraint() -> None:
    with pytest.raises(LayoutError, match="reach_ball: its region has 3 coordinates"):
        Reach(Ball((0, 0, 0), 1)).check(POINT_MASS)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Avoid("ball"), "Avoid: expected a region, got 'ball'"),
        (lambda: Avoid(BALL, margin=-0.1), "Avoid: margin must be >= 0"),
        (lambda: SpeedLimit(0), "SpeedLimit: limit must be > 0"),
        (lambda: AccelLimit("x"), "AccelLimit: limit must be a number"),
        (lambda: AVOID & 3, "All: expected constraints, got 3"),
        (lambda: AnyOf(()), "AnyOf: needs at least one constraint"),
        (lambda: ~All(()), "AnyOf: needs at least one constraint"),
        (lambda: Not(AVOID & REACH), "Not: wraps a leaf, got a All; write ~c instead"),
        (lambda: AVOID.named("a\nb"), "Avoid: name must be up to 64 letters"),
        (lambda: AVOID.named(3), "got 3"),
    ],
)
def test_a_constraint_out_of_range_says_what_is_wrong(
    build: Callable[[], object], text: str
) -> None:
    with pytest.raises(SpecError, match=text):
        build()


@pytest.mark.parametrize(
    "question",
    [lambda: AVOID and REACH, lambda: AVOID or REACH, lambda: not AVOID, lambda: bool(All(()))],
)
def test_no_constraint_is_true_or_false(question: Callable[[], object]) -> None:
    with pytest.raises(SpecError, match=r"neither true nor false; write a & b"):
        question()
