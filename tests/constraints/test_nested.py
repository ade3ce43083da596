"""Temporal operators inside others mean what they mean outside."""

from __future__ import annotations

import pytest

from glass_plan.constraints import Always, Avoid, Ball, Eventually, Reach, Release, Until
from glass_plan.constraints.checks import LARGEST
from tests.constraints.strategies import through

A, B, C = Ball((1, 0), 0.3), Ball((2, 0), 0.3), Ball((3, 0), 0.3)
LINE = through(*[(0.25 * k, 0.0) for k in range(17)], dt=0.25)  # 1 m/s from 0 to 4


def test_what_asks_for_nothing_holds_once_at_an_instant() -> None:
    nothing = Always(Avoid(B), window=(50, 60))
    for window in ((1.0, 1.0), (0.9, 1.0), (0.5, 2.0)):
        once = Always(Eventually(nothing, window), window=(0.0, 0.1))
        for temperature in (0.0, 0.1):
            assert once.margin(LINE, temperature=temperature).item() == pytest.approx(LARGEST)
        never = Always(Eventually(nothing, (50, 60)), window=(0.0, 0.1))
        assert never.margin(LINE).item() == -LARGEST


@pytest.mark.parametrize("window", [(1.0, 1.0), (1.0, 1.2), (1.0, 2.0)])
def test_a_segment_from_which_the_window_leaves_the_plan_attains_nothing(
    window: tuple[float, float],
) -> None:
    # At 3 s the last waypoint is a second away, and right after it there is none: then the first
    # is false. Up to then the second is.
    both = Eventually(Avoid(A), window) & Always(Reach(A), window)
    assert Eventually(both).margin(LINE).item() < 0


def test_a_goal_before_the_window_releases_inside_an_operator_as_outside() -> None:
    release = Release(Reach(C), Reach(A), window=(2.0, 2.4))  # at 1 m after 1 s, at 2 m after 2
    for c in (release, Always(release, (0.0, 0.1)), Eventually(release, (0.0, 0.1))):
        assert c.margin(LINE).item() > 0.1
        assert c.violation(LINE).item() == 0
        assert (~c).margin(LINE).item() < 0
    late = Always(Release(Reach(C), Reach(A), window=(0.2, 2.4)), (0.0, 0.1))
    assert late.margin(LINE).item() < 0 < late.violation(LINE).item()


def test_until_holds_before_the_window_inside_an_operator_as_outside() -> None:
    until = Until(Avoid(A), Avoid(C), window=(2.0, 2.4))  # C is far all the time, A is not
    for c in (until, Always(until, (0.0, 0.1)), Eventually(until, (0.0, 0.1))):
        assert c.margin(LINE).item() < -0.1
        assert c.violation(LINE).item() > 0
