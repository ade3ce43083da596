"""The scripted demonstrator: it does the task in real physics, in more than one way."""

from __future__ import annotations

import minari
import numpy as np
import pytest

from glass_envs.maniskill.collect import FIRST_SEED, collect
from glass_envs.maniskill.demonstrator import (
    LONGEST,
    PATIENCE,
    REACH,
    Manner,
    _stuck,
    demonstrate,
)
from glass_envs.maniskill.tasks import TASKS
from glass_envs.maniskill.world import ManiSkill
from glass_plan.data import read_recorded, write_minari
from glass_plan.errors import RequestError
from glass_plan.layout import Channel, Layout
from tests.envs.arms import needs_maniskill

pytestmark = needs_maniskill


@pytest.fixture(scope="module", params=["pick-cube", "stack-cube"])
def task(request):
    return request.param


@pytest.fixture(scope="module")
def made(task):
    return collect(task, 4, workers=1)


def cube(made):
    """Columns of its place in a state."""
    return list(made.recorded.columns(made.recorded.achieved, 3))


def test_demonstrations_bring_the_cube_to_its_goal(made):
    assert len(made.trips) == 4
    for trip in made.trips:
        assert np.linalg.norm(trip.states[-1, cube(made)] - trip.goal) < 0.03
        assert trip.states.shape == (len(trip.actions) + 1, made.recorded.dim)
        assert len(trip.actions) <= LONGEST
        assert np.abs(trip.actions).max() <= 1.0


def test_the_tool_keeps_to_its_speed(made):
    tool = made.recorded.columns("tcp_pose")[0]
    for seed, trip in zip(range(FIRST_SEED, FIRST_SEED + 4), made.trips, strict=False):
        asked = REACH * np.linalg.norm(trip.actions[:, :3], axis=1)
        assert asked.max() <= max(0.05, Manner.draw(np.random.default_rng((seed, 1))).speed) + 1e-6
        assert np.diff(trip.states[:, tool : tool + 3], axis=0).max() < 0.08


def test_the_data_do_not_depend_on_the_number_of_processes(task, made):
    again = collect(task, 4, workers=2)
    assert again.failed == made.failed
    for one, two in zip(made.trips, again.trips, strict=True):
        assert np.array_equal(one.states, two.states)
        assert np.array_equal(one.actions, two.actions)


def test_one_scene_is_done_in_more_than_one_way():
    manners = [Manner.draw(np.random.default_rng((seed, 1))) for seed in range(40)]
    aside = [np.sign(manner.detours[1][0]) for manner in manners]
    assert {-1, 0, 1} == set(aside)
    assert max(m.speed for m in manners) > 2 * min(m.speed for m in manners)


def test_a_data_set_of_the_arm_is_written_and_read(made, task, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    write_minari("tests/arm-v0", made.trips, description="", recorded=made.recorded)
    assert read_recorded("tests/arm-v0") == made.recorded
    read = list(minari.load_dataset("tests/arm-v0").iterate_episodes())
    assert len(read) == 4
    for episode, trip in zip(read, made.trips, strict=True):
        assert np.array_equal(episode.observations["achieved_goal"], trip.states[:, cube(made)])
        assert np.array_equal(episode.observations["desired_goal"][0], trip.goal)


def test_a_task_without_a_script_is_refused():
    with pytest.raises(RequestError, match="unknown task 'push-cube'"):
        demonstrate("push-cube", None, 0)
    assert "push-cube" in TASKS


def test_an_arm_that_gets_stuck_is_given_up(monkeypatch):
    env = ManiSkill("pick-cube")
    steps: list[int] = []
    step = env.step
    monkeypatch.setattr(env, "step", lambda action: steps.append(1) or step(0 * action))
    assert demonstrate("pick-cube", env, 1) is None
    assert len(steps) == PATIENCE
    env.close()


def test_going_down_and_up_again_is_not_stuck():
    states = [np.array([0.0, 0.0, abs(k) * 0.01]) for k in range(-13, 14)]
    observed = Layout((Channel("tcp_pose", 3, "m"),))
    assert not _stuck(states, observed)
    assert _stuck([0.01 * state for state in states], observed)


def test_a_cube_that_need_not_move_shows_nothing():
    env = ManiSkill("pick-cube")
    observation, _ = env.reset(seed=0)
    done = {"goal_site": observation["achieved_goal"] + np.array([0.02, 0.0, 0.0])}
    reset = env.reset
    env.reset = lambda seed: reset(seed=seed, options=done)
    assert demonstrate("pick-cube", env, 0) is None
    env.close()
