"""The shipped ManiSkill protocols: frozen, solvable, calm where an episode begins, and drawn so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from glass_envs.maniskill.motions import centers_at, gap, held, solution
from glass_envs.maniskill.protocols import (
    ROOM,
    SIZES,
    asked_of,
    errand_of,
    placed,
    state_of,
    swept,
)
from glass_envs.maniskill.world import ManiSkill
from glass_plan.constraints import Avoid, Ball, Box, Moving, Reach, SpeedLimit
from glass_plan.layout import Trajectory
from glass_plan.protocols import load_suite
from glass_plan.robots import PANDA
from tests.envs.arms import needs_maniskill

FOLDER = Path(__file__).parents[2] / "experiments" / "protocols"
DIGESTS = {
    "maniskill_pick_goal": ("be35f947f2e68473", "0687bb51d22fc13c"),
    "maniskill_pick_static": ("de47563a9566d166", "8ba202132a3dd37d"),
    "maniskill_stack_hybrid": ("1c43d0696656980e", "c5c5dd248f28a94f"),
    "maniskill_stack_static": ("9b054134928fee0e", "a33390841369f651"),
}
"""Of the tuning and the reported scenes: a change makes all results void."""
PARTS = {
    "maniskill_pick_static": {Avoid},
    "maniskill_pick_goal": {Reach},
    "maniskill_stack_static": {Avoid},
    "maniskill_stack_hybrid": {Avoid, Reach, SpeedLimit},
}


def test_every_file_is_frozen_here():
    assert {path.stem for path in FOLDER.glob("maniskill_*.yaml")} == set(DIGESTS)


@pytest.mark.parametrize("name", DIGESTS)
def test_scenes_and_budgets_are_what_results_were_made_with(name):
    tuning, reported = (load_suite(FOLDER / f"{name}.yaml", s) for s in ("tuning", "reported"))
    assert (tuning.protocol.digest, reported.protocol.digest) == DIGESTS[name]
    assert tuning.protocol.seeds == tuple(range(100))
    assert reported.protocol.seeds == tuple(range(1000, 1100))
    assert reported.protocol.sampler_seeds == (0, 1, 2)
    assert (reported.protocol.nfe, reported.protocol.max_episode_steps) == (100, 200)
    assert reported.env_kwargs == {"control_mode": "pd_joint_pos"}


@pytest.mark.parametrize("name", DIGESTS)
def test_scenes_have_their_parts_and_leave_start_grasp_and_end_free(name):
    for scene in list(load_suite(FOLDER / f"{name}.yaml").scenes.values())[::10]:
        parts = list(scene.constraints.parts().values())
        assert {type(part) for part in parts} == PARTS[name]
        free = centers_at(*held(errand_of(scene.options)))
        for part in parts:
            if isinstance(part, Avoid):
                rooms = [float(gap(region, free).amin()) for region in swept(part.region)]
                assert min(rooms) > ROOM - 1e-3
                size = _size(part.region)
                assert SIZES[0] - 1e-3 <= size <= SIZES[1] + 1e-3


def _size(region):
    shape = region.shape if isinstance(region, Moving) else region
    if isinstance(shape, Ball):
        return 2 * shape.radius
    assert isinstance(shape, Box)
    return max(np.subtract(shape.high, shape.low))


@pytest.mark.parametrize("name", DIGESTS)
def test_some_scenes_are_solvable(name):
    pytest.importorskip("ompl")
    for seed, scene in list(load_suite(FOLDER / f"{name}.yaml").scenes.items())[:2]:
        parts = scene.constraints.parts().values()
        assert solution(asked_of(errand_of(scene.options), parts), seed) is not None


@pytest.mark.parametrize("name", DIGESTS)
def test_no_scene_begins_in_violation(name):
    for scene in load_suite(FOLDER / f"{name}.yaml").scenes.values():
        start = torch.zeros(1, PANDA.dim, dtype=torch.float64)
        start[0, PANDA.columns(PANDA.start)] = torch.from_numpy(state_of(scene.options))
        for part in scene.constraints.parts().values():
            if isinstance(part, Avoid):
                assert part.margin(Trajectory(start, PANDA)) > 0.01


@pytest.mark.parametrize("task", ["pick-cube", "stack-cube"])
@needs_maniskill[0]
@needs_maniskill[1]
def test_the_options_of_a_scene_bring_it_about(task):
    env = ManiSkill(task, control_mode="pd_joint_pos")
    options = placed(env, env.reset(seed=7)[0])
    again, _ = env.reset(seed=8, options=options)
    env.close()
    errand = errand_of(options)
    np.testing.assert_allclose(again["achieved_goal"], errand.cube, atol=2e-5)
    np.testing.assert_allclose(again["desired_goal"], errand.goal, atol=2e-5)
    np.testing.assert_allclose(again["observation"][:7], errand.joints, atol=2e-5)


def test_what_moves_takes_every_place_of_its_path():
    ball = Ball((0.0, 0.0, 0.0), 0.02)
    moving = Moving(ball, ((0.0, 0.0, 0.1), (0.1, 0.0, 0.1)), speed=0.1, loop=True)
    places = np.array([region.center for region in swept(moving)])
    for time in np.linspace(0, 3, 31):
        inside = moving.signed_distance(torch.from_numpy(places), torch.tensor(time))
        assert float(inside.min()) <= -0.015
    assert swept(ball) == [ball]
