"""Demonstrations: wall-free, varied, the simulator's own motion, independent of workers."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from glass_envs.collect import MIN_CLEARANCE, clearance, collect, collect_trips
from glass_envs.mazes import MAZES

MAZE = MAZES["maze2d-umaze"]


@pytest.fixture(scope="module")
def trips():
    return collect_trips(MAZE, 15_000, seed=0)[0]


def test_trips_keep_clear_of_walls_and_arrive(trips):
    for trip in trips:
        assert clearance(MAZE, trip.states[:, :2]).min() >= MIN_CLEARANCE
        assert np.linalg.norm(trip.states[-1, :2] - trip.goal) < 0.2


def test_there_are_slow_and_fast_trips(trips):
    tops = [np.linalg.norm(trip.states[:, 2:], axis=1).max() for trip in trips]
    assert min(tops) < 1.8
    assert max(tops) > 4.0


def test_replayed_actions_give_the_recorded_motion(trips):
    env = gymnasium.make("glass_envs:glass_plan/Maze2D-UMaze-v0").unwrapped
    for trip in trips[:3]:
        env.reset(seed=0, options={"start": trip.states[0, :2], "goal": (-1.0, 1.0)})
        data = env.unwrapped._physics.data
        data.qvel[:] = trip.states[0, 2:]
        driven = [trip.states[0]]
        for action in trip.actions:
            env._physics.step(action)
            driven.append(np.concatenate([data.qpos, data.qvel]))
        assert np.abs(np.array(driven) - trip.states).max() < 1e-6
    env.close()


def test_workers_do_not_change_the_data():
    one, two = (collect("maze2d-umaze", 45_000, workers=workers, seed=3)[0] for workers in (1, 2))
    assert len(one) == len(two)
    assert all(np.array_equal(a.states, b.states) for a, b in zip(one, two, strict=True))


def test_clearance_by_hand():
    assert clearance(MAZE, np.array([[-1.0, -1.0]]))[0] == pytest.approx(0.4)
    assert clearance(MAZE, np.array([[-1.0, -1.3]]))[0] == pytest.approx(0.1)
    assert clearance(MAZE, np.array([[0.0, 0.0]]))[0] == pytest.approx(-0.1)


def test_the_cheapest_route_is_the_way_round_the_u():
    cells = [tuple(cell) for cell in MAZE.free_cells]
    route = MAZE.route(cells.index((3, 1)), cells.index((1, 1)))
    assert [cells[k] for k in route] == [(3, 1), (3, 2), (3, 3), (2, 3), (1, 3), (1, 2), (1, 1)]
