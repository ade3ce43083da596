"""What ManiSkill's worlds judge: the whole arm and what it moves, at every physics step."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glass_envs.maniskill.layouts import Channels
from glass_envs.maniskill.tasks import TASKS, Task
from glass_envs.maniskill.world import ManiSkill
from glass_plan.bodies import spheres_of
from glass_plan.constraints import (
    Always,
    AnyOf,
    Avoid,
    Ball,
    Box,
    JerkLimit,
    Moving,
    Reach,
)
from glass_plan.errors import RequestError
from glass_plan.results import Row
from glass_plan.rollout import run_episode
from tests.envs.arms import HIGH, HOVER, Make, Pick, Stay, link, needs_maniskill, placed

pytestmark = needs_maniskill

Array = NDArray[np.float64]


@pytest.mark.parametrize("task", ["stack-cube", "peg-insertion"])
def test_the_spheres_are_where_the_simulation_has_the_links(make: Make, task: str) -> None:
    env = make(task, control_mode="pd_joint_delta_pos")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(10):
        *_, info = env.step(rng.uniform(-1, 1, 8))
    way = env._channels.trajectory(info["trace"], np.zeros(8))
    kept = spheres_of(env.layout, tool=False, dtype=torch.float64, device=torch.device("cpu"))
    for k in (0, 5):
        found = dict(zip(kept.kept, kept.centers(way.x)[k].numpy(), strict=True))
        expected = dict(placed(env, info["trace"], k))
        assert found.keys() == expected.keys()
        assert len(found) >= 38 + 8
        for sphere, at in expected.items():
            np.testing.assert_allclose(found[sphere], at, atol=2e-5)


@pytest.mark.parametrize("task", ["pick-cube", "peg-insertion"])
def test_no_corner_of_what_collides_is_5_mm_outside_of_the_spheres(make: Make, task: str) -> None:
    env = make(task)
    for seed in range(2):
        _, info = env.reset(seed=seed)
        centers = np.array([at for _, at in placed(env, info["trace"], 0)])
        radii = np.array([sphere.radius for sphere, _ in placed(env, info["trace"], 0)])
        found = corners(env)
        assert len(found) > 300
        outside = np.linalg.norm(found[:, None] - centers, axis=-1) - radii
        assert outside.min(axis=1).max() < 0.005


def corners(env: ManiSkill) -> Array:
    """Of all that collides and moves with the robot, and of the object, in the world [m]."""
    simulation = env._simulation
    links = [at for at in simulation.agent.robot.links if at.name != "panda_link0"]
    found = []
    for thing in (*links, simulation.scene.actors[env.task.actor]):
        rigid = thing._bodies[0]
        for shape in rigid.collision_shapes:
            points = getattr(shape, "vertices", None)
            if points is None:
                signs = np.stack(np.meshgrid(*[[-1, 1]] * 3), axis=-1).reshape(-1, 3)
                points = signs * shape.half_size
            pose = rigid.entity.pose * shape.local_pose
            matrix = pose.to_transformation_matrix()
            found.append(points * getattr(shape, "scale", 1) @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(found)


def test_margins_are_those_of_the_spheres_at_the_simulated_poses(
    make: Make, bare: ManiSkill
) -> None:
    ball = Ball(tuple(link(bare, "panda_link5") + np.array([0.0, 0.22, 0.0])), 0.04)
    env = make(constraints=Avoid(ball, margin=0.01).named("ball"))
    env.reset(seed=0)
    costs = []
    for _ in range(8):
        *_, info = env.step(np.array([0.0, 1.0, 0.0, 0.0]))
        costs.append(info["cost_ball"])
        gaps = []
        for k in range(6):
            spheres = placed(env, info["trace"], k)
            away = [np.linalg.norm(at - ball.center) - sphere.radius for sphere, at in spheres]
            gaps.append(min(away) - ball.radius - 0.01)
        worse = np.minimum(gaps[1:], gaps[:-1])  # of both ends of each physics step
        margins = info["margins"]["ball"]
        assert margins.shape == (5,)
        assert (margins <= worse + 1e-5).all()
        assert (margins >= worse - 0.006).all()  # half of what moves fastest moves in 10 ms
        assert info["margin_ball"] == margins.min()
    assert 0 < sum(costs) < 8


@pytest.mark.parametrize(("name", "aside"), [("panda_link4", 0.0), ("panda_leftfinger", -0.02)])
def test_a_link_counts_where_the_tool_would_pass(
    make: Make, bare: ManiSkill, name: str, aside: float
) -> None:
    ball = Ball(tuple(link(bare, name) + np.array([0.0, aside, 0.0])), 0.02)
    env = make(constraints=Avoid(ball).named("ball") & Reach(ball).named("touch"))
    _, info = env.reset(seed=0)
    place = bare.layout.slice("position")
    assert np.linalg.norm(info["states"][0, place] - ball.center) > ball.radius + 0.02
    assert info["margins"]["ball"].shape == (1,)
    assert info["margin_ball"] < 0
    assert info["cost_ball"] == info["cost"] == 1.0
    assert not info["reached_touch"]  # which is for the tool
    *_, info = env.step(HOVER)
    assert (info["margins"]["ball"] < 0).all()


def test_what_is_held_counts(make: Make) -> None:
    env = make(constraints=Avoid(Box((-0.2, -0.2, -0.1), (0.2, 0.2, 0.05))).named("below"))
    controller = Pick(env)
    observation, info = env.reset(seed=0, options=HIGH)
    assert info["margin_below"] == pytest.approx(-0.05 - 0.0033, abs=1e-4)  # the cube on the table
    controller.reset(observation["desired_goal"], 0)
    ended = False
    while not ended:
        observation, _, ended, _, info = env.step(controller.act(observation, info["time"]))
    cube = info["states"][-1, env.layout.slice("object")]
    np.testing.assert_array_equal(cube, info["trace"].objects["cube"][-1])
    assert cube[2] > 0.2
    assert info["margins"]["below"][-1] == pytest.approx(cube[2] - 0.02 - 0.05, abs=0.006)
    hand = [at[2] - s.radius for s, at in placed(env, info["trace"], 5) if "finger" in s.frame]
    assert min(hand) - 0.05 > info["margins"]["below"][-1] + 0.005


def through_the_wrist(env: ManiSkill, speed: float, *, loop: bool = False) -> Moving:
    """A thin board that sweeps through the hand, far above the cube."""
    x, y, z = link(env, "panda_hand").tolist()
    board = Box((-0.02, -0.005, -0.02), (0.02, 0.005, 0.02))
    return Moving(board, ((x, y - 0.5, z), (x, y + 0.5, z)), speed, loop=loop)


def test_an_entry_between_two_control_steps_is_counted_once(make: Make, bare: ManiSkill) -> None:
    sweep = Avoid(through_the_wrist(bare, 18.0)).named("sweep")
    env = make(constraints=sweep)
    episode = run_episode(gymnasium.wrappers.TimeLimit(env, 3), Stay(), seed=0)
    assert episode.error is None
    assert episode.times.tolist() == pytest.approx([0.01 * k for k in range(16)])
    assert (len(episode.states), len(episode.margins["sweep"]), len(episode.actions)) == (16, 15, 3)
    below = episode.margins["sweep"] < 0
    assert 1 <= below.sum() <= 4
    assert not below[[0, 4, 5, 9]].any()  # at the ends of control steps
    assert episode.violations == {"sweep": 1}
    assert Row.of(episode).violated_time == pytest.approx(0.01 * below.sum())
    env.reset(seed=0)
    assert sum(env.step(HOVER)[4]["cost_sweep"] for _ in range(3)) == 1.0


def test_two_entries_within_a_control_step_are_two(make: Make, bare: ManiSkill) -> None:
    again = Avoid(through_the_wrist(bare, 30.0, loop=True)).named("again")  # there and back
    env = make(constraints=again)
    env.reset(seed=0)
    below = env.step(HOVER)[4]["margins"]["again"] < 0
    assert np.diff(below.astype(int)).clip(0).sum() == 2, below


def test_parts_of_every_kind_have_a_margin_for_every_physics_step(
    make: Make, bare: ManiSkill
) -> None:
    ball = Ball(tuple(link(bare, "panda_hand") - np.array([0.0, 0.0, 0.25])), 0.05)
    off = Avoid(ball)
    soon, smooth = Always(off, window=(0.06, 0.08)).named("soon"), JerkLimit(1e-3).named("smooth")
    either = AnyOf((off, Avoid(ball, 0.1))).named("either")
    env = make(constraints=off.named("off") & soon & either & smooth)
    assert {len(margins) for margins in env.reset(seed=0)[1]["margins"].values()} == {1}
    down = np.array([0.0, 0.0, -0.5, 0.0])
    told = [env.step(down)[4]["margins"] for _ in range(3)]
    margins = {name: np.concatenate([steps[name] for steps in told]) for name in told[0]}
    np.testing.assert_array_equal(margins["either"], margins["off"])
    np.testing.assert_allclose(margins["soon"][5:9], margins["off"][5:9], atol=1e-9)
    assert (margins["soon"][[0, 1, 2, 3, 10, 11]] > 1e8).all()  # nothing is asked for then
    assert (margins["smooth"] < 0).any()


def test_robots_without_spheres_are_judged_by_their_tool(bare: ManiSkill) -> None:
    task = replace(TASKS["pick-cube"], robot="xarm6_robotiq")
    assert Channels.of(task, bare._simulation).layout.body is None
    assert bare.layout.body is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actor": "cub"}, "PickCube-v1 moves no actor 'cub'; did you mean 'cube'"),
        ({"actor": "goal_site"}, "moves no actor 'goal_site'; valid: cube"),
        ({"grasped": "is_graspd"}, "does not tell 'is_graspd'; did you mean 'is_grasped'"),
    ],
)
def test_tasks_that_do_not_fit_the_scene_are_refused(
    make: Make, changes: dict[str, str], message: str
) -> None:
    task = replace(TASKS["pick-cube"], held=(), **changes)
    with pytest.raises(RequestError, match=message):
        make(task).reset(seed=0)


def test_a_task_without_an_object_has_no_channel_of_it(make: Make) -> None:
    env = make(Task("PickCube-v1", "obj_pose", "goal_pos"))
    assert "object" not in env.layout.names
    assert env.layout.body is not None
    assert "measure_dropped" not in env.reset(seed=0)[1]
