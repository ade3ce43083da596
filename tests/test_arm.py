"""Arms: speeds that joints and tool can drive, waypoints that must not move, requests of an arm."""

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
from glass_plan.methods import Sampling
from glass_plan.mppi import Mppi
from glass_plan.planner import Planner
from glass_plan.records import Outcome
from glass_plan.robots import PANDA
from glass_plan.trackers.arm import OPEN
from tests import tiny
from tests.arms import READY, carrying, swing
from tests.arms import TABLE_CUBE as CUBE

CONFIG = msgspec.structs.replace(tiny.ARM, horizon=32, spacing=0.02)
WORLD = CONFIG.world
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


def test_the_state_is_read_from_an_observation():
    robot, seen = embodiment(CONFIG), observation()
    assert robot.state(seen).tolist() == pytest.approx(STATE)
    assert robot.state(STATE).tolist() == pytest.approx(STATE)
    for bad in ({**seen, "observation": np.zeros(5)}, {"observation": STATE}):
        with pytest.raises(RequestError, match="three numbers in 'achieved_goal'"):
            robot.state(bad)
    with pytest.raises(RequestError, match="lacks the key 'observation'"):
        robot.state({})


def test_joints_rest_once_they_stay_near_their_end(arm):
    way = swing()
    way.x[0, -5:, 0] = way.x[0, -1, 0] + 0.003 * torch.tensor([1.0, -1.0, 1.0, -1.0, 0.0])
    held = arm.settled(way).channel("joints")[0]
    assert torch.equal(held[-4:], held[-1:].expand(4, 7))
    assert torch.equal(held[:20], way.channel("joints")[0, :20])


def test_an_arm_plans_with_a_speed_limit_of_its_tool(planner):
    made = planner.plan(STATE, (0.0, 0.3, 0.2), SpeedLimit(0.2), seed=0)
    assert made.margins["speed_limit"] > 0


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
