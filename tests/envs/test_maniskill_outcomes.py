"""What ManiSkill's worlds tell of an episode: states, ends, drops, pushes against solids."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from glass_envs.maniskill.world import ManiSkill
from glass_plan.constraints import Avoid, Ball, Moving, Reach
from glass_plan.rollout import run_episode
from tests.envs.arms import HIGH, HOVER, Make, Pick, link, needs_maniskill

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


def test_a_cube_that_is_let_go_in_the_air_is_dropped(make: Make) -> None:
    env = make()
    for lets_go in (False, True):
        controller = Pick(env)
        observation, info = env.reset(seed=0, options=HIGH)
        controller.reset(observation["desired_goal"], 0)
        told = [info["measure_dropped"]]
        ended, opened = False, False
        while not ended and len(told) < 60:
            action = controller.act(observation, info["time"])
            opened |= lets_go and observation["achieved_goal"][2] > 0.12
            action[3] = 1.0 if opened else action[3]
            observation, _, ended, _, info = env.step(action)
            told.append(info["measure_dropped"])
        assert told == sorted(told)
        assert told[-1] == float(lets_go)
        assert ended is not lets_go


def test_pushes_against_solids_add_up(make: Make, bare: ManiSkill) -> None:
    x, y, z = link(bare, "panda_leftfinger").tolist()
    flying = Avoid(Moving(Ball((0, 0, 0), 0.03), ((x, y + 0.4, z), (x, y - 0.4, z)), 4.0))
    env = make(constraints=flying.named("flying"), solid=True)
    env.reset(seed=0)
    infos = [env.step(HOVER)[4] for _ in range(5)]
    contacts = [contact for info in infos for contact in info["trace"].contacts]
    impulse = sum(contact.impulse for contact in contacts if contact.by_robot)
    assert impulse > 0
    assert infos[-1]["measure_impulse"] == pytest.approx(impulse)
    for info in infos:
        for contact in info["trace"].contacts:
            step = round(100 * (contact.time - info["times"][0]))
            assert info["margins"]["flying"][step] <= -contact.depth
