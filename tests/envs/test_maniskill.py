"""ManiSkill's worlds as Gymnasium environments: contract, determinism, state, costs, errors."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence

import glass_envs  # noqa: F401  (registers the environments)
from glass_envs.maniskill.simulator import simulation
from glass_envs.maniskill.tasks import TASKS, Task
from glass_envs.maniskill.world import ManiSkill
from glass_plan.constraints import (
    Avoid,
    Ball,
    Box,
    Constraint,
    Inflated,
    JointLimits,
    Moving,
    Reach,
    SpeedLimit,
    StayIn,
    Visit,
)
from glass_plan.errors import LayoutError, RequestError
from glass_plan.rollout import run_episode
from tests.envs.arms import HOVER, Make, Pick, needs_maniskill

pytestmark = needs_maniskill

IDS = ["glass_plan/PickCube-v0", "glass_plan/StackCube-v0"]
GHOST = Avoid(Ball((0.02, 0.04, 0.1), 0.04)).named("ghost")  # between the hand and the table
SWEEP = Avoid(Moving(Box((-0.1, 0.2, 0.0), (0.0, 0.3, 0.1)), ((0, 0, 0), (0, -0.4, 0)), 0.5))
DOWN = np.array([0.0, 0.0, -0.5, 1.0])


def test_importing_the_environments_does_not_import_the_simulator() -> None:
    code = "import sys, glass_envs; assert not {'mani_skill', 'sapien', 'torch'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_nothing_to_complain_about(env_id: str) -> None:
    asked = {"constraints": GHOST & SWEEP.named("sweep") & Reach(GHOST.region), "solid": True}
    env = gymnasium.make(env_id, disable_env_checker=True, **asked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array_wrap__ must accept context")  # see setup.cfg
        check_env(env.unwrapped, skip_render_check=True)  # needs a driver: test_maniskill_bodies.py
    assert gymnasium.spec(env_id).max_episode_steps == 200
    env.close()


def test_copies_and_later_episodes_step_alike(make: Make) -> None:
    env = make("stack-cube", constraints=SWEEP.named("sweep"), solid=True)
    copy = pickle.loads(pickle.dumps(env))
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 4))

    def episode(env: ManiSkill) -> list[Any]:
        return [env.reset(seed=5), *map(env.step, actions)]

    first, second, third = episode(env), episode(copy), episode(env)
    copy.close()
    assert data_equivalence(first, second, exact=True)
    assert data_equivalence(first, third, exact=True)
    assert not np.array_equal(first[0][0]["observation"], env.reset(seed=6)[0]["observation"])


def test_a_seed_draws_what_maniskill_draws(make: Make) -> None:
    env = make(constraints=GHOST)
    theirs = simulation(TASKS["pick-cube"], control_mode="pd_ee_delta_pos", pictures=False)
    raw, _ = theirs.reset(seed=11)
    observation, _ = env.reset(seed=11)
    state = observation["observation"]
    for name, value in (raw["agent"] | raw["extra"]).items():
        if "_to_" not in name:
            np.testing.assert_array_equal(state[env.observed.slice(name)], value[0].float())
    np.testing.assert_array_equal(observation["achieved_goal"], raw["extra"]["obj_pose"][0, :3])
    np.testing.assert_array_equal(observation["desired_goal"], raw["extra"]["goal_pos"][0])
    theirs.close()


def test_episodes_without_a_seed_follow_from_the_last_seed(make: Make) -> None:
    env = make()
    draws = []
    for _ in range(2):
        env.reset(seed=3)
        draws.append([env.reset()[0]["observation"] for _ in range(2)])
    np.testing.assert_array_equal(*draws)
    assert not np.array_equal(draws[0][0], draws[0][1])


def test_a_trace_tells_what_the_observations_do_and_what_is_between(make: Make) -> None:
    env = make("stack-cube")
    observation, info = env.reset(seed=0)
    for k in range(5):
        last = info["trace"]
        assert last.times[-1] == info["time"] == pytest.approx(0.05 * k)
        state = {n: observation["observation"][env.observed.slice(n)] for n in env.observed.names}
        np.testing.assert_array_equal(last.joints[-1], state["qpos"])
        np.testing.assert_array_equal(last.joint_velocities[-1], state["qvel"])
        np.testing.assert_array_equal(last.objects["cubeA"][-1], state["cubeA_pose"])
        np.testing.assert_array_equal(last.objects["cubeB"][-1], state["cubeB_pose"])
        np.testing.assert_allclose(last.tcp[-1], state["tcp_pose"], atol=1e-6)
        hand = last.links[:, env.link_names.index("panda_hand_tcp")]
        np.testing.assert_array_equal(last.tcp, hand)
        observation, *_, info = env.step(DOWN)
        trace = info["trace"]
        assert trace.links.shape == (6, len(env.link_names), 7)
        np.testing.assert_allclose(np.diff(trace.times), 0.01)
        for before, after in ((last.links, trace.links), (last.velocity, trace.velocity)):
            np.testing.assert_array_equal(before[-1], after[0])
        moved = np.diff(trace.tcp[:, :3], axis=0) / 0.01
        np.testing.assert_allclose(trace.velocity[1:], moved, atol=1e-9)
    assert trace.velocity[-1, 2] < -0.3


def test_cost_counts_the_control_steps_with_a_violation(make: Make) -> None:
    env = make(constraints=GHOST)
    env.reset(seed=0)
    infos = [env.step(DOWN)[4] for _ in range(6)]
    margins = np.stack([info["margins"]["ghost"] for info in infos])  # (6, 5)
    assert [info["margin_ghost"] for info in infos] == margins.min(axis=1).tolist()
    costs = [info["cost_ghost"] for info in infos]
    assert costs == (margins < 0).any(axis=1).tolist()
    assert 0 < sum(costs) < len(costs)
    assert [info["cost"] for info in infos] == costs


def test_channels_of_the_robot_are_judged(make: Make) -> None:
    slow = SpeedLimit(0.2).named("slow")
    low, high = np.full(7, -3.0), np.full(7, 3.0)
    low[3] = -1.9  # the elbow begins at -1.92
    joints = JointLimits(tuple(low), tuple(high), channel="joints").named("elbow")
    room = StayIn(Box((-1, -1, -1), (1, 1, 1))).named("room")
    env = make(constraints=slow & joints & room)
    _, info = env.reset(seed=0)
    assert info["margin_slow"] == pytest.approx(0.2)
    assert info["margin_elbow"] == pytest.approx(info["trace"].joints[0, 3] + 1.9)
    infos = [env.step(DOWN)[4] for _ in range(4)]
    for info in infos:
        fastest = np.linalg.norm(info["trace"].velocity, axis=1).max()
        assert info["margin_slow"] == pytest.approx(0.2 - fastest, abs=1e-6)
        assert info["cost"] == info["cost_slow"] + info["cost_elbow"]
    assert infos[-1]["cost_slow"] == 1.0


def test_what_must_hold_once_is_remembered(make: Make) -> None:
    env = make(constraints=Reach(GHOST.region).named("visit"))
    _, info = env.reset(seed=0)
    seen = [info["reached_visit"], *(env.step(DOWN)[4]["reached_visit"] for _ in range(4))]
    seen += [env.step(-DOWN)[4]["reached_visit"] for _ in range(6)]
    assert not seen[0]
    assert seen[-1]
    assert sorted(seen) == seen


@pytest.mark.parametrize("seed", range(3))
def test_a_scripted_pick_solves_the_task_with_costs_counted(make: Make, seed: int) -> None:
    above = Avoid(Ball((0.5, 0.5, 0.5), 0.1)).named("far")
    table = Avoid(Box((-1, -1, -1), (1, 1, 0.05))).named("table")  # the cube is lower
    env = make(constraints=above & table)
    limited = gymnasium.wrappers.TimeLimit(env, 200)
    episode = run_episode(limited, Pick(env), seed)
    assert episode.error is None
    assert episode.success
    assert len(episode.actions) < 50
    np.testing.assert_allclose(np.diff(episode.times), 0.01)
    assert len(episode.states) == len(episode.times) == 5 * len(episode.actions) + 1
    assert episode.violations == {"far": 0, "table": 1}


def test_success_ends_the_episode_with_a_reward(make: Make) -> None:
    env = make()
    observation, info = env.reset(seed=1)
    assert not info["success"]
    _, reward, terminated, truncated, info = env.step(HOVER)
    assert (reward, terminated, truncated, info["success"]) == (0.0, False, False, False)
    there = {"goal_site": observation["achieved_goal"]}
    observation, info = env.reset(seed=1, options=there)
    np.testing.assert_array_equal(observation["desired_goal"], observation["achieved_goal"])
    assert info["success"]
    _, reward, terminated, truncated, info = env.step(HOVER)
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)


def test_joints_and_objects_begin_where_they_are_asked_to(make: Make) -> None:
    env = make()
    joints = np.array([0.1, 0.3, 0.0, -2.0, 0.0, 2.3, 0.7, 0.02, 0.02])
    turned = np.array([0.05, -0.08, 0.02, np.cos(0.3), 0, 0, np.sin(0.3)])
    _, drawn = env.reset(seed=2)
    _, info = env.reset(seed=2, options={"joints": joints, "cube": turned})
    trace = info["trace"]
    np.testing.assert_allclose(trace.joints[0], joints, atol=1e-6)
    np.testing.assert_allclose(trace.objects["cube"][0], turned, atol=1e-6)
    assert np.abs(trace.tcp - drawn["trace"].tcp).max() > 0.02
    *_, info = env.step(HOVER)
    assert np.abs(info["trace"].joints[-1, :7] - joints[:7]).max() < 0.01  # the controller holds
    moved, _ = env.reset(seed=2, options={"cube": (0.0, 0.1, 0.02)})
    np.testing.assert_allclose(moved["achieved_goal"], (0.0, 0.1, 0.02), atol=1e-6)


@pytest.mark.parametrize(
    "task",
    [
        "push-cube",
        "pull-cube",
        "peg-insertion",  # builds a new scene in every reset
        Task("LiftPegUpright-v1", "obj_pose", "tcp_pose", offset=(0.0, 0.0, 0.1), actor="peg"),
    ],
)
def test_other_tasks_of_maniskill_are_worlds_too(make: Make, task: str | Task) -> None:
    env = make(task, constraints=GHOST, control_mode="pd_joint_pos", solid=True)
    for seed in range(2):
        observation, _ = env.reset(seed=seed)
        assert env.observation_space.contains(observation)
        entities = env._simulation.scene.sub_scenes[0].entities
        assert sum(entity.name.startswith("drawn") for entity in entities) == 1
    action = np.append(observation["observation"][:7], 1.0)
    observation, *_, info = env.step(action)
    assert env.observation_space.contains(observation)
    assert np.abs(info["trace"].joints[-1, :7] - action[:7]).max() < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cub": (0, 0, 0)}, "unknown option 'cub'; did you mean 'cube'"),
        ({"table-workspace": (0, 0, 0)}, "valid: cube, goal_site, joints"),
        ({"cube": (0, 0)}, "'cube' must be 3 or 7 finite numbers"),
        ({"cube": (0, 0, np.nan)}, "'cube' must be 3 or 7 finite numbers"),
        ({"cube": (0, 0, 0, 1, 1, 0, 0)}, "quaternion of length 1, got 1.41"),
        ({"joints": np.zeros(7)}, "'joints' must be 9 finite numbers"),
        ({"joints": "home"}, "'joints' must be numbers"),
    ],
)
def test_places_that_cannot_be_meant_are_refused(
    make: Make, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        make().reset(options=options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "pick-cub"}, "unknown task 'pick-cub'; did you mean 'pick-cube'"),
        ({"task": Task("PickCube-v9", "obj_pose", "goal_pos")}, "did you mean 'PickCube-v1'"),
        ({"task": Task("PickCube-v1", "cube_pose", "goal_pos")}, "PickCube-v1 has no 'cube_pose'"),
        ({"control_mode": "pd_ee_delta"}, "control mode pd_ee_delta not in supported modes"),
        ({"render_mode": "human"}, "unknown render mode 'human'"),
        ({"constraints": Visit(GHOST.region).then(GHOST.region)}, "takes more than one instant"),
        (
            {"constraints": Avoid(Inflated(GHOST.region, rate=0.1)), "solid": True},
            "changes its shape with time",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        ManiSkill(**arguments)


@pytest.mark.parametrize(
    "constraint", [Avoid(Ball((0.0, 0.0), 0.1)), JointLimits((-1.0,), (1.0,), channel="wheels")]
)
def test_constraints_on_what_the_robot_has_not_are_refused(constraint: Constraint) -> None:
    with pytest.raises(LayoutError):
        ManiSkill(constraints=constraint)


def test_a_ghost_that_cannot_be_drawn_is_judged_all_the_same(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    env = make(constraints=Avoid(Inflated(GHOST.region, rate=0.1)).named("growing"))
    assert "growing is judged, but not drawn" in caplog.text
    _, info = env.reset(seed=0)
    _, *_, later = env.step(HOVER)
    assert later["margin_growing"] < info["margin_growing"]


def test_actions_that_are_none_are_refused(make: Make) -> None:
    env = make()
    env.reset(seed=0)
    for action in (np.zeros(3), np.zeros((1, 4)), [np.nan, 0, 0, 0]):
        with pytest.raises(RequestError, match=r"finite numbers of shape \(4,\)"):
            env.step(np.array(action))
