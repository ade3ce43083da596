"""Episodes: recorded at the physics rate, errors kept as failures, workers without influence."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from glass_plan.constraints import Avoid, Ball
from glass_plan.executors import EpisodeTask, run_tasks
from glass_plan.methods import Sampling
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


def test_an_episode_that_raises_is_a_failure_with_its_text(env):
    episode = run_episode(env, Push(raise_at=0.1), seed=0, options=PLACES)
    assert episode.error == "ValueError: a broken controller"
    assert not episode.success
    assert not episode.safe
    report = SafetyReport.from_episodes([episode])
    assert (report.n, report.safe.k, report.success.k, report.errors) == (1, 0, 0, 1)


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
    there = dict(run_tasks(tasks, workers=2))
    for index, episode in here.items():
        assert np.array_equal(episode.states, there[index].states)
