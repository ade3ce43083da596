"""Progression: what is still asked for once a part of the way was driven."""

from __future__ import annotations

import pytest
from hypothesis import given

from glass_plan.constraints import (
    All,
    Always,
    Avoid,
    Ball,
    Constraint,
    Eventually,
    Prefer,
    Reach,
    Until,
    Visit,
)
from glass_plan.layout import Trajectory
from tests.constraints.strategies import constraints, through, trajectories

HERE, THERE = Ball((0, 0), 0.2), Ball((2, 0), 0.2)
NOTHING = All(())


@pytest.mark.parametrize("always", [Avoid(HERE), Always(Reach(HERE), window=(0, 9)), ~Reach(HERE)])
def test_what_holds_always_goes_on(always: Constraint) -> None:
    assert always.remaining(through((0, 0), (1, 0))) == always


@pytest.mark.parametrize("once", [Reach(HERE), Eventually(Reach(HERE)), ~Avoid(HERE)])
def test_what_has_held_once_is_done(once: Constraint) -> None:
    assert once.remaining(through((0, 0), (1, 0))) == NOTHING
    assert once.remaining(through((1, 0), (2, 0))) == once


def test_a_window_is_in_plan_time() -> None:
    late = Eventually(Reach(HERE), window=(1.0, 2.0))
    assert late.remaining(through((0, 0), (0.1, 0))) == late
    assert late.remaining(through((0, 0), (0.1, 0), t_start=1.5)) == NOTHING


def test_a_conjunction_loses_the_terms_that_are_done() -> None:
    spec = (Reach(HERE) & Avoid(THERE) & Reach(THERE)).named("tour")
    left = spec.remaining(through((0, 0), (1, 0)))
    assert left == (Avoid(THERE) & Reach(THERE)).named("tour")


def test_a_disjunction_is_done_with_one_of_its_terms() -> None:
    spec = Reach(HERE) | Reach(THERE)
    assert spec.remaining(through((1, 0), (2, 0))) == NOTHING
    assert spec.remaining(through((1, 0), (1.1, 0))) == spec


def test_a_sequence_goes_on_with_its_later_visits() -> None:
    tour = Visit(HERE).then(THERE).then(HERE)
    left = tour.remaining(through((0, 0), (1, 0)))
    assert left == Visit(THERE).then(HERE).named(tour.label)
    assert left.remaining(through((1, 0), (2, 0))).remaining(through((1, 0), (0, 0))) == NOTHING


def test_a_later_visit_without_the_first_does_not_count() -> None:
    tour = Visit(HERE).then(THERE)
    assert tour.remaining(through((1, 0), (2, 0))) == tour


def test_a_later_visit_before_the_first_does_not_count() -> None:
    """The drive comes by there, and only then here."""
    tour = Visit(HERE).then(THERE)
    driven = through((2, 0), (1.5, 0.5), (0.5, 0.5), (0, 0), (0, 1))
    left = tour.remaining(driven)
    assert tour.margin(driven) < 0
    assert left == Visit(THERE).named(tour.label)
    there_again = through((2, 0), (1.5, 0.5), (0.5, 0.5), (0, 0), (1, 1), (2, 0))
    assert tour.remaining(there_again) == NOTHING


def test_a_visit_soon_after_keeps_its_deadline() -> None:
    left = Visit(HERE).then(THERE, within=3.0).remaining(through((0, 0), (1, 0), t_start=5.0))
    assert isinstance(left, Eventually)
    assert left.window == (5.0, 8.0)


def test_until_is_done_with_its_goal() -> None:
    until = Until(Avoid(THERE), Reach(HERE))
    assert until.remaining(through((0, 0), (1, 0))) == NOTHING
    assert until.remaining(through((0.5, 0), (1, 0))) == until


def test_a_preference_is_done_with_its_term() -> None:
    assert Prefer(Reach(HERE)).remaining(through((0, 0), (1, 0))) == NOTHING
    assert Prefer(Reach(HERE), 2.0).remaining(through((1, 0), (1, 1))) == Prefer(Reach(HERE), 2.0)


@given(c=constraints, trajectory=trajectories)
def test_nothing_is_left_of_what_is_no_safety_and_has_held(
    c: Constraint, trajectory: Trajectory
) -> None:
    one = Trajectory(trajectory.x[0], trajectory.layout, t_start=trajectory.t_start)
    left = c.remaining(one)
    if left == NOTHING and c != NOTHING:
        assert c.margin(one) > 0
    assert left.remaining(one).is_safety or not c.is_safety
