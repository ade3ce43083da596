"""Scenes: solvable, reproducible, hard where the routes are."""

from __future__ import annotations

import itertools

import numpy as np

from glass_envs.mazes import MAZES
from glass_envs.scenes import END_CLEARANCE, draw_scene, solvable

MAZE = MAZES["maze2d-umaze"]
START, GOAL = np.array([-1.0, -1.0]), np.array([-1.0, 1.0])


def test_a_disc_that_fills_the_corridor_is_not_solvable():
    assert not solvable(MAZE, START, GOAL, np.array([[1.0, 0.0, 0.45]]))
    assert not solvable(MAZE, START, GOAL, np.array([[1.0, 0.0, 0.25]]))  # gaps of 0.25 m
    assert solvable(MAZE, START, GOAL, np.array([[1.35, 0.0, 0.25]]))


def routes(start, goal, seed):
    """Around the U, in straight lines."""
    corners = np.array([start, [1.0, start[1]], [1.0, goal[1]], goal])
    parts = [np.linspace(a, b, 20) for a, b in itertools.pairwise(corners)]
    return np.concatenate(parts)[None]


def test_a_scene_is_decided_by_its_seed():
    first, again, other = (draw_scene(MAZE, routes, seed, discs=1) for seed in (4, 4, 5))
    assert first == again
    assert first.discs != other.discs


def test_discs_leave_start_and_goal_alone():
    scene = draw_scene(MAZE, routes, 4, discs=1)
    assert set(scene.constraints.parts()) == {"disc_1"}
    for x, y, radius in scene.discs:
        for end in (scene.start, scene.goal):
            assert np.hypot(x - end[0], y - end[1]) - radius - 0.1 > END_CLEARANCE
