"""Scenes: solvable, reproducible, hard where the routes are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from glass_envs.mazes import MAZES
from glass_envs.scenes import END_CLEARANCE, OFFSET, RADIUS_RANGE, draw_scene, solvable

MAZE = MAZES["maze2d-umaze"]
START, GOAL = np.array([-1.0, -1.0]), np.array([-1.0, 1.0])


def test_a_disc_that_fills_the_corridor_is_not_solvable():
    assert not solvable(MAZE, START, GOAL, np.array([[1.0, 0.0, 0.45]]))
    assert not solvable(MAZE, START, GOAL, np.array([[1.0, 0.0, 0.25]]))  # gaps of 0.25 m
    assert solvable(MAZE, START, GOAL, np.array([[1.35, 0.0, 0.25]]))


def test_two_discs_close_what_one_leaves_open():
    left, right = [0.8, 0.0, 0.15], [1.2, 0.0, 0.15]
    assert solvable(MAZE, START, GOAL, np.array([[0.7, 0.0, 0.15]]))
    assert solvable(MAZE, START, GOAL, np.array([[1.3, 0.0, 0.15]]))
    assert not solvable(MAZE, START, GOAL, np.array([left, right]))


def test_a_disc_off_the_way_changes_nothing():
    here = np.array([0.0, -1.0])
    assert solvable(MAZE, START, here, np.array([[1.0, 0.0, 0.45]]))


def test_a_disc_on_an_end_is_not_solvable():
    assert not solvable(MAZE, START, GOAL, np.array([[*GOAL, 0.2]]))


def routes(start, goal, seed):
    """Around the U, in straight lines."""
    corners = np.array([start, [1.0, start[1]], [1.0, goal[1]], goal])
    parts = [np.linspace(a, b, 20) for a, b in itertools.pairwise(corners)]
    return np.concatenate(parts)[None]


def test_a_scene_is_decided_by_its_seed():
    first, again, other = (draw_scene(MAZE, routes, seed, discs=1) for seed in (4, 4, 5))
    assert first == again
    assert first.discs != other.discs
    assert (first.seed, other.seed) == (4, 5)


def test_discs_leave_start_and_goal_alone():
    scene = draw_scene(MAZE, routes, 4, discs=1)
    assert set(scene.constraints.parts()) == {"disc_1"}
    for x, y, radius in scene.discs:
        for end in (scene.start, scene.goal):
            assert np.hypot(x - end[0], y - end[1]) - radius - 0.1 > END_CLEARANCE


def test_discs_are_on_the_routes_and_apart():
    scene = draw_scene(MAZE, routes, 0, discs=1)
    way = routes(np.array(scene.start), np.array(scene.goal), 0)[0]
    for x, y, radius in scene.discs:
        assert np.hypot(*(way - (x, y)).T).min() < 5 * OFFSET
        assert RADIUS_RANGE[0] <= radius <= RADIUS_RANGE[1]
    assert solvable(MAZE, np.array(scene.start), np.array(scene.goal), np.array(scene.discs))


def test_short_ways_are_not_drawn():
    near = np.zeros((1, 2, 2))
    with pytest.raises(RuntimeError, match="no solvable scene"):
        draw_scene(MAZE, lambda *_: near, 0)
