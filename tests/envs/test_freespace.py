"""Solvability: lengths by hand, blocked ways, waiting for what moves, visits in any order."""

from __future__ import annotations

import numpy as np
import pytest

from glass_envs.freespace import CLEARANCE, FreeSpace, Task
from glass_envs.mazes import MAZES
from glass_plan.constraints import Ball, Moving

START, GOAL = np.array([-1.0, -1.0]), np.array([-1.0, 1.0])
"""The ends of the U."""


@pytest.fixture(scope="module")
def space():
    return FreeSpace(MAZES["maze2d-umaze"])


def test_the_shortest_way_cuts_the_corners_of_the_u(space):
    inner = 0.1 + CLEARANCE  # from the walls that the way turns around
    straight = 2 * np.hypot(1.5, 0.5 - inner) + 2 * (0.5 + inner)
    assert space.shortest(Task(START, GOAL)) == pytest.approx(straight, rel=0.12)


def test_a_disc_that_fills_the_corridor_leaves_no_way(space):
    assert space.shortest(Task(START, GOAL, avoid=[Ball((1.0, 0.0), 0.45)])) == np.inf
    assert space.shortest(Task(START, GOAL, avoid=[Ball((1.0, 0.0), 0.25)])) == np.inf
    assert space.shortest(Task(START, GOAL, avoid=[Ball((1.35, 0.0), 0.25)])) < np.inf


def test_two_discs_close_what_one_leaves_open(space):
    left, right = Ball((0.75, 0.0), 0.15), Ball((1.25, 0.0), 0.15)
    assert space.shortest(Task(START, GOAL, avoid=[left])) < np.inf
    assert space.shortest(Task(START, GOAL, avoid=[right])) < np.inf
    assert space.shortest(Task(START, GOAL, avoid=[left, right])) == np.inf


def test_visits_are_made_in_the_better_order(space):
    near, far = Ball((0.0, -1.0), 0.3), Ball((1.0, 0.0), 0.3)
    direct = space.shortest(Task(START, GOAL))
    for visit in ([near, far], [far, near]):
        assert space.shortest(Task(START, GOAL, visit=visit)) < 1.15 * direct
    back = Task(np.array([0.0, -1.0]), GOAL, visit=[Ball((-1.2, -1.0), 0.25)])
    there = space.shortest(Task(np.array([0.0, -1.0]), GOAL))
    assert space.shortest(back) > there + 1.5


def test_it_waits_for_what_moves_away(space):
    door = Moving(Ball((0.0, 0.0), 0.4), ((1.0, 0.0), (9.0, 0.0)), speed=1.0)
    task = Task(START, GOAL, avoid=[door])
    assert space.passable(task, 10.0)
    assert not space.passable(Task(START, GOAL, avoid=[Ball((1.0, 0.0), 0.4)]), 10.0)
    slow = Moving(Ball((0.0, 0.0), 0.4), ((1.0, 0.0), (9.0, 0.0)), speed=0.01)
    assert not space.passable(Task(START, GOAL, avoid=[slow]), 10.0)


def test_time_and_speed_are_bounded(space):
    length = space.shortest(Task(START, GOAL))
    assert not space.passable(Task(START, GOAL, speed=1.0), 0.8 * length)
    assert space.passable(Task(START, GOAL, speed=1.0), 1.4 * length)


def test_visits_have_to_be_made(space):
    away = Ball((-1.2, -1.2), 0.25)
    start = np.array([0.0, -1.0])
    direct = space.shortest(Task(start, GOAL)) / 1.5
    assert space.passable(Task(start, GOAL), direct * 1.3)
    assert not space.passable(Task(start, GOAL, visit=[away]), direct * 1.3)
    assert space.passable(Task(start, GOAL, visit=[away]), direct * 3)


def test_a_place_in_a_wall_is_nowhere(space):
    assert space.shortest(Task(np.array([0.0, 0.0]), GOAL)) == np.inf
    assert not space.passable(Task(START, np.array([0.0, 0.0])), 20.0)
