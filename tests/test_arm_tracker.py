"""Following an arm's plans: joint targets, the gripper, what is foreseen, and going back."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from glass_plan.bodies import tool_way
from glass_plan.embodiments import embodiment
from glass_plan.records import Plan, Status
from glass_plan.robots import PANDA
from glass_plan.trackers import tracker
from glass_plan.trackers.arm import CLOSED, FADES, LEAD, OPEN, commands
from tests import tiny
from tests.arms import GRASP, READY, carrying, swing
from tests.arms import TABLE_CUBE as CUBE

CONFIG = msgspec.structs.replace(tiny.ARM, horizon=32, spacing=0.02)
STATE = (*READY, 0.04, *CUBE)
"""Ready, open, with a cube on the table."""


def plan_of(trajectory):
    alone = replace(trajectory, x=trajectory.x[0])
    return Plan(alone, trajectory, Status.FEASIBLE, {}, nfe=0, calls=0, wall_time=0.0)


def test_the_targets_lead_the_plan_by_the_lag_of_the_joints():
    way = swing(dt=0.1)
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    times, joints = way.times[0].numpy(), way.channel("joints")[0].numpy()
    action = follower.action(np.array(STATE), 0.55)
    assert action[0] == pytest.approx(np.interp(0.55 + LEAD, times, joints[:, 0]))
    assert action[1:7] == pytest.approx(READY[1:])
    assert action[7] == OPEN
    assert follower.action(np.array(STATE), 2.5)[7] == CLOSED
    assert follower.action(np.array(STATE), 99.0)[:7] == pytest.approx(joints[-1])


def test_a_gripper_lets_go_where_its_small_opening_ends():
    """A demonstration of stacking ends then, with the gripper hardly open."""
    ways = [0.04, 0.04, 0.035, 0.03, 0.02, 0.0203, 0.0199, 0.02, 0.023, 0.026, 0.0266]
    assert commands(np.array(ways)).tolist() == 4 * [OPEN] + 5 * [CLOSED] + 2 * [OPEN]
    assert commands(np.array([0.021, 0.0211, 0.0209])).tolist() == 3 * [CLOSED]
    assert commands(np.array([0.035, 0.03, 0.02, 0.02])).tolist() == 4 * [CLOSED]


def test_a_gripper_goes_on_with_what_is_under_way_and_with_nothing_else():
    closing = np.array([0.034, 0.03, 0.025, 0.021, 0.02, 0.02, 0.02])
    letting_go = np.array([0.024, 0.027, 0.03, 0.034, 0.038, 0.04, 0.04])
    assert commands(closing).tolist() == 7 * [CLOSED]
    assert commands(letting_go).tolist() == 7 * [OPEN]
    carrying = np.concatenate([[0.02], np.full(20, 0.0208), np.linspace(0.021, 0.027, 6)])
    assert commands(carrying).tolist()[:20] == 20 * [CLOSED]
    above = np.concatenate([[0.04], np.full(20, 0.0379), np.linspace(0.037, 0.02, 6)])
    assert commands(above).tolist()[:20] == 20 * [OPEN]


@pytest.mark.parametrize("left", [2.0, 0.2])
def test_what_is_left_of_a_plan_begins_here_and_ends_with_it(left):
    way = swing(dt=0.1, turn=0.5)
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    here = follower._at(follower.end - left)
    here[0] += 0.01
    rest = follower.rest(here, follower.end - left, 5.0)
    assert rest.x[0, :11].tolist() == pytest.approx(here.tolist())
    assert rest.x[-1, :11].tolist() == pytest.approx(way.x[0, -1, :11].tolist())
    assert float(rest.times[0]) == 5.0
    if left > FADES:
        speed = torch.diff(tool_way(rest), dim=0).norm(dim=-1) / rest.dt[:-1]
        planned = torch.diff(tool_way(way)[0], dim=0).norm(dim=-1) / way.dt[0, :-1]
        assert float(speed.max()) < float(planned.max()) + 0.02


def test_an_object_in_the_hand_is_foreseen_there():
    way = carrying()
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    now = float(way.times[0, GRASP + 4])
    here = follower._at(now)
    here[-3:] += (0.008, 0.0, -0.004)
    rest = follower.rest(here, now, now)
    apart = rest.channel("object") - tool_way(rest)
    torch.testing.assert_close(apart, apart[:1].expand_as(apart), atol=1e-3, rtol=0)
    assert float(apart[0].norm()) == pytest.approx(np.hypot(0.008, 0.004), abs=1e-3)


def test_what_a_plan_will_come_to_begins_here_and_ends_with_it():
    way = swing()
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    here = (*np.array(READY) + 0.01, 0.04, *CUBE)
    driven = follower.foreseen(np.array(here), 2.0)
    assert driven.x[0, :11].tolist() == pytest.approx(here)
    assert driven.x[-1, :11].tolist() == pytest.approx(way.x[0, -1, :11].tolist())
    assert float(driven.times[0]) == 2.0
    assert float(driven.times[-1]) == pytest.approx(2.0 + follower.end, abs=CONFIG.world.dt)


def test_from_the_middle_of_a_plan_its_rest_and_then_its_end_are_foreseen():
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(swing()))
    now = round(follower.end / 2, 1)
    driven = follower.foreseen(follower._at(now), 3.0, now=now, lasting=follower.end)
    times = driven.times.numpy() - 3.0 + now
    assert times[-1] == pytest.approx(now + follower.end, abs=CONFIG.world.dt)
    assert driven.x[:, :11].numpy() == pytest.approx(follower._at(times), abs=1e-9)


@pytest.mark.parametrize(("off", "there"), [(0.019, True), (0.021, False)])
def test_an_object_arrives_within_two_centimetres(off, there):
    arms = tracker(embodiment(CONFIG), PANDA)
    goal = np.array([CUBE[0], CUBE[1], CUBE[2] + off])
    assert arms.arrived(np.array(STATE), goal) is there


@pytest.mark.parametrize(("width", "command"), [(0.04, OPEN), (0.02, CLOSED)])
def test_an_arm_stops_where_it_is_and_holds_what_it_has(width, command):
    state = np.array([*READY, width, *CUBE])
    assert tracker(embodiment(CONFIG), PANDA).stop(state).tolist() == [*READY, command]


def test_off_the_plan_is_how_far_the_tool_is():
    way = swing()
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    state = follower.rest(np.array(STATE), 1.0, 1.0).x[1, :11].double().numpy()
    assert follower.off(np.array(STATE), 0.0) == pytest.approx(0.0, abs=1e-9)
    moved = np.linalg.norm(np.diff(tool_way(way)[0, [0, 31]].numpy(), axis=0))
    assert follower.off(np.array(STATE), follower.end) == pytest.approx(moved)
    assert state[0] > READY[0]


def test_an_arm_that_lost_its_object_lets_go_and_goes_back():
    follow = tracker(embodiment(CONFIG), PANDA)
    way = swing()
    driven = way.x[0][:, PANDA.columns(PANDA.start)].numpy()
    lost, back = driven[-1], follow.retreat(driven)
    assert [action[-1] for action in back] == [OPEN] * len(back)
    np.testing.assert_allclose(back[0][:7], lost[:7])
    places = follow.tool(np.stack([[*action[:7], *lost[7:]] for action in back]))
    assert np.linalg.norm(places[-1] - places[0]) > 0.099  # along a curve of 0.1
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert steps.max() <= 0.05 * 0.2 * 1.01
    slower = tracker(embodiment(CONFIG), PANDA, max_speed=0.1).retreat(driven)
    assert len(slower) > 1.5 * len(back)
    lifted = np.concatenate([driven[:20], driven[20:14:-1]])  # there, and a little way back
    lifted[20:, 7] = 0.0
    places = follow.tool(np.stack([[*action[:7], *lost[7:]] for action in follow.retreat(lifted)]))
    assert np.linalg.norm(places[-1] - places[0]) > 0.099
    held = driven.copy()
    held[-1, -3:] = follow.tool(driven)[-1] + 0.01
    assert follow.retreat(held) == []
    opened = driven.copy()
    opened[-1, 7] = 0.04
    assert follow.retreat(opened) == []


def test_off_the_plan_is_an_object_too_that_was_left_behind():
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(swing()))
    state = follower._at(1.0)
    state[-1] -= 0.15
    assert follower.off(state, 1.0) == pytest.approx(0.3)
