"""Arms: speeds that joints and tool can drive, waypoints that must not move, plans as targets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
import pytest
import torch

from glass_plan.bodies import tool_way
from glass_plan.checkpoint import build_prior
from glass_plan.constraints import Avoid, Ball, SpeedLimit
from glass_plan.controller import RecedingHorizon
from glass_plan.embodiments import Arm, embodiment
from glass_plan.embodiments.grasps import STRAIGHT, held_still
from glass_plan.errors import RequestError
from glass_plan.guidance import TrajectoryProx
from glass_plan.layout import Trajectory
from glass_plan.methods import Sampling
from glass_plan.mppi import Mppi
from glass_plan.planner import Planner
from glass_plan.records import Outcome, Plan, Status
from glass_plan.robots import PANDA
from glass_plan.trackers import tracker
from glass_plan.trackers.arm import CLOSED, FADES, LEAD, OPEN, commands
from tests import tiny
from tests.arms import GRASP, READY, carrying

CONFIG = msgspec.structs.replace(tiny.ARM, horizon=32, spacing=0.02)
WORLD = CONFIG.world
CUBE = (0.1, 0.2, 0.02)
STATE = (*READY, 0.04, *CUBE)
"""Ready, open, with a cube on the table."""


@pytest.fixture
def arm():
    made = embodiment(CONFIG)
    assert isinstance(made, Arm)
    return made


@pytest.fixture
def planner():
    torch.manual_seed(0)
    return Planner(build_prior(CONFIG).eval(), CONFIG, Sampling(particles=2, transitions=2))


def swing(length=32, grasp_at=16, dt=0.1, turn=1.5):
    """A turn of the first joint [rad], on which the gripper closes while it stands."""
    x = torch.zeros(1, length, PANDA.dim, dtype=torch.float64)
    turned = torch.linspace(0, turn, length - 4, dtype=torch.float64)
    stands = turned[grasp_at].repeat(4)
    x[..., :7] = torch.tensor(READY, dtype=torch.float64)
    x[..., 0] += torch.cat([turned[:grasp_at], stands, turned[grasp_at:]])
    x[..., 7] = 0.04
    x[:, grasp_at:, 7] -= 0.005 * torch.arange(length - grasp_at).clamp_max(4)
    x[..., PANDA.slice("object")] = torch.tensor(CUBE, dtype=torch.float64)
    x[..., PANDA.slice("dt")] = dt
    return Trajectory(x, PANDA)


def plan_of(trajectory):
    alone = replace(trajectory, x=trajectory.x[0])
    return Plan(alone, trajectory, Status.FEASIBLE, {}, nfe=0, calls=0, wall_time=0.0)


def observation(state=STATE):
    fingers = np.array([state[7] - 0.001, state[7] + 0.001])
    return {
        "observation": np.array([*state[:7], *fingers, *np.zeros(9)]),
        "achieved_goal": np.array(state[8:]),
        "desired_goal": np.array([0.0, 0.3, 0.2]),
    }


@pytest.mark.parametrize("effort", [0.5, 1.0])
def test_joints_are_driven_no_faster_than_they_may(arm, effort):
    hasty = swing(dt=1e-3)
    driven = arm.drivable(hasty, max_speed=None, effort=effort)
    speed = torch.diff(driven.channel("joints"), dim=-2).abs().amax(-1) / driven.dt[..., :-1]
    assert float(speed.max()) == pytest.approx(effort * WORLD.max_joint_speed)
    assert torch.equal(driven.channel("joints"), hasty.channel("joints"))


def test_the_tool_keeps_a_speed_limit(arm):
    driven = arm.drivable(swing(dt=1e-3), max_speed=0.2, effort=1.0)
    speed = torch.diff(tool_way(driven), dim=-2).norm(dim=-1) / driven.dt[..., :-1]
    assert 0.17 < float(speed.max()) <= 0.2


def test_what_is_slow_enough_keeps_its_time(arm):
    slow = swing(dt=0.3)
    assert torch.equal(arm.drivable(slow, max_speed=None, effort=0.75).x, slow.x)


def test_ends_and_grasps_must_not_move_nor_the_way_there_and_away():
    way = swing(grasp_at=16)
    step = float((tool_way(way)[0, 15] - tool_way(way)[0, 14]).norm())
    near = int(STRAIGHT / step)
    fixed = torch.nonzero(held_still(way)[0]).flatten().tolist()
    assert near > 0
    assert fixed == [0, *range(16 - near, 21 + near), 31]


def test_the_prox_bends_the_arm_around_a_ball_and_keeps_its_grasp(arm):
    way = swing()
    middle = tool_way(way)[0, 26]
    ball = Avoid(Ball(tuple((middle + torch.tensor([0.0, 0.0, -0.06])).tolist()), 0.04))
    denoise = build_prior(CONFIG).eval().condition(torch.tensor(STATE), torch.tensor(CUBE))
    drivable = partial(arm.drivable, max_speed=None, effort=0.75)
    prox = TrajectoryProx(denoise, ball.soft(buffer=0.02), drivable, arm.bend, steps=20)
    bent = prox.correct(way)
    assert float(ball.margin(way)) < 0 < float(ball.margin(bent))
    still = held_still(way)[0]
    assert torch.equal(bent.channel("joints")[0, still], way.channel("joints")[0, still])
    assert torch.equal(bent.channel("gripper"), way.channel("gripper"))


def test_a_held_object_moves_along_and_one_that_lies_does_not(arm):
    way = swing()
    x, where = way.x.clone(), PANDA.slice("object")
    x[..., where] = tool_way(way)[:, 18:19]
    x[:, 20:, where] = tool_way(way)[:, 20:]  # held from there on
    way = replace(way, x=x)
    turned = way.channel("joints") + torch.linspace(0, 0.3, 32)[:, None].double()
    moved = arm.bend.moved(way, turned)
    shift = tool_way(moved) - tool_way(way)
    assert torch.equal(moved.channel("object")[:, :16], way.channel("object")[:, :16])
    torch.testing.assert_close(moved.channel("object")[:, 20:], x[:, 20:, where] + shift[:, 20:])
    assert float(shift[:, 20:].norm(dim=-1).min()) > 0.05


def test_joint_limits_are_judged_of_every_plan(planner):
    made = planner.plan(STATE, (0.0, 0.3, 0.2), Avoid(Ball((0.0, 0.3, 0.1), 0.05)), seed=0)
    assert set(made.margins) == {"joint_limits", "avoid_ball"}
    assert made.states[0] == pytest.approx(STATE, abs=1e-5)
    beyond = (3.0, *STATE[1:])
    with pytest.raises(RequestError, match=r"start .* violates 'joint_limits'"):
        planner.plan(beyond, (0.0, 0.3, 0.2))


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


def test_the_state_is_read_from_an_observation():
    robot, seen = embodiment(CONFIG), observation()
    assert robot.state(seen).tolist() == pytest.approx(STATE)
    assert robot.state(STATE).tolist() == pytest.approx(STATE)
    for bad in ({**seen, "observation": np.zeros(5)}, {"observation": STATE}):
        with pytest.raises(RequestError, match="three numbers in 'achieved_goal'"):
            robot.state(bad)
    with pytest.raises(RequestError, match="lacks the key 'observation'"):
        robot.state({})


def test_what_a_plan_will_come_to_begins_here_and_ends_with_it():
    way = swing()
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    here = (*np.array(READY) + 0.01, 0.04, *CUBE)
    driven = follower.foreseen(np.array(here), 2.0)
    assert driven.x[0, :11].tolist() == pytest.approx(here)
    assert driven.x[-1, :11].tolist() == pytest.approx(way.x[0, -1, :11].tolist())
    assert float(driven.times[0]) == 2.0
    assert float(driven.times[-1]) == pytest.approx(2.0 + follower.end, abs=WORLD.dt)


def test_from_the_middle_of_a_plan_its_rest_and_then_its_end_are_foreseen():
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(swing()))
    now = round(follower.end / 2, 1)
    driven = follower.foreseen(follower._at(now), 3.0, now=now, lasting=follower.end)
    times = driven.times.numpy() - 3.0 + now
    assert times[-1] == pytest.approx(now + follower.end, abs=WORLD.dt)
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


def test_joints_rest_once_they_stay_near_their_end(arm):
    way = swing()
    way.x[0, -5:, 0] = way.x[0, -1, 0] + 0.003 * torch.tensor([1.0, -1.0, 1.0, -1.0, 0.0])
    held = arm.settled(way).channel("joints")[0]
    assert torch.equal(held[-4:], held[-1:].expand(4, 7))
    assert torch.equal(held[:20], way.channel("joints")[0, :20])


def test_an_arm_plans_with_a_speed_limit_of_its_tool(planner):
    made = planner.plan(STATE, (0.0, 0.3, 0.2), SpeedLimit(0.2), seed=0)
    assert made.margins["speed_limit"] > 0


def test_off_the_plan_is_how_far_the_tool_is():
    way = swing()
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(way))
    state = follower.rest(np.array(STATE), 1.0, 1.0).x[1, :11].double().numpy()
    assert follower.off(np.array(STATE), 0.0) == pytest.approx(0.0, abs=1e-9)
    moved = np.linalg.norm(np.diff(tool_way(way)[0, [0, 31]].numpy(), axis=0))
    assert follower.off(np.array(STATE), follower.end) == pytest.approx(moved)
    assert state[0] > READY[0]


def test_a_controller_of_an_arm_gives_targets_of_its_joints(planner):
    controller = RecedingHorizon(planner, None, fallback="follow")
    controller.reset((0.0, 0.3, 0.2), 0)
    action = controller.act(observation(), 0.0)
    assert action.shape == (8,)
    assert controller.decisions[0].plan is not None


@pytest.mark.parametrize("method", ["barrier", "ompl-rrtconnect"])
def test_methods_for_a_point_refuse_an_arm(planner, method):
    sampling = replace(planner.sampling, method=method)
    with pytest.raises(RequestError, match="ways of a point only, not of 'joints'"):
        planner.with_sampling(sampling).plan(STATE, (0.0, 0.3, 0.2))


def test_an_arm_is_shielded(planner):
    tool = tool_way(swing())[0, 0]
    wall = Avoid(Ball((float(tool[0]), float(tool[1]), float(tool[2]) - 0.05), 0.03))
    controller = RecedingHorizon(planner, wall, fallback="follow", shield=True)
    controller.reset((0.0, 0.3, 0.2), seed=0)
    for k in range(4):
        action = controller.act(observation(), 0.05 * k)
        assert action.shape == (8,)
    assert Outcome.SHIELDED in {decision.outcome for decision in controller.decisions}


def test_what_lies_is_taken_where_it_lies(arm):
    drifting = carrying((0.01, 0.0, 0.0))
    settled = arm.settled(drifting)
    assert torch.equal(settled.channel("object")[:, 15], settled.channel("object")[:, 0])
    assert not torch.equal(settled.channel("joints"), drifting.channel("joints"))


def test_mppi_refuses_an_arm(planner):
    with pytest.raises(RequestError, match="point mass only, got Arm"):
        Mppi(planner, None)


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


def test_a_controller_goes_back_before_it_plans_again(planner):
    controller = RecedingHorizon(planner, None, fallback="brake")
    controller.reset(CUBE, seed=0)
    closed = np.array([*STATE[:7], 0.01, *CUBE])
    controller.act(observation(closed), 0.0)
    assert "goes back" in controller.decisions[0].reason
    assert controller.plan is None
    for k in range(1, 5):
        assert controller.act(observation(closed), 0.05 * k)[-1] == OPEN
    assert len(controller.decisions) == 1


def test_off_the_plan_is_an_object_too_that_was_left_behind():
    follower = tracker(embodiment(CONFIG), PANDA).follower(plan_of(swing()))
    state = follower._at(1.0)
    state[-1] -= 0.15
    assert follower.off(state, 1.0) == pytest.approx(0.3)
