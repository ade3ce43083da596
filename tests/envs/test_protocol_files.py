"""The shipped protocols: frozen, complete, solvable, and calm where an episode begins."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from glass_envs.freespace import FreeSpace
from glass_envs.mazes import MAZES
from glass_envs.protocols import BLOCKED, DURATION, LONGEST, Task, task_of
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.protocols import load_suite

FOLDER = Path(__file__).parents[2] / "experiments" / "protocols"
DIGESTS = {
    "maze2d_dynamic": ("24043e8e357af2d8", "74056782269a7f21"),
    "maze2d_goal": ("13ff8f79e873054a", "9dd6223a9c409a69"),
    "maze2d_hybrid": ("78a8118b4808de03", "3e821d8a487e72b9"),
    "maze2d_dynamic_medium": ("634e531763fd2997", "73bbf89ec02c2345"),
    "maze2d_goal_medium": ("40aa637b2a97d75e", "8c236a86b1f7bc30"),
    "maze2d_hybrid_medium": ("288027c149ffaadd", "7235349e090ea47b"),
    "maze2d_static_medium": ("62a1f9c36b95100f", "4fb42b1bece39800"),
    "maze2d_static": ("008ea052721e1dee", "42488dd6956e5790"),
}
"""Of the tuning and the reported scenes: a change makes all results void."""


@lru_cache
def space_of(name):
    return FreeSpace(MAZES["maze2d-medium" if name.endswith("_medium") else "maze2d-large"])


def test_every_file_is_frozen_here():
    assert {path.stem for path in FOLDER.glob("maze2d_*.yaml")} == set(DIGESTS)


@pytest.mark.parametrize("name", DIGESTS)
def test_scenes_and_budgets_are_what_results_were_made_with(name):
    tuning, reported = (load_suite(FOLDER / f"{name}.yaml", s) for s in ("tuning", "reported"))
    assert (tuning.protocol.digest, reported.protocol.digest) == DIGESTS[name]
    assert tuning.protocol.seeds == tuple(range(100))
    assert reported.protocol.seeds == tuple(range(1000, 1100))
    assert reported.protocol.sampler_seeds == (0, 1, 2)
    assert reported.protocol.nfe == 100


@pytest.mark.parametrize("name", DIGESTS)
def test_some_scenes_are_solvable_and_as_long_as_they_say(name):
    space, suite = space_of(name), load_suite(FOLDER / f"{name}.yaml")
    for scene in list(suite.scenes.values())[:3]:
        task = task_of(scene)
        assert space.shortest(task) == pytest.approx(scene.shortest, abs=0.01)
        assert space.shortest(task) <= LONGEST
        assert space.passable(task, DURATION[name.split("_")[1]])


@pytest.mark.parametrize("name", DIGESTS)
def test_no_scene_begins_in_violation(name):
    for scene in load_suite(FOLDER / f"{name}.yaml").scenes.values():
        start = torch.zeros(1, POINT_MASS.dim, dtype=torch.float64)
        start[0, POINT_MASS.slice("position")] = torch.tensor(
            scene.options["start"], dtype=torch.float64
        )
        for part in scene.constraints.parts().values():
            if part.is_safety:
                assert part.margin(Trajectory(start, POINT_MASS)) > 0.2


@pytest.mark.parametrize("name", ["maze2d_static", "maze2d_static_medium"])
def test_about_half_of_the_static_scenes_have_the_shortest_way_blocked(name):
    space, suite = space_of(name), load_suite(FOLDER / f"{name}.yaml")
    blocked = [
        scene.shortest
        > BLOCKED
        * space.shortest(Task(np.array(scene.options["start"]), np.array(scene.options["goal"])))
        for scene in list(suite.scenes.values())[:40]
    ]
    assert 0.25 < np.mean(blocked) < 0.75
