"""Episodes: recorded at the physics rate, errors kept as failures, workers without influence."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from glass_plan.constraints import Avoid, Ball, Reach
from glass_plan.executors import EpisodeTask, run_tasks
from glass_plan.methods import Sampling
from glass_plan.results import Row
from glass_plan.rollout import run_episode
from glass_plan.safety import SafetyReport
from tests.models import ENV_ID, MODEL


class Push:
    """Pushes in one direction; raises at a given time."""

    decisions = ()

    def __init__(self, action=(0.2, 0.0), raise_at=float("inf")):
        self.action, self.raise_at = np.array(action), raise_at

    def reset(self, goal, seed):
        pass

    def act(self, observation, time):
        if time >= self.raise_at:
            raise ValueError("a broken controller")
        return self.action


@pytest.fixture
def env():
    made = gymnasium.make(ENV_ID, constraints=Avoid(Ball((0.0, -1.0), 0.2)).named("disc"))
    yield made
    made.close()


class Skip(gymnasium.Wrapper):
    """Five physics steps a step; tells of all of them."""

    untold = ()

    def reset(self, **kwargs):
        observation, info = self.env.reset(**kwargs)
        return observation, self.tell([(observation, info)])

    def step(self, action):
        steps = [self.env.step(action) for _ in range(5)]
        info = self.tell([(step[0], step[-1]) for step in steps])
        return *steps[-1][:-1], {**info, "measure_push": info["time"] ** 2}

    def tell(self, steps):
        last = steps[-1][1]
        told = {
            "times": np.array([info["time"] for _, info in steps]),
            "states": np.stack([observation["observation"] for observation, _ in steps]),
            "margins": {
                name: np.array([info[f"margin_{name}"] for _, info in steps])
                for name in ("walls", "disc")
            },
        }
        if last["time"] > 0:
            for name in self.untold:
                told["margins"].pop(name)
        return {"success": last["success"], "time": last["time"], **told}


PLACES = {"start": (-1.0, -1.0), "goal": (-1.0, 1.0)}


def test_every_physics_step_is_recorded(env):
    episode = run_episode(env, Push(), seed=0, options=PLACES)
    assert len(episode.states) == len(episode.times) == 301
    assert episode.actions.shape == (300, 2)
    assert np.allclose(np.diff(episode.times), 0.01)
    assert {name: margin.shape for name, margin in episode.margins.items()} == {
        "walls": (300,),
        "disc": (300,),
    }
    distance = np.hypot(episode.states[1:, 0], episode.states[1:, 1] + 1.0) - 0.3
    assert np.all(episode.margins["disc"] <= distance + 1e-9)
    assert episode.violations["disc"] == 1
    assert not episode.success


def test_several_physics_steps_a_step_are_recorded_like_single_ones(env):
    single = run_episode(env, Push(), seed=0, options=PLACES)
    several = run_episode(Skip(env), Push(), seed=0, options=PLACES)
    assert np.array_equal(several.times, single.times)
    assert np.array_equal(several.states, single.states)
    assert several.actions.shape == (60, 2)
    for name, margin in single.margins.items():
        assert np.array_equal(several.margins[name], margin)
    one, other = (Row.of(episode) for episode in (single, several))
    assert one == other
    assert one.violations["disc"] == 1
    assert one.violated_time > 0
    assert several.info["push"] == pytest.approx(9.0)


def test_what_is_not_told_of_every_physics_step_is_an_error(env):
    skipping = Skip(env)
    skipping.untold = ("disc",)
    episode = run_episode(skipping, Push(), seed=0, options=PLACES)
    assert "margins of walls, disc, got 5 states and margins {'walls': 5}" in episode.error
    assert len(episode.times) == len(episode.states) == 1
    assert {name: margin.shape for name, margin in episode.margins.items()} == {
        "walls": (0,),
        "disc": (0,),
    }


def test_an_episode_that_raises_is_a_failure_with_its_text(env):
    episode = run_episode(env, Push(raise_at=0.1), seed=0, options=PLACES)
    assert episode.error == "ValueError: a broken controller"
    assert not episode.success
    assert not episode.safe
    report = SafetyReport.from_episodes([episode])
    assert (report.n, report.safe.k, report.success.k, report.errors) == (1, 0, 0, 1)


@pytest.mark.parametrize("kind", [KeyError, TypeError, IndexError, OSError])
def test_whatever_a_controller_raises_is_kept(env, kind):
    class Broken(Push):
        def act(self, observation, time):
            raise kind("broken")

    episode = run_episode(env, Broken(), seed=0, options=PLACES)
    assert episode.error.startswith(kind.__name__)
    assert not episode.safe


def test_an_error_leaves_what_was_driven_until_then(env):
    episode = run_episode(env, Push(raise_at=0.1), seed=0, options=PLACES)
    assert len(episode.states) == len(episode.times) == len(episode.actions) + 1 == 11
    assert all(len(margin) == 10 for margin in episode.margins.values())


def test_states_are_the_simulators_trace(env):
    traces = []

    class Spy(gymnasium.Wrapper):
        def step(self, action):
            result = self.env.step(action)
            traces.append(result[-1]["trace"])
            return result

    episode = run_episode(Spy(env), Push(), seed=0, options=PLACES)
    assert np.array_equal(episode.states[:-1], np.stack(traces)[:, 0])
    assert np.array_equal(episode.states[1:], np.stack(traces)[:, 1])


def test_a_region_to_reach_decides_over_success():
    for centre, met in (((0.4, -1.0), True), ((1.0, 1.0), False)):
        env = gymnasium.make(ENV_ID, constraints=Reach(Ball(centre, 0.2)).named("tour"))
        places = {"start": (1.0, -1.0), "goal": (-0.2, -1.0)}
        episode = run_episode(env, Push((-0.3, 0.0)), seed=0, options=places)
        env.close()
        assert episode.info == {
            "reached_tour": float(met),
            "success_once": 1.0,  # at the goal, whatever was to be reached
            "success_at_end": float(met),  # or driven on, and past it
        }
        assert episode.success is met


def test_same_seeds_same_episode(env):
    first, again, other = (run_episode(env, Push(), seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.states, again.states)
    assert np.array_equal(first.goal, again.goal)
    assert not np.array_equal(first.goal, other.goal)


def test_success_ends_the_episode(env):
    episode = run_episode(
        env, Push((-0.3, 0.0)), seed=0, options={"start": (1.0, -1.0), "goal": (-0.2, -1.0)}
    )
    assert episode.success
    assert len(episode.actions) < 300


def test_workers_do_not_change_the_episodes():
    tasks = [
        EpisodeTask(
            env_id=ENV_ID,
            model=MODEL,
            sampling=Sampling.unguided(4),
            seed=seed,
            env_kwargs={"max_episode_steps": 60},
        )
        for seed in range(2)
    ]
    here = {index: task.run() for index, task in enumerate(tasks)}
    for workers in (1, 2):
        there = dict(run_tasks(tasks, workers=workers))
        assert set(there) == set(here)
        for index, episode in here.items():
            assert np.array_equal(episode.states, there[index].states)
            assert np.array_equal(episode.actions, there[index].actions)
