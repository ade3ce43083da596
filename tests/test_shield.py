"""The shield: harmless actions pass, others give way to what keeps a way out."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from glass_envs.mazes import MAZES
from glass_envs.recipes import dynamics
from glass_plan.constraints import Avoid, Ball, Box, Drifting, SpeedLimit
from glass_plan.layout import POINT_MASS
from glass_plan.shield import MARGIN, Shield
from glass_plan.tracking import integrate

BALL = dynamics(MAZES["maze2d-umaze"])
AHEAD = Avoid(Box((1.0, -5.0), (2.0, 5.0)))
FULL = np.array([1.0, 0.0])


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
    used, changed = Shield(AHEAD, BALL, POINT_MASS).filter(still(-3.0), action, 0.0)
    assert not changed
    assert used is action


def test_full_force_at_a_wall_never_touches_it():
    states, overridden = drive(Shield(AHEAD, BALL, POINT_MASS), still(-1.0), FULL, 3.0)
    assert (1.0 - 0.1 - states[:, 0]).min() > 0
    assert not overridden[0]
    assert any(overridden)
    assert states[:, 0].max() > 0.7  # no earlier than needed


def test_it_steps_aside_for_what_comes_along():
    coming = Avoid(Drifting(Ball((2.0, 0.05), 0.2), (-1.0, 0.0)))
    states, overridden = drive(Shield(coming, BALL, POINT_MASS), still(0.0), np.zeros(2), 4.0)
    times = BALL.dt * np.arange(len(states))
    away = np.hypot(states[:, 0] - (2.0 - times), states[:, 1] - 0.05) - 0.2 - 0.1
    assert any(overridden)
    assert away.min() > 0


def test_a_speed_limit_is_kept():
    states, _ = drive(Shield(SpeedLimit(1.0), BALL, POINT_MASS), still(0.0), FULL, 1.0)
    assert np.hypot(*states[:, 2:].T).max() <= 1.0
    assert np.hypot(*states[:, 2:].T).max() > 0.7


def test_in_violation_already_it_does_the_least_harm():
    inside = Shield(Avoid(Ball((0.0, 0.0), 0.5)), BALL, POINT_MASS)
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
    shield = Shield(AHEAD, BALL, POINT_MASS)
    state = np.array([0.0, 0.0, 5.0, 0.0])
    backup = shield.backup(state, torch.zeros(1, 2).double(), torch.zeros(1).double(), 1.0)
    assert float(backup.channel("velocity")[0, -1].norm()) < 0.05
    assert float(backup.times[0, 0]) == 1.0
    assert MARGIN > 0
