"""The arm's tracker in ManiSkill: a demonstration followed as a plan does its task again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glass_envs.maniskill.demonstrator import demonstrate
from glass_envs.maniskill.tasks import TASKS
from glass_envs.maniskill.waypoints import panda_reading
from glass_envs.maniskill.world import ManiSkill
from glass_envs.recipes import ARM_RECIPES, prior_config
from glass_plan.bodies import tool_way
from glass_plan.data import Recorded
from glass_plan.embodiments import embodiment
from glass_plan.layout import Trajectory
from glass_plan.records import Plan, Status
from glass_plan.robots import PANDA
from glass_plan.trackers import tracker
from glass_plan.windows import Windows
from tests.envs.arms import needs_maniskill

pytestmark = needs_maniskill

SEED = 5000
STEPS = 200


def planned(task):
    """A demonstration as a plan: the waypoints of its prior, at speeds that joints may have."""
    recipe, config = ARM_RECIPES[task], prior_config(task)
    env = ManiSkill(recipe.task)
    trip = demonstrate(recipe.task, env, SEED)
    reading = panda_reading(Recorded(env.observed.channels, TASKS[recipe.task].achieved))
    env.close()
    windows = Windows([trip], horizon=recipe.horizon, spacing=recipe.spacing, reading=reading)
    whole = torch.tensor([0.0]), torch.tensor([float(len(trip.actions))])
    drawn = Trajectory(windows.windows(torch.tensor([0]), *whole).double(), reading.layout)
    driven = embodiment(config).drivable(drawn, max_speed=None, effort=0.75)
    one = Trajectory(driven.x[0], reading.layout)
    return Plan(one, driven, Status.FEASIBLE, {}, nfe=0, calls=0, wall_time=0.0)


@pytest.mark.parametrize("task", ARM_RECIPES)
def test_a_demonstration_followed_as_a_plan_does_its_task(task):
    plan, config = planned(task), prior_config(task)
    robot = embodiment(config)
    arm = tracker(robot, config.layout)
    follower, dt = arm.follower(plan), config.world.dt
    env = ManiSkill(ARM_RECIPES[task].task, control_mode="pd_joint_pos")
    observation, info = env.reset(seed=SEED)
    farthest = 0.0
    for k in range(STEPS):
        state = robot.state(observation).numpy()
        if k * dt < follower.end:
            farthest = max(farthest, follower.off(state, k * dt))
        observation, *_, info = env.step(follower.action(state, k * dt))
        if info["success"]:
            break
    env.close()
    assert info["success"]
    assert farthest < 0.05  # the object counts double


def test_an_arm_comes_to_rest_where_its_shield_reckons_with():
    recipe, config = ARM_RECIPES["pickcube"], prior_config("pickcube")
    env = ManiSkill(recipe.task, control_mode="pd_joint_pos")
    robot = embodiment(config)
    arm = tracker(robot, PANDA)
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        begin = robot.state(observation).numpy()
        speed = np.random.default_rng(seed).uniform(-0.5, 0.5, 7)
        asked = [np.array([*(begin[:7] + speed * (0.05 * k + 0.1)), 1.0]) for k in range(9)]
        for action in asked[:-1]:
            observation, *_ = env.step(action)
        before = robot.state(observation).numpy()
        backup = arm.backup(before, asked[-1], 0.0)
        observation, *_ = env.step(asked[-1])
        for _ in range(6):
            observation, *_ = env.step(arm.stop(robot.state(observation).numpy()))
        there = np.stack([before, robot.state(observation).numpy()])
        foreseen = tool_way(backup)[-1].numpy()
        assert np.linalg.norm(arm.tool(there)[1] - foreseen) < 0.006
        assert np.linalg.norm(arm.tool(there)[0] - foreseen) > 0.006
    env.close()
