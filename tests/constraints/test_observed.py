"""What is known by watching: place and velocity now, not where it will turn."""

from __future__ import annotations

import pytest
import torch

from glass_plan.constraints import (
    Avoid,
    Ball,
    Inflated,
    Moving,
    Reach,
    SpeedLimit,
    Union,
    as_observed,
)
from glass_plan.constraints.observed import STRAIGHT
from glass_plan.errors import SpecError

PATROL = Moving(Ball((0.0, 0.0), 0.2), ((0.0, 0.0), (1.0, 0.0)), speed=0.5, loop=True)
STAYS = Avoid(Ball((3.0, 0.0), 0.2)).named("stays")
MOVES = Avoid(PATROL, margin=0.05).named("moves")


def away(constraint, place, time):
    point = torch.tensor([place], dtype=torch.float64)
    times = torch.tensor([time], dtype=torch.float64)
    return float(constraint.region.signed_distance(point, times)[0])


def test_now_it_is_where_it_is():
    seen = as_observed(MOVES, 1.0)
    assert away(seen, (0.9, 0.0), 1.0) == pytest.approx(away(MOVES, (0.9, 0.0), 1.0))


def test_it_is_taken_to_go_on_where_it_will_turn():
    """At 1.5 s it is at 0.75 and goes right; it will turn at 2 s, which cannot be seen."""
    seen = as_observed(MOVES, 1.5)
    assert away(seen, (2.0, 0.0), 2.5) == pytest.approx(2.0 - 1.25 - 0.2)
    assert away(MOVES, (2.0, 0.0), 2.5) == pytest.approx(2.0 - 0.75 - 0.2)


def test_after_a_while_it_is_taken_to_stay():
    seen = as_observed(MOVES, 0.0)
    for later in (STRAIGHT, STRAIGHT + 1.0):
        assert away(seen, (3.0, 0.0), later) == pytest.approx(3.0 - 0.5 * STRAIGHT - 0.2)


def test_names_margins_and_what_does_not_move_are_kept():
    spec = STAYS & MOVES & Reach(Ball((1.0, 1.0), 0.3)) & SpeedLimit(2.0)
    seen = as_observed(spec, 0.3)
    assert seen.parts().keys() == spec.parts().keys()
    assert seen.parts()["moves"].clearance == 0.05
    assert seen.parts()["stays"] == STAYS
    assert as_observed(STAYS & SpeedLimit(2.0), 0.3) == STAYS & SpeedLimit(2.0)


def test_parts_of_a_choice_are_observed_too():
    seen = as_observed(MOVES | STAYS, 0.3)
    assert seen != MOVES | STAYS


def test_what_grows_about_a_moving_region_is_observed_too():
    grown = Avoid(Inflated(PATROL, 0.1)).named("grown")
    seen = as_observed(grown, 1.5)
    assert away(seen, (2.0, 0.0), 2.5) == pytest.approx(2.0 - 1.25 - 0.3)


def test_moving_regions_that_are_made_of_others_are_refused():
    with pytest.raises(SpecError, match="cannot watch a Union"):
        as_observed(Avoid(Union((PATROL, Ball((3.0, 0.0), 0.2)))), 0.0)
