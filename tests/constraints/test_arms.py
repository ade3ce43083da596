"""Regions and a body of spheres: an arm, what it holds, and the ways between waypoints."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.bodies import spheres_of
from glass_plan.constraints import (
    All,
    Always,
    Avoid,
    Ball,
    Box,
    Capsule,
    Constraint,
    Cylinder,
    Drifting,
    HalfSpace,
    In,
    Moving,
    Reach,
    Region,
    StayIn,
    Union,
    judge,
)
from glass_plan.constraints.leaf import Predicate
from glass_plan.constraints.pieces import PIECE
from glass_plan.errors import LayoutError
from glass_plan.layout import Body, Channel, Layout, Sphere, Trajectory
from glass_plan.robots import panda_body
from tests.arms import ARM, CHANNELS, CUBE, HOLDING, READY, SMALL, at_rest, drive

BALL = Ball((0.45, 0.1, 0.5), 0.1)
REGIONS: list[Region] = [
    BALL,
    Box((0.3, -0.1, 0.4), (0.5, 0.2, 0.6), (0.1, 0.2, 0.3)),
    Capsule((0.2, -0.3, 0.5), (0.4, 0.4, 0.8), 0.05),
    Cylinder((0.4, 0.0, 0.2), (0.4, 0.1, 0.6), 0.1),
    HalfSpace((0, 0, 1), 0.3),
    Union((BALL, HalfSpace((0, 0, 1), 0.2))),
    Moving(BALL, ((0, 0, 0), (0.2, 0, 0.1), (0, 0, 0)), speed=0.8),
    Drifting(BALL, (0.3, -0.5, 0.1)),
]
EXAMPLES: list[Constraint] = [
    Avoid(BALL, margin=0.05),
    Avoid(Moving(BALL, ((0, 0, 0), (0.2, 0, 0)), speed=0.8)),
    ~Avoid(BALL),
    StayIn(Box((-1, -1, 0), (1, 1, 1))),
    ~StayIn(BALL),
    Reach(BALL),
    Avoid(BALL) & Avoid(Box((0.3, -0.1, 0.4), (0.5, 0.2, 0.6))) & Reach(Ball((0, 0.5, 0.5), 0.1)),
    Always(Avoid(BALL) | StayIn(HalfSpace((0, 0, 1), 0.6)), (0.0, 1.0)),
]
by_label = pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
seeds, steps = st.integers(0, 999), st.sampled_from([0.002, 0.02, 0.1, 0.4])


def dense(region: Region, trajectory: Trajectory, *, tool: bool = False) -> torch.Tensor:
    """Signed distances less the radii, (..., n, S), at 200 instants of every segment."""
    x, t = trajectory.x, trajectory.times
    spheres = spheres_of(trajectory.layout, tool=tool, dtype=x.dtype, device=x.device)
    x = spheres.transitions(trajectory)
    part = torch.linspace(0, 1, 200, dtype=x.dtype)
    every = x[..., :-1, None, :] + part[:, None] * x.diff(dim=-2)[..., None, :]
    times = t[..., :-1, None] + part * t.diff(dim=-1)[..., None]
    at = spheres.centers(every.flatten(-3, -2))
    when = times.flatten(-2)[..., None].expand(at.shape[:-1])
    return region.signed_distance(at, when) - spheres.radii


@settings(max_examples=40)
@given(region=st.sampled_from(REGIONS), seed=seeds, step=steps)
def test_margins_of_an_arm_are_below_dense_samples_by_at_most_a_piece(
    region: Region, seed: int, step: float
) -> None:
    trajectory = drive(seed, HOLDING, step=step)
    sampled = dense(region, trajectory).flatten(-2).amin(-1)
    exact = Avoid(region, margin=0.02).margin(trajectory) + 0.02
    assert (exact <= sampled + 1e-9).all()
    assert (exact >= sampled - PIECE).all()


@settings(max_examples=40)
@given(region=st.sampled_from(REGIONS), seed=seeds, step=steps)
def test_an_arm_stays_in_with_its_worst_sphere(region: Region, seed: int, step: float) -> None:
    trajectory = drive(seed, SMALL, step=step)
    spheres = spheres_of(SMALL, tool=False, dtype=torch.float64, device=torch.device("cpu"))
    sampled = -(dense(region, trajectory) + 2 * spheres.radii).flatten(-2).amax(-1)
    exact = StayIn(region).margin(trajectory)
    assert (exact <= sampled + 1e-9).all()
    assert (exact >= sampled - PIECE).all()


@settings(max_examples=40)
@given(region=st.sampled_from(REGIONS), seed=seeds, step=steps)
def test_reach_is_what_the_tool_attains(region: Region, seed: int, step: float) -> None:
    trajectory = drive(seed, ARM, step=step)
    sampled = -dense(region, trajectory, tool=True).flatten(-2).amin(-1)
    exact = Reach(region).margin(trajectory)
    assert (exact <= sampled + PIECE / 2).all()  # 200 samples are not all points
    assert (exact >= sampled - PIECE).all()


@settings(max_examples=20)
@given(region=st.sampled_from(REGIONS), seed=seeds)
def test_reach_of_a_channel_is_what_its_place_attains(region: Region, seed: int) -> None:
    posed = drive(seed, HOLDING)
    places = Layout((Channel("position", 3, "m"), Channel("dt", 1, "s")))
    place = torch.cat([posed.channel("cube")[..., :3], posed.dt[..., None]], dim=-1)
    alone = Reach(region).margin(Trajectory(place, places, posed.t_start))
    torch.testing.assert_close(Reach(region, of="cube").margin(posed), alone)


@pytest.mark.parametrize(
    ("of", "message"),
    [("gripper", r"region has 3 coordinates, channel 'gripper' has 1"), ("cub", r"'cub'.*'cube'")],
)
def test_reach_of_a_channel_that_has_no_place_is_refused(of: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        Reach(BALL, of=of).check(HOLDING)


insides = st.builds(
    In,
    st.sampled_from(REGIONS),
    grow=st.sampled_from([0.0, 0.2]),
    body=st.sampled_from([-1, 0, 1]),
    sign=st.sampled_from([-1, 1]),
)


@settings(max_examples=40)
@given(inside=insides, seed=seeds, step=steps, temperature=st.sampled_from([0.0, 0.01, 0.3]))
def test_extremes_are_those_of_all_segments(
    inside: In, seed: int, step: float, temperature: float
) -> None:
    trajectory = drive(seed, HOLDING, length=9, step=step)
    for own, plain in ((In.least, Predicate.least), (In.most, Predicate.most)):
        found, expected = (f(inside, trajectory, temperature) for f in (own, plain))
        torch.testing.assert_close(found, expected, atol=1e-6 if temperature else 1e-12, rtol=0)


@settings(max_examples=20)
@given(inside=insides, seed=seeds, step=steps)
def test_both_bounds_at_once_are_those_of_each(inside: In, seed: int, step: float) -> None:
    trajectory = drive(seed, HOLDING, step=step)
    low, high = inside.bounds(trajectory)
    torch.testing.assert_close(low, inside.lowest(trajectory), atol=1e-12, rtol=0)
    torch.testing.assert_close(high, inside.highest(trajectory), atol=1e-12, rtol=0)


@settings(max_examples=40)
@given(inside=insides, seed=seeds, buffer=st.sampled_from([0.0, 0.1]))
def test_a_penalty_and_its_gradient_are_those_of_all_samples(
    inside: In, seed: int, buffer: float
) -> None:
    trajectory = drive(seed, HOLDING)
    x = trajectory.x.requires_grad_()
    found, expected = (
        penalty(inside, trajectory, buffer=buffer) for penalty in (In.penalty, Predicate.penalty)
    )
    torch.testing.assert_close(found, expected)
    slope, expected_slope = (
        torch.autograd.grad(cost.sum(), x, materialize_grads=True) for cost in (found, expected)
    )
    torch.testing.assert_close(slope, expected_slope)


@by_label
@pytest.mark.parametrize("seed", range(5))
def test_smooth_margins_never_exceed_exact_ones(c: Constraint, seed: int) -> None:
    trajectory = drive(seed, HOLDING)
    exact = c.margin(trajectory)
    for temperature in (1e-3, 0.1, 2.0):
        assert (c.margin(trajectory, temperature=temperature) <= exact + 1e-9).all()


@by_label
def test_a_positive_margin_means_no_violation(c: Constraint) -> None:
    trajectory = drive(0, HOLDING, batch=40, step=0.03)
    if c.is_safety:
        assert (c.violation(trajectory)[c.margin(trajectory) > 0] == 0).all()


@by_label
def test_measures_have_the_gradient_of_finite_differences(c: Constraint) -> None:
    x = drive(7, SMALL, batch=1, length=3).x.requires_grad_()
    for measure in (
        lambda x: c.violation(Trajectory(x, SMALL, 0.3), buffer=0.3),
        lambda x: c.margin(Trajectory(x, SMALL, 0.3)),
        lambda x: c.margin(Trajectory(x, SMALL, 0.3), temperature=0.1),
    ):
        assert torch.autograd.gradcheck(measure, (x,))


@by_label
def test_batch_of_one_equals_batch_of_many(c: Constraint) -> None:
    trajectory = drive(1, HOLDING, batch=3)
    for measure in (c.margin, c.violation):
        whole = measure(trajectory)
        for k in range(3):
            alone = measure(replace(trajectory, x=trajectory.x[k]))
            torch.testing.assert_close(alone, whole[k], atol=1e-10, rtol=1e-9)


@by_label
def test_measures_keep_shape_type_and_arguments(c: Constraint) -> None:
    x = drive(1, HOLDING, batch=4).x.float().reshape(2, 2, 4, 16)
    before = x.clone()
    for value in (c.margin(Trajectory(x, HOLDING)), c.violation(Trajectory(x, HOLDING))):
        assert value.shape == (2, 2)
        assert value.dtype == torch.float32
    assert torch.equal(x, before)


@by_label
def test_no_trajectories_have_no_margins(c: Constraint) -> None:
    none = replace(drive(0, HOLDING), x=torch.zeros(0, 5, 16))
    for value in (c.margin(none), c.margin(none, temperature=0.1), c.violation(none)):
        assert value.shape == (0,)


@by_label
def test_a_lone_waypoint_has_a_margin(c: Constraint) -> None:
    alone = drive(2, HOLDING, length=1)
    assert torch.isfinite(c.margin(alone)).all()
    assert torch.isfinite(c.violation(alone)).all()


def test_an_elbow_counts_where_a_hand_would_pass() -> None:
    elbow = Ball((-0.05, 0.0, 0.65), 0.05)  # beside link 3 in the ready pose
    trajectory = at_rest(READY, ARM)
    assert Avoid(elbow).margin(trajectory).item() < 0
    hand = replace(ARM, body=panda_body(links=("panda_hand",)))
    assert Avoid(elbow).margin(at_rest(READY, hand)).item() > 0.2


def test_what_is_held_counts() -> None:
    below = Ball((0.31, 0.0, 0.38), 0.02)
    free, holding = at_rest(READY, ARM), at_rest(READY, HOLDING)
    holding.x[:, 8:11] = torch.tensor([0.307, 0.0, 0.45])
    assert Avoid(below).margin(free).item() > 0.05
    assert Avoid(below).margin(holding).item() < 0
    on_hand = replace(ARM, body=panda_body(held=(Sphere("panda_hand_tcp", (0, 0, 0.05), 0.05),)))
    assert Avoid(below).margin(at_rest(READY, on_hand)).item() < 0


def test_a_swing_through_a_ball_is_seen_between_waypoints() -> None:
    x = at_rest(READY, ARM).x
    x[0, 0], x[1, 0] = -0.6, 0.6
    swing = Trajectory(x, ARM)
    post = Capsule((0.3, 0.0, 0.0), (0.3, 0.0, 0.5), 0.02)
    at_ends = dense(post, swing)[[0, -1]].amin()
    assert at_ends > 0.05
    assert Avoid(post).margin(swing).item() < 0


def test_spheres_on_a_position_count_like_a_ball_around_it() -> None:
    channels = (Channel("position", 3, "m"), Channel("dt", 1, "s"))
    ball = Layout(channels, (), (), radius=0.1)
    sphere = Layout(channels, (), (), body=Body((Sphere("position", radius=0.1),)))
    x = torch.rand(5, 6, 4, dtype=torch.float64)
    for region in (Box((0.2, 0.2, 0.3), (0.7, 0.8, 0.6)), REGIONS[-1], HalfSpace((0, 0, 1), 0.3)):
        for c in (Avoid(region, 0.1), StayIn(region), ~Avoid(region), Reach(region)):
            for name in ("margin", "violation"):
                expected = getattr(c, name)(Trajectory(x, ball))
                torch.testing.assert_close(getattr(c, name)(Trajectory(x, sphere)), expected)


def test_reach_means_the_position_where_there_is_one() -> None:
    channels = (*CHANNELS, Channel("position", 3, "m"))
    layout = Layout(channels, (), (), body=panda_body())
    place = torch.tensor([[0.0, 0.0, 2.0]], dtype=torch.float64).expand(2, -1)
    x = torch.cat([at_rest(READY, ARM).x, place], dim=-1)
    above = Ball((0, 0, 2), 0.1)
    assert Reach(above).margin(Trajectory(x, layout)).item() == pytest.approx(0.1)
    assert Reach(above).margin(at_rest(READY, ARM)).item() < -1


@pytest.mark.parametrize("layout", [ARM, HOLDING], ids=["arm", "holding"])
def test_a_conjunction_costs_what_its_terms_cost(layout: Layout) -> None:
    terms = tuple(Avoid(region, 0.02) for region in REGIONS)
    trajectory = drive(4, layout, batch=6)
    together = All((*terms, Reach(BALL))).violation(trajectory, buffer=0.1)
    alone = sum(term.violation(trajectory, buffer=0.1) for term in (*terms, Reach(BALL)))
    torch.testing.assert_close(together, alone)


def test_a_few_gradient_steps_take_an_arm_past_a_ball() -> None:
    spec = Avoid(Ball((0.45, 0.0, 0.4), 0.08), margin=0.01)
    x = at_rest(READY, ARM, length=5).x
    x[:, 0] = torch.linspace(-0.5, 0.5, 5)
    x[:, 1] += 0.3
    assert spec.margin(Trajectory(x, ARM)).item() < 0
    for _ in range(200):
        x = x.detach().requires_grad_()
        violation = spec.violation(Trajectory(x, ARM), buffer=0.05)
        step = torch.autograd.grad(violation, x)[0]
        step[..., 7:] = 0
        x = x - 0.5 * step
    assert spec.margin(Trajectory(x, ARM)).item() > 0


def test_a_verdict_on_an_arm_is_in_metres() -> None:
    verdict = judge(Avoid(BALL) & Reach(BALL), at_rest(READY, ARM))
    assert {v.unit for v in verdict} == {"m"}


@pytest.mark.parametrize(
    ("c", "layout", "text"),
    [
        (Avoid(Ball((0, 0), 1)), ARM, "avoid_ball: its region has 2 coordinates, a body of sph"),
        (Reach(BALL), replace(ARM, body=Body((CUBE,))), "reach_ball: the body has no centre"),
        (Avoid(BALL), Layout(CHANNELS, body=panda_body(("joint",))), "avoid_ball: .*'joint'"),
        (
            Avoid(Drifting(BALL, (0, 0, 1))),
            Layout(CHANNELS[:3], body=panda_body()),
            "avoid_drifting: .*unknown channel 'dt'",
        ),
    ],
)
def test_a_layout_that_lacks_what_a_body_needs_is_refused(
    c: Constraint, layout: Layout, text: str
) -> None:
    with pytest.raises(LayoutError, match=text):
        c.check(layout)
