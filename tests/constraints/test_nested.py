"""Temporal operators inside others mean what they mean outside."""

from __future__ import annotations

from glass_plan.constraints import Always, Avoid, Ball, Eventually, Reach, Release, Until
from tests.constraints.strategies import through

A, B, C = Ball((1, 0), 0.3), Ball((2, 0), 0.3), Ball((3, 0), 0.3)
LINE = through(*[(0.25 * k, 0.0) for k in range(17)], dt=0.25)  # 1 m/s from 0 to 4


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
