"""The shield: harmless actions pass, others give way to what keeps a way out."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from glass_envs.mazes import MAZES
from glass_envs.recipes import dynamics
from glass_plan.bodies import tool_way
from glass_plan.constraints import Avoid, Ball, Box, Drifting, SpeedLimit
from glass_plan.layout import POINT_MASS
from glass_plan.progress import as_driven
from glass_plan.robots import PANDA
from glass_plan.shield import Shield
from glass_plan.trackers import ArmTracker, PointMassTracker
from glass_plan.trackers.arm import LEAD
from glass_plan.tracking import integrate
from tests.arms import READY as READY_JOINTS

BALL = dynamics(MAZES["maze2d-umaze"])
ARM = ArmTracker(PANDA, dt=0.05)
TRACKER = PointMassTracker(BALL, POINT_MASS)
AHEAD = Avoid(Box((1.0, -5.0), (2.0, 5.0)))
FULL = np.array([1.0, 0.0])
READY = np.array(READY_JOINTS)


def still(x, y=0.0):
    return np.array([x, y, 0.0, 0.0])


def drive(shield, state, action, seconds, start=0.0):
    """States of a robot whose every action is filtered."""
    states, overridden = [state], []
    for k in range(round(seconds / BALL.dt)):
        used, changed = shield.filter(states[-1], action, start + k * BALL.dt)
        velocity = integrate(
            torch.from_numpy(states[-1][2:]), torch.from_numpy(np.asarray(used)), BALL
        ).numpy()
        states.append(np.concatenate([states[-1][:2] + BALL.dt * velocity, velocity]))
        overridden.append(changed)
    return np.array(states), overridden


def test_an_action_far_from_everything_passes_as_it_is():
    action = np.array([0.3, -0.7])
    used, changed = Shield(AHEAD, TRACKER).filter(still(-3.0), action, 0.0)
    assert not changed
    assert used is action


def test_full_force_at_a_wall_never_touches_it():
    states, overridden = drive(Shield(AHEAD, TRACKER), still(-1.0), FULL, 3.0)
    assert (1.0 - 0.1 - states[:, 0]).min() > 0
    assert not overridden[0]
    assert any(overridden)
    assert states[:, 0].max() > 0.7  # no earlier than needed


def test_it_steps_aside_for_what_comes_along():
    coming = Avoid(Drifting(Ball((2.0, 0.05), 0.2), (-1.0, 0.0)))
    states, overridden = drive(Shield(coming, TRACKER), still(0.0), np.zeros(2), 4.0)
    times = BALL.dt * np.arange(len(states))
    away = np.hypot(states[:, 0] - (2.0 - times), states[:, 1] - 0.05) - 0.2 - 0.1
    assert any(overridden)
    assert away.min() > 0


def test_a_speed_limit_is_kept():
    states, _ = drive(Shield(SpeedLimit(1.0), TRACKER), still(0.0), FULL, 1.0)
    assert np.hypot(*states[:, 2:].T).max() <= 1.0
    assert np.hypot(*states[:, 2:].T).max() > 0.7


def test_in_violation_already_it_does_the_least_harm():
    inside = Shield(Avoid(Ball((0.0, 0.0), 0.5)), TRACKER)
    states, _ = drive(inside, still(0.4), np.zeros(2), 1.0)
    assert np.hypot(*states[-1, :2]) > 0.6


def test_its_step_is_the_simulators():
    env = gymnasium.make("glass_envs:glass_plan/Maze2D-UMaze-v0")
    observation, _ = env.reset(seed=0, options={"start": (-1.0, -1.0), "goal": (-1.0, 1.0)})
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1, 1, 2)
        before = observation["observation"]
        expected = integrate(torch.from_numpy(before[2:]), torch.from_numpy(action), BALL)
        observation, *_ = env.step(action)
        after = observation["observation"]
        assert after[2:] == pytest.approx(expected.numpy(), abs=1e-6)
        assert after[:2] == pytest.approx(before[:2] + BALL.dt * after[2:], abs=1e-9)
    env.close()


def test_a_backup_ends_at_rest():
    backup = TRACKER.backup(np.array([0.0, 0.0, 5.0, 0.0]), np.zeros(2), 1.0)
    assert float(backup.channel("velocity")[-1].norm()) < 0.05
    assert float(backup.times[0]) == 1.0


def fist(joints=READY, place=(0.5, 0.5, 0.02)):
    """State of an arm with a closed gripper and nothing in it."""
    return np.array([*joints, 0.0, *place])


def lagging(shield, state, targets, steps):
    """States of an arm whose joints follow filtered targets late by ``LEAD``."""
    states, overridden = [state], []
    for k in range(steps):
        action, changed = shield.filter(states[-1], np.array([*targets(k), -1.0]), 0.05 * k)
        after = states[-1].copy()
        after[:7] += (1 - np.exp(-0.05 / LEAD)) * (action[:7] - after[:7])
        states.append(after)
        overridden.append(changed)
    return np.stack(states), overridden


def gaps(states, avoid, times):
    """Margins of each pair of neighbours."""
    rows = np.hstack([states, times[:, None]])
    return [float(avoid.margin(as_driven(rows[k : k + 2], PANDA))) for k in range(len(states) - 1)]


def test_an_arm_stops_before_what_its_targets_lead_through():
    swing = READY + np.linspace(0, 1.2, 60)[:, None] * np.eye(7)[0]
    way = ARM.tool(np.stack([fist(joints) for joints in swing]))
    ball = Avoid(Ball(tuple(way[40].tolist()), 0.03))
    states, overridden = lagging(Shield(ball, ARM), fist(), lambda k: swing[min(k + 2, 59)], 70)
    assert gaps(np.stack([fist(joints) for joints in swing]), ball, 0.05 * np.arange(60.0))[38] < 0
    assert not any(overridden[:10])
    assert any(overridden)
    assert min(gaps(states, ball, 0.05 * np.arange(71.0))) > 0
    assert states[:, 0].max() > 0.1  # no sooner than needed


def test_an_arm_gives_way_to_what_comes_along():
    tool = ARM.tool(fist()[None])[0]
    coming = Avoid(Drifting(Ball((tool[0] + 0.3, tool[1], tool[2] - 0.02), 0.03), (-0.1, 0.0, 0.0)))
    stays = np.tile(fist(), (100, 1))
    times = 0.05 * np.arange(101.0)
    states, overridden = lagging(Shield(coming, ARM), fist(), lambda k: READY, 100)
    assert min(gaps(stays, coming, times[:100])) < 0
    assert any(overridden)
    assert min(gaps(states, coming, times)) > 0


def test_a_held_object_is_shielded_with_the_hand():
    tool = ARM.tool(fist()[None])[0]
    held = np.array([*READY, 0.02, *tool])
    backup = ARM.backup(held, np.array([*(READY + 0.1), -1.0]), 2.0)
    moved = tool_way(backup) - tool_way(backup)[0]
    torch.testing.assert_close(backup.channel("object") - backup.channel("object")[0], moved)
    assert float(moved[-1].norm()) > 0.02
    assert float(backup.times[0]) == 2.0
