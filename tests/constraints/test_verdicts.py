"""Verdicts: what was asked, whether it holds, since when not, and which leaf decided."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings

from glass_plan.constraints import (
    AccelLimit,
    ActionLimit,
    All,
    Always,
    AtEnd,
    Avoid,
    Ball,
    Box,
    Constraint,
    Curvature,
    Drifting,
    Eventually,
    JerkLimit,
    Prefer,
    Reach,
    SpeedLimit,
    StayIn,
    Until,
    Visit,
    judge,
)
from glass_plan.constraints.plans import parse_plan
from glass_plan.constraints.verdicts import deciding
from glass_plan.errors import LayoutError, RequestError
from glass_plan.layout import POINT_MASS, Channel, Layout, Trajectory
from tests.constraints.strategies import constraints, through, trajectories

LINE = through(*[(0.5 * k, 0.0) for k in range(9)], dt=0.5)  # 1 m/s from 0 to 4
FIRST, LAST = Ball((1, 0), 0.3), Ball((3, 0), 0.3)


def test_a_table_says_margin_unit_time_and_what_decided() -> None:
    spec = (
        Avoid(LAST).named("pillar")
        & (Reach(Ball((9, 0), 1)) | Reach(Ball((6, 0), 1))).named("goal")
        & SpeedLimit(2)
        & StayIn(Box((-1, -1), (5, 1)))
    )
    pillar, goal, speed, room = judge(spec, LINE)
    assert (pillar.name, pillar.unit, pillar.met) == ("pillar", "m", False)
    assert pillar.margin == pytest.approx(-0.4)
    assert pillar.first_violation == pytest.approx(3 - 0.3 - 0.1, abs=0.5 / 64)
    assert (goal.met, goal.first_violation, goal.decided_by) == (False, None, ("reach_ball",))
    assert (speed.margin, speed.unit, speed.met, speed.first_violation) == (2, "m/s", True, None)
    assert room.decided_by == ("stay_in_box",)


def test_the_leaf_that_the_margin_comes_from_decides() -> None:
    near, far = Reach(LAST).named("near"), Reach(Ball((0, 9), 1)).named("far")
    wide, slow = StayIn(Box((-9, -9), (9, 9))).named("wide"), SpeedLimit(0.1).named("slow")
    for spec, leaf in (
        (near | far, near),
        (near & far, far),
        (wide & slow, slow),
        (~(near | far), ~near),
        (Eventually(near & wide), near),
        (Always(near | wide), wide),
        (Until(wide, far), far),
        (Visit(FIRST).then(LAST) & far, far),
        (AtEnd(near | far), near),
    ):
        margin, decisive = deciding(spec, LINE)
        assert decisive == (leaf,)
        assert margin == spec.margin(LINE).item()
    assert deciding(All(()), LINE) == (math.inf, ())


@settings(max_examples=50)
@given(c=constraints, trajectory=trajectories)
def test_verdicts_carry_the_exact_margins(c: Constraint, trajectory: Trajectory) -> None:
    alone = replace(trajectory, x=trajectory.x[0])
    for verdict, part in zip(judge(c, alone), c.parts().values(), strict=True):
        assert verdict.margin == part.margin(alone).item()
        assert verdict.met == (verdict.margin > 0)
        if verdict.first_violation is not None:
            assert alone.times[0] <= verdict.first_violation <= alone.times[-1]
        if part.is_safety:
            assert (verdict.first_violation is None) == verdict.met


def test_a_violation_begins_in_the_window_and_with_the_last_way_out() -> None:
    def since(c: Constraint) -> float | None:
        return judge(c, LINE)[0].first_violation

    assert since(Always(Avoid(LAST), window=(2.8, 9))) == pytest.approx(2.8, abs=0.5 / 64)
    assert since(Always(Avoid(LAST), window=(0, 2))) is None
    assert since(Avoid(FIRST) | Avoid(LAST)) == pytest.approx(2.6, abs=0.5 / 64)
    assert since((Avoid(FIRST) & Avoid(LAST)).named("both")) == pytest.approx(0.6, abs=0.5 / 64)
    assert since(Avoid(Drifting(Ball((4, 0), 0.3), (-1, 0)))) == pytest.approx(1.8, abs=0.5 / 64)
    assert since(Reach(Ball((9, 9), 1))) is None


def test_every_limit_has_a_unit() -> None:
    spec = AccelLimit(1) & JerkLimit(1) & Curvature(1) & ActionLimit(1)
    assert [verdict.unit for verdict in judge(spec, LINE)] == ["m/s^2", "m/s^3", "1/m", "1"]


def test_a_jerk_fails_where_its_waypoint_is() -> None:
    x = LINE.x.clone()
    x[5:, 2] = 1.0
    (verdict,) = judge(JerkLimit(0.1), replace(LINE, x=x))
    assert verdict.first_violation == pytest.approx(1.5)  # the segment up to the waypoint at 2 s


def test_only_a_trajectory_that_fits_is_judged() -> None:
    with pytest.raises(RequestError, match=r"takes one trajectory \(H, D\), got shape \(1, 9, 7\)"):
        judge(SpeedLimit(1), replace(LINE, x=LINE.x[None]))
    bare = Trajectory(torch.zeros(2, 3), Layout((Channel("position", 3, "m"),)))
    with pytest.raises(LayoutError, match="speed_limit: layout: unknown channel 'velocity'"):
        judge(SpeedLimit(1), bare)


PLAN = {
    "times": [1.0, 1.5, 2.5],
    "states": [[0, 0, 1, 0], [0.5, 0, 1, 0], [1.5, 0, 1, 0]],
    "actions": [[0, 0], [0, 0.5], [0, 0]],
}


def test_a_plan_reads_as_the_trajectory_it_was() -> None:
    trajectory = parse_plan(json.dumps(PLAN | {"status": "feasible"}))
    assert trajectory.layout == POINT_MASS
    assert trajectory.times.tolist() == PLAN["times"]
    assert trajectory.channel("action").tolist() == PLAN["actions"]
    channels = [("position", 1, "rad"), ("action", 1, "Nm"), ("dt", 1, "s")]
    layout = {"channels": [dict(zip(("name", "size", "unit"), c, strict=True)) for c in channels]}
    arm = {"times": [0, 1], "states": [[1], [2]], "actions": [[0], [0]], "layout": layout}
    assert parse_plan(json.dumps(arm)).layout.names == ("position", "action", "dt")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"times": [0, 1]}, "needs one entry a waypoint in each"),
        ({"times": [0, 1, 1]}, "times must increase"),
        ({"times": "soon"}, r"Expected `array`, got `str` - at `\$.times`; write times, states"),
        ({"states": [[0, 0, 1, 0], [0.5, 0, 1], [1, 0, 1, 0]]}, r"states\[1\] must be 4 numbers"),
        ({"actions": [[0], [0], [0]]}, r"actions\[0\] must be 2 numbers"),
        ({"layout": {"channels": []}}, "last channels must be action and dt"),
    ],
)
def test_what_is_no_plan_says_why(change: dict[str, object], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        parse_plan(json.dumps(PLAN | change))


def test_a_preference_within_a_part_decides_nothing() -> None:
    keep_out, wish = Avoid(Ball((0.5, 0), 0.1)), Prefer(Avoid(Ball((0, 0), 0.1)))
    spec = (keep_out & wish).named("both") & SpeedLimit(40.0)
    trajectory = through((0, 0.05), (1, 0.05))
    both, _ = judge(spec, trajectory)
    assert both.decided_by == (keep_out.label,)
    assert both.margin == keep_out.margin(trajectory).item() < 0


def test_a_waypoint_that_is_not_finite_is_named() -> None:
    way = through((0, 0), (1, 0), (2, 0))
    way.x[1, 0] = torch.nan
    with pytest.raises(RequestError, match="waypoint 1 is not finite"):
        judge(Avoid(Ball((5, 0), 1.0)), way)
