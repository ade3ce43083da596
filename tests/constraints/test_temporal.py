"""Temporal operators against their definition on dense times, and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import (
    All,
    Always,
    AnyOf,
    AtEnd,
    Avoid,
    Ball,
    Box,
    Constraint,
    Drifting,
    Eventually,
    Leaf,
    Reach,
    Release,
    SpeedLimit,
    StayIn,
    Until,
    Visit,
    dump_spec,
    parse_spec,
)
from glass_plan.constraints.checks import LARGEST
from glass_plan.errors import LayoutError, SpecError
from glass_plan.layout import POINT_MASS, Channel, Layout, Trajectory
from tests.constraints.strategies import constraints, spans, through, trajectories, wander

DENSE = 12
"""Instants a segment at which the definition is evaluated."""

A, B, C = Ball((1, 0), 0.3), Ball((2, 0), 0.3), Ball((3, 0), 0.3)
LINE = through(*[(0.25 * k, 0.0) for k in range(17)], dt=0.25)  # 1 m/s from 0 to 4


def refined(trajectory: Trajectory) -> Trajectory:
    """One trajectory (H, 7) with DENSE waypoints in the place of each."""
    part = torch.arange(DENSE, dtype=torch.float64)[:, None] / DENSE
    x, ends = trajectory.x[:-1, None], trajectory.x[1:, None]
    inner = (x + part * (ends - x)).flatten(0, 1)
    inner[:, 6] = trajectory.dt[:-1].repeat_interleave(DENSE) / DENSE
    return replace(trajectory, x=torch.cat([inner, trajectory.x[-1:]]))


def at_instants(c: Constraint, dense: Trajectory) -> torch.Tensor:
    """Robustness (T,) at every instant, by the definition in O(T^2) or worse."""
    times = dense.times
    inside = [at_instants(term, dense) for term in getattr(c, "spoken_of", getattr(c, "terms", ()))]
    match c:
        case Leaf():
            values = c.predicate.values(dense)[: len(times)]
            return values if len(values) == len(times) else torch.cat([values, values[-1:]])
        case All():
            return torch.stack(inside).amin(0)
        case AnyOf():
            return torch.stack(inside).amax(0)
        case AtEnd():
            return inside[0][-1].expand(len(times))
    return torch.stack([by_definition(c, inside, times, t, t) for t in times])


def by_definition(
    c: Constraint, inside: list[torch.Tensor], times: torch.Tensor, zero: float, now: float
) -> torch.Tensor:
    """Robustness of a temporal operator, its window counted from ``zero``, at ``now``."""
    start, end = c.window or (-math.inf, math.inf)
    window = (times >= max(zero + start, now)) & (times <= zero + end)
    match c:
        case Always() | Eventually():
            worth = inside[0][window]
        case Until():
            worth = torch.stack(
                [
                    torch.cat([inside[0][before(times, now, s)], inside[1][s : s + 1]]).amin()
                    for s in window.nonzero()[:, 0]
                ]
                or [torch.tensor(-LARGEST)]
            )
        case Release():
            worth = torch.stack(
                [
                    torch.cat([inside[1][before(times, now, s)], inside[0][s : s + 1]]).amax()
                    for s in window.nonzero()[:, 0]
                ]
                or [torch.tensor(LARGEST)]
            )
    if isinstance(c, Always | Release):
        return worth.amin() if len(worth) else torch.tensor(LARGEST)
    return worth.amax() if len(worth) else torch.tensor(-LARGEST)


def before(times: torch.Tensor, now: float, s: torch.Tensor) -> torch.Tensor:
    return (times >= now) & (torch.arange(len(times)) < s)


def whole(c: Constraint, dense: Trajectory) -> torch.Tensor:
    """Robustness from plan time 0."""
    match c:
        case Leaf():
            values = at_instants(c, dense)
            return values.amin() if c.is_safety else values.amax()
        case All():
            return torch.stack([whole(term, dense) for term in c.terms]).amin()
        case AnyOf():
            return torch.stack([whole(term, dense) for term in c.terms]).amax()
        case AtEnd():
            return at_instants(c, dense)[0]
    inside = [at_instants(term, dense) for term in c.spoken_of]
    return by_definition(c, inside, dense.times, 0.0, float(dense.times[0]))


def roughness(c: Constraint, dense: Trajectory, *, over: int) -> float:
    """Largest change of a leaf's value over so many instants."""
    if isinstance(c, Leaf):
        values = at_instants(c, dense)
        return float((values[over:] - values[:-over]).abs().max())
    return max(
        roughness(t, dense, over=over) for t in getattr(c, "spoken_of", getattr(c, "terms", ()))
    )


@settings(max_examples=60)
@given(c=constraints, seed=st.integers(0, 999))
def test_margins_are_below_the_definition_on_dense_instants(c: Constraint, seed: int) -> None:
    trajectory = wander(seed, batch=1, length=6)
    alone = replace(trajectory, x=trajectory.x[0])
    dense = refined(alone)
    slack = 2 * roughness(c, dense, over=1)
    assert c.margin(alone) <= whole(c, dense) + slack + 1e-9


EXAMPLES: list[Constraint] = [
    Always(Avoid(B), window=(0.0, 1.2)),
    Eventually(Reach(A), window=(0.5, 2.0)),
    Eventually(Always(StayIn(Box((0.5, -1), (3, 1))), window=(0.0, 0.8))),
    Always(Eventually(Reach(A) | Reach(C), window=(0.0, 2.5)), window=(0.0, 1.0)),
    Until(Avoid(C), Reach(B)),
    Until(Avoid(C), Reach(B), window=(1.0, 3.0)),
    Release(Avoid(C), Reach(B)),
    Release(Avoid(C), Reach(A), window=(0.0, 2.0)),
    Visit(A).then(B).then(C),
    Visit(A, within=2.0).then(B, within=1.5),
    Always(Until(Avoid(B), Reach(A), window=(0.2, 0.9)), window=(0.0, 0.2)),
    Eventually(Release(Avoid(B), Reach(C))),
    AtEnd(Reach(Ball((4, 0.1), 0.3)) & SpeedLimit(1.5)),
    Always(Avoid(B) | AtEnd(Reach(C)), window=(0.0, 1.2)),
]


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
def test_margins_are_near_the_definition_where_segments_are_short(c: Constraint) -> None:
    fine = refined(LINE)
    exact = float(whole(c, fine))
    assert exact - 0.1 <= c.margin(fine).item() <= exact + 0.02  # a segment is 2 cm, or 0.02 s


def test_a_sequence_is_worth_its_order() -> None:
    assert Visit(A).then(B).then(C).margin(LINE).item() == pytest.approx(0.3)
    assert Visit(C).then(A).margin(LINE).item() < -0.2
    assert Visit(A).then(B) == Eventually(Reach(A) & Eventually(Reach(B)))
    assert Visit(A, within=9).then(B, within=2) == Eventually(
        Reach(A) & Eventually(Reach(B), (0, 2)), (0, 9)
    )
    assert Visit(A).then(B, within=0.3).margin(LINE).item() < 0  # 0.4 m apart at 1 m/s
    assert Visit(A).then(B, within=0.5).margin(LINE).item() > 0


def test_a_window_counts_in_plan_time() -> None:
    reach = Eventually(Reach(B), window=(1.5, 2.5))
    assert reach.margin(LINE).item() == pytest.approx(0.3)
    assert reach.margin(replace(LINE, t_start=2.0)).item() < 0  # there at 4 s
    assert Always(Avoid(B), window=(3.0, 9.0)).margin(LINE).item() > 0
    assert Always(Avoid(B), window=(1.0, 9.0)).margin(LINE).item() < 0


def test_a_window_without_a_segment_asks_for_nothing_and_gives_nothing() -> None:
    x = LINE.x.clone().requires_grad_()
    trajectory = Trajectory(x, POINT_MASS)
    for c, expected in (
        (Always(Avoid(B), window=(50, 60)), LARGEST),
        (Eventually(Reach(B), window=(50, 60)), -LARGEST),
        (Until(Avoid(C), Reach(B), window=(50, 60)), -LARGEST),
        (Release(Avoid(C), Reach(B), window=(50, 60)), LARGEST),
    ):
        for temperature in (0.0, 0.1):
            margin = c.margin(trajectory, temperature=temperature)
            assert margin.item() == pytest.approx(expected)
            (gradient,) = torch.autograd.grad(margin + c.violation(trajectory), x)
            assert torch.isfinite(gradient).all()


def test_a_leaf_inside_an_operator_speaks_of_an_instant() -> None:
    dwell = Eventually(Always(Reach(Ball((1, 0), 0.55)), window=(0.0, 0.5)))
    assert dwell.margin(LINE).item() > 0
    assert Eventually(Avoid(B)).margin(LINE).item() > 0 > Avoid(B).margin(LINE).item()
    assert Always(Reach(B)).margin(LINE).item() < 0 < Reach(B).margin(LINE).item()


def test_until_asks_for_its_goal_and_release_does_not() -> None:
    far = Reach(Ball((9, 0), 0.3))
    assert Until(Avoid(Ball((5, 5), 1)), far).margin(LINE).item() < 0
    assert Release(Avoid(Ball((5, 5), 1)), far).margin(LINE).item() > 0
    door, key = Ball((3, 0), 0.3), Ball((1, 0), 0.3)
    assert Until(Avoid(door), Reach(key)).margin(LINE).item() > 0
    assert Until(Avoid(key), Reach(door)).margin(LINE).item() < 0


def test_what_moves_is_met_within_the_window_only() -> None:
    crossing = Avoid(Drifting(Ball((2, -2), 0.3), (0, 1)))  # on the line after 2 s, as we are
    assert crossing.margin(LINE).item() < 0
    assert Always(crossing, window=(0, 1.2)).margin(LINE).item() > 0
    assert Always(crossing, window=(1.5, 2.5)).margin(LINE).item() < 0


@pytest.mark.parametrize("c", EXAMPLES, ids=lambda c: c.label)
def test_temporal_margins_and_violations_have_the_gradient_of_finite_differences(
    c: Constraint,
) -> None:
    noise = 0.05 * torch.randn(17, 7, generator=torch.Generator().manual_seed(1)).double()
    noise[:, 6] = 0.003  # no waypoint or middle at the border of a window, where margins jump
    x = (LINE.x + noise).requires_grad_()
    for measure in (
        lambda x: c.margin(Trajectory(x, POINT_MASS), temperature=0.05),
        lambda x: c.violation(Trajectory(x, POINT_MASS), buffer=0.6),
    ):
        assert torch.autograd.gradcheck(measure, (x,))


@settings(max_examples=60)
@given(c=constraints, trajectory=trajectories, span=spans)
def test_a_window_of_penalties_is_zero_iff_its_samples_hold(
    c: Constraint, trajectory: Trajectory, span: tuple[float, ...]
) -> None:
    start, end = span or (0, LARGEST)
    times = trajectory.sample_times
    inside = (start <= times) & (times <= end)
    holds = c.shortfalls(trajectory, buffer=0.1) == 0
    assert torch.equal(
        Always(c, span).violation(trajectory, buffer=0.1) == 0, (holds | ~inside).all(-1)
    )
    once = torch.where(inside.any(-1), (holds & inside).any(-1), holds.any(-1))
    assert torch.equal(Eventually(c, span).violation(trajectory, buffer=0.1) == 0, once)


def test_temporal_operators_are_written_with_their_window() -> None:
    text = """
    all:
      - always: {avoid: {ball: {center: [2, 0], radius: 0.3}}}
        window: [0, 1.2]
        name: early
      - until: [{avoid: {ball: {center: [3, 0], radius: 0.3}}},
                {reach: {ball: {center: [2, 0], radius: 0.3}}}]
    """
    spec = parse_spec(text)
    assert spec == EXAMPLES[0].named("early") & EXAMPLES[4]
    for c in EXAMPLES:
        assert parse_spec(dump_spec(c)) == c


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Always(B), "Always: term must be a constraint, got Ball"),
        (lambda: Until(Avoid(A), 3), "Until: goal must be a constraint, got 3"),
        (lambda: Always(Avoid(A), (1,)), r"window must be \[start, end\]"),
        (lambda: Always(Avoid(A), (2, 1)), "0 <= start <= end"),
        (lambda: Always(Avoid(A), (-1, 1)), "0 <= start <= end"),
        (lambda: Visit(A, within=-1), "Visit: within must be >= 0"),
        (lambda: parse_spec("until: [{speed_limit: 1}]"), "until: needs two constraints"),
        (
            lambda: parse_spec("{speed_limit: 1, window: [0, 1]}"),
            "spec: 'speed_limit' takes no key 'window' beside it",
        ),
    ],
)
def test_a_temporal_operator_out_of_range_says_what_is_wrong(build, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        build()


def test_without_time_there_are_no_windows() -> None:
    layout = Layout((Channel("position", 2, "m"), Channel("velocity", 2, "m/s")))
    with pytest.raises(LayoutError, match=r"always_speed_limit: layout: unknown channel 'dt'"):
        Always(SpeedLimit(1)).check(layout)


def test_only_what_each_instant_decides_is_a_safety_constraint() -> None:
    assert Always(Avoid(A) | Reach(B)).is_safety
    for c in (Always(Eventually(Avoid(A))), Until(Avoid(A), Reach(B)), Eventually(Avoid(A))):
        assert not c.is_safety
