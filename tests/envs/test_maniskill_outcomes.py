"""What ManiSkill's worlds tell of an episode: states, ends, drops, pushes against solids."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from glass_plan.constraints import Ball, Reach
from glass_plan.rollout import run_episode
from tests.envs.arms import HOVER, Make, Pick, needs_maniskill

pytestmark = needs_maniskill


def test_states_of_an_episode_begin_with_the_place_of_the_tool(make: Make) -> None:
    traces = []

    class Spy(gymnasium.Wrapper[Any, Any, Any, Any]):
        def step(self, action: Any) -> Any:
            told = self.env.step(action)
            traces.append(told[-1]["trace"])
            return told

    env = make()
    episode = run_episode(Spy(gymnasium.wrappers.TimeLimit(env, 30)), Pick(env), seed=0)
    tool = np.concatenate([traces[0].tcp[:1], *(trace.tcp[1:] for trace in traces)])
    cube = [trace.objects["cube"][1:] for trace in traces]
    np.testing.assert_array_equal(episode.states[:, :3], tool[:, :3])
    np.testing.assert_array_equal(
        episode.states[1:, env.layout.slice("object")], np.concatenate(cube)
    )
    assert episode.states.shape[1] == env.layout.slice("action").start
    assert episode.margins == {}


def test_success_does_not_end_what_has_more_to_reach(make: Make) -> None:
    far = Reach(Ball((0.0, 0.0, 0.8), 0.01)).named("far")
    for constraints, ends in ((None, True), (far, False)):
        env = make(constraints=constraints)
        observation, _ = env.reset(seed=1)
        env.reset(seed=1, options={"goal_site": observation["achieved_goal"]})
        *_, terminated, _, info = env.step(HOVER)
        assert info["success"]
        assert terminated is ends
