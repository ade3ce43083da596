"""Recipes: the priors they build, and what those are trained on."""

from __future__ import annotations

import pytest

from glass_envs.recipes import (
    ARM_RECIPES,
    RECIPES,
    dataset_id,
    prior_config,
    prior_name,
    training_windows,
)
from glass_plan.checkpoint import ArmWorld, World, build_prior, from_pretrained
from glass_plan.cli.models import train
from glass_plan.data import write_minari
from glass_plan.errors import DataError
from glass_plan.layout import POINT_MASS
from glass_plan.robots import PANDA
from tests import tiny


@pytest.fixture
def minari_root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "data"))


@pytest.mark.parametrize("task", ARM_RECIPES)
def test_an_arms_recipe_builds_a_prior_of_its_layout(task):
    config = prior_config(task)
    prior = build_prior(config)
    assert prior.shape == (64, 12)
    assert prior.layout == PANDA
    assert isinstance(config.world, ArmWorld)
    assert (prior_name(task), dataset_id(task)) == (
        f"maniskill-{task}",
        f"glass_plan/maniskill-{task}-v0",
    )


@pytest.mark.parametrize("task", RECIPES)
def test_a_mazes_recipe_builds_a_prior_of_a_point_mass(task):
    config = prior_config(task)
    assert config.layout == POINT_MASS
    assert isinstance(config.world, World)
    assert (prior_name(task), dataset_id(task)) == (task, f"glass_plan/{task}-v0")


def test_demonstrations_with_the_arm_train_a_prior_that_loads(minari_root, tmp_path):
    write_minari(dataset_id("pickcube"), [tiny.grasp()] * 2, description="", recorded=tiny.STATES)
    out = tmp_path / "run"
    assert train("pickcube", steps=2, batch=4, out=out) == 0
    prior, config = from_pretrained(str(out / "pretrained"))
    assert prior.layout == PANDA
    assert config.world == ArmWorld(max_joint_speed=2.0, max_tool_speed=1.0, dt=0.05)


def test_states_of_a_maze_train_no_arm(minari_root):
    write_minari("glass_plan/other-v0", [tiny.straight_trip()], description="")
    with pytest.raises(DataError, match="unknown channel 'qpos'"):
        training_windows("pickcube", "glass_plan/other-v0")
    with pytest.raises(DataError, match="no local Minari data set 'maze-v0'"):
        training_windows("pickcube", "maze-v0")
