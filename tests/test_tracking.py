"""Tracking: a drivable plan is followed in MuJoCo within centimetres; braking stops the ball."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch

from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.planner import Planner
from glass_plan.records import Plan, Status
from glass_plan.retiming import retime
from glass_plan.tracking import KD, KP, Reference, brake, drive, slowed, track
from tests.models import ENV_ID, MODEL
from tests.tiny import BALL

START, END = (-1.0, -1.0), (1.0, -1.0)
"""Along the lower arm of the U."""


def plan_along(positions, t_start=0.0):
    """A plan whose speeds are as fast as can be driven."""
    x = torch.zeros(len(positions), POINT_MASS.dim, dtype=torch.float64)
    x[:, :2] = torch.as_tensor(positions)
    x[:, 6] = 0.1
    driven = retime(Trajectory(x, POINT_MASS, t_start), BALL)
    alone = Trajectory(driven.x[None], POINT_MASS, t_start)
    return Plan(driven, alone, Status.FEASIBLE, {}, nfe=0, calls=0, wall_time=0.0)


def straight(count=24, t_start=0.0):
    return plan_along(np.linspace(START, END, count), t_start)


def corner():
    """Along the lower arm and up the right one, round a quarter circle of radius 0.5 m."""
    angle = np.linspace(-np.pi / 2, 0, 12)
    bend = np.stack([0.5 + 0.5 * np.cos(angle), -0.5 + 0.5 * np.sin(angle)], axis=1)
    before, after = np.linspace(START, (0.4, -1.0), 20), np.linspace((1.0, -0.4), (1.0, 0.9), 20)
    return plan_along(np.concatenate([before, bend, after]))


@pytest.fixture
def env():
    made = gymnasium.make(ENV_ID)
    yield made
    made.close()


def simulated(env, act, velocity=(0.0, 0.0), steps=200, start=START):
    """States (steps + 1, 4) of the simulator under ``act(state, time)``."""
    env.reset(seed=0, options={"start": start, "goal": (-1.0, 1.0)})
    env.unwrapped._physics.data.qvel[:] = velocity
    states = [np.array([*start, *velocity])]
    for k in range(steps):
        observation, *_ = env.step(act(states[-1], BALL.dt * k))
        states.append(observation["observation"])
    return np.stack(states)


@pytest.mark.parametrize("t_start", [0.0, 2.5])
def test_the_reference_passes_through_the_plan(t_start):
    plan = straight(t_start=t_start)
    reference = Reference.of(plan)
    assert plan.times[0] == pytest.approx(t_start)
    for time, state in list(zip(plan.times, plan.states, strict=True))[:-1]:
        position, velocity, _ = reference.at(time)
        assert position == pytest.approx(state[:2], abs=1e-9)
        assert velocity == pytest.approx(state[2:], abs=1e-9)


def test_the_reference_rests_at_its_end():
    plan = straight()
    reference = Reference.of(plan)
    position, velocity, acceleration = reference.at(reference.end + 1.0)
    assert position == pytest.approx(plan.states[-1, :2])
    assert not velocity.any()
    assert not acceleration.any()


def test_on_the_plan_the_action_is_the_feedforward():
    reference, time = Reference.of(straight()), 0.15
    position, velocity, _ = reference.at(time)
    _, soon, acceleration = reference.at(time + BALL.dt / 2)
    expected = (BALL.mass * acceleration + BALL.damping * soon) / BALL.gear
    action = track(reference, np.concatenate([position, velocity]), time, BALL)
    assert action == pytest.approx(expected)


def test_off_the_plan_the_feedback_pulls_back():
    reference = Reference.of(straight())
    at_rest = reference.end + 1.0
    off = np.array([END[0] - 0.02, END[1] + 0.03, 0.1, -0.05])
    action = track(reference, off, at_rest, BALL)
    assert action == pytest.approx([KP * 0.02 - KD * 0.1, -KP * 0.03 + KD * 0.05])


def test_actions_stay_within_the_limits():
    reference = Reference.of(straight())
    far = np.array([9.0, -9.0, 0.0, 0.0])
    assert track(reference, far, 0.0, BALL).tolist() == [-1.0, 1.0]
    assert brake(np.array([0.0, 0.0, 3.0, -3.0])).tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("plan", [straight(), corner()], ids=["straight", "corner"])
def test_the_simulator_follows_a_drivable_plan(env, plan):
    reference = Reference.of(plan)
    states = simulated(env, lambda state, time: track(reference, state, time, BALL))
    wanted = np.stack([reference.at(BALL.dt * k)[0] for k in range(len(states))])
    assert np.linalg.norm(states[:, :2] - wanted, axis=1).max() < 0.03
    assert np.linalg.norm(states[-1, :2] - plan.states[-1, :2]) < 0.01
    assert np.linalg.norm(states[-1, 2:]) < 0.02


def test_braking_stops_the_ball(env):
    states = simulated(env, lambda state, _: brake(state), velocity=(3.0, 0.5), steps=60)
    speed = np.linalg.norm(states[:, 2:], axis=1)
    assert speed[-1] < 0.02
    force_alone = 3.0**2 / (2 * BALL.gear / BALL.mass)  # way at full force [m]
    assert states[-1, 0] - START[0] < 1.3 * force_alone


def test_a_robot_that_is_behind_does_not_speed_to_catch_up(env):
    plan = straight()
    reference = Reference.of(plan)

    def act(state, time):
        return slowed(track(reference, state, time + 0.3, BALL), state[2:], 2.0, BALL)

    states = simulated(env, act, steps=60)
    speed = np.linalg.norm(states[:, 2:], axis=1)
    assert speed.max() <= 2.0 + 1e-6
    assert speed.max() > 1.95


def test_an_action_below_the_limit_is_left_as_it_is():
    action = np.array([0.5, -0.2])
    assert slowed(action, np.array([1.0, 0.0]), 2.0, BALL) is action


def test_above_the_limit_it_brakes_as_hard_as_it_can():
    braked = slowed(np.array([1.0, 0.0]), np.array([4.0, 0.0]), 2.0, BALL)
    assert braked.tolist() == [-1.0, 0.0]


@pytest.mark.parametrize(
    ("plan", "velocity", "max_speed"),
    [
        (straight(), (0.5, -0.2), None),
        (corner(), (0.5, -0.2), None),
        (straight(), (0.5, -0.2), 2.0),
        (straight(), (5.2, 0.1), None),  # faster than the simulator lets a step begin
    ],
    ids=["straight", "corner", "slowed", "fast"],
)
def test_what_following_comes_to_is_known_before(env, plan, velocity, max_speed):
    """To the last digits, off the plan's start and with a speed of its own."""
    reference, dynamics = Reference.of(plan), Planner.from_pretrained(MODEL).embodiment.dynamics
    start = START[0], START[1] + 0.03

    def act(state, time):
        action = track(reference, state, time, dynamics)
        return action if max_speed is None else slowed(action, state[2:], max_speed, dynamics)

    foreseen = drive(reference, np.array([*start, *velocity]), dynamics, max_speed=max_speed)
    states = simulated(env, act, velocity, steps=len(foreseen) - 1, start=start)
    assert foreseen[:, :4] == pytest.approx(states, abs=1e-9)
    assert foreseen[-1, 4] >= reference.end - dynamics.dt


def test_what_following_comes_to_from_the_middle_of_a_plan_is_the_rest_of_it():
    reference = Reference.of(corner())
    start = np.array([*reference.at(0.0)[0] + 0.02, 0.0, 0.0])
    whole = drive(reference, start, BALL)
    count = len(whole) // 2
    rest = drive(reference, whole[count, :4], BALL, now=whole[count, 4])
    assert rest[:, :4] == pytest.approx(whole[count : count + len(rest), :4], abs=1e-12)
    assert len(whole) - count - len(rest) in (0, 1)
    assert rest[0, 4] == 0.0


def test_beyond_the_end_of_a_plan_the_robot_is_foreseen_at_rest_there():
    reference = Reference.of(corner())
    state = np.concatenate(reference.at(0.0)[:2])
    foreseen = drive(reference, state, BALL, lasting=reference.end + 1.0)
    assert foreseen[-1, 4] == pytest.approx(reference.end + 1.0, abs=BALL.dt)
    assert foreseen[-1, :2] == pytest.approx(reference.at(reference.end)[0], abs=1e-3)
    assert foreseen[-1, 2:4] == pytest.approx(0.0, abs=1e-3)
