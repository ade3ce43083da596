"""Demonstrations: wall-free, varied, the simulator's own motion, independent of workers."""

from __future__ import annotations

import itertools

import gymnasium
import numpy as np
import pytest

from glass_envs.collect import MIN_CLEARANCE, Habits, clearance, collect, collect_trips
from glass_envs.mazes import MAZES

MAZE = MAZES["maze2d-umaze"]


@pytest.fixture(scope="module")
def trips():
    return collect_trips(MAZE, 15_000, seed=0)[0]


def test_trips_keep_clear_of_walls_and_arrive(trips):
    for trip in trips:
        assert clearance(MAZE, trip.states[:, :2]).min() >= MIN_CLEARANCE
        assert np.linalg.norm(trip.states[-1, :2] - trip.goal) < 0.2


def test_trips_begin_in_free_cells_some_of_them_moving(trips):
    starts = np.stack([trip.states[0] for trip in trips])
    assert not MAZE.occupancy[tuple(MAZE.cell_of(starts[:, :2]).T)].any()
    speed = np.linalg.norm(starts[:, 2:], axis=1)
    assert speed.max() <= 1.5
    assert 0 < np.mean(speed > 0) < 1


def test_steps_are_counted_until_there_are_enough(trips):
    done = [len(trip.actions) for trip in trips]
    assert sum(done[:-1]) < 15_000 <= sum(done)
    assert all(len(trip.states) == len(trip.actions) + 1 for trip in trips)
    assert all(np.abs(trip.actions).max() <= 1 for trip in trips)


def test_progress_adds_up_to_the_data():
    told = []
    made, dropped = collect_trips(MAZE, 2_000, seed=1, progress=told.append)
    assert told == [len(trip.actions) for trip in made]
    assert dropped >= 0


def test_another_seed_makes_other_data(trips):
    others = collect_trips(MAZE, 1_000, seed=1)[0]
    assert not np.array_equal(others[0].states[0], trips[0].states[0])


def test_there_are_slow_and_fast_trips(trips):
    tops = [np.linalg.norm(trip.states[:, 2:], axis=1).max() for trip in trips]
    assert min(tops) < 1.8
    assert max(tops) > 4.0


def test_errands_are_longer_ways_up_to_a_bound(trips):
    habits = Habits(errands=1.0, longest=10)
    busy = collect_trips(MAZE, 15_000, seed=0, habits=habits)[0]

    def ways(driven):
        return [np.linalg.norm(np.diff(t.states[:, :2], axis=0), axis=1).sum() for t in driven]

    assert np.mean(ways(busy)) > 1.3 * np.mean(ways(trips))
    assert max(ways(busy)) < 10 + 1  # cells of 1 m, and the spread of the start and the goal


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
    corner = clearance(MAZE, np.array([[0.8, -0.8]]))[0]  # of the wall that ends at (0.5, -0.5)
    assert corner == pytest.approx(np.hypot(0.3, 0.3) - 0.1)
    assert clearance(MAZE, np.array([[9.0, 9.0]]))[0] == pytest.approx(-0.1)  # off the map


def test_the_cheapest_route_is_the_way_round_the_u():
    cells = [tuple(cell) for cell in MAZE.free_cells]
    route = MAZE.route(cells.index((3, 1)), cells.index((1, 1)))
    assert [cells[k] for k in route] == [(3, 1), (3, 2), (3, 3), (2, 3), (1, 3), (1, 2), (1, 1)]


@pytest.mark.parametrize("name", MAZES)
def test_a_route_is_as_short_as_counting_says(name):
    maze = MAZES[name]
    cells = [tuple(cell) for cell in maze.free_cells.tolist()]
    for goal in range(len(cells)):
        route = [cells[k] for k in maze.route(0, goal)]
        assert (route[0], route[-1]) == (cells[0], cells[goal])
        assert all(abs(a - c) + abs(b - d) == 1 for (a, b), (c, d) in itertools.pairwise(route))
        assert len(route) - 1 == flood(cells, cells[0])[cells[goal]]


def flood(cells, start):
    """Steps to every cell, by breadth first search."""
    steps, front = {start: 0}, [start]
    for row, column in front:
        around = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        for cell in around:
            if cell in cells and cell not in steps:
                steps[cell] = steps[row, column] + 1
                front.append(cell)
    return steps


def test_prices_lead_round_a_dear_cell():
    maze = MAZES["maze2d-large"]
    cells = [tuple(cell) for cell in maze.free_cells.tolist()]
    ends = cells.index((1, 1)), cells.index((3, 6))
    plain = maze.route(*ends)
    for cell in plain[1:-1]:
        cost = np.ones(len(cells))
        cost[cell] = 50.0
        detour = maze.route(*ends, cost)
        if cell not in detour:
            assert len(detour) >= len(plain)
            return
    raise AssertionError("no cell of the route can be avoided")


@pytest.mark.parametrize("name", MAZES)
def test_a_cells_centre_is_in_the_cell(name):
    maze = MAZES[name]
    assert np.array_equal(maze.cell_of(maze.cell_centre(maze.free_cells)), maze.free_cells)
