"""Demonstrations in files: Minari data sets and D4RL's."""

from __future__ import annotations

import h5py
import minari
import numpy as np
import pytest

from glass_envs.mazes import MAZES
from glass_plan.data import read_trips, write_minari
from glass_plan.errors import DataError
from tests.tiny import straight_trip


@pytest.fixture
def minari_root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


def test_minari_reads_back_what_was_written(minari_root):
    trips = [straight_trip(30), straight_trip(40, speed=1.0)]
    write_minari("glass_plan/test-v0", trips, description="two straight trips")
    write_minari("glass_plan/test-v0", trips, description="the same again")
    dataset = minari.load_dataset("glass_plan/test-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (2, 70)
    again = read_trips("glass_plan/test-v0")
    for trip, read in zip(trips, again, strict=True):
        assert np.array_equal(trip.states, read.states)
        assert np.array_equal(trip.actions, read.actions)
        assert np.array_equal(trip.goal, read.goal)


def test_an_unknown_data_set_lists_what_exists(minari_root):
    write_minari("glass_plan/here-v0", [straight_trip()], description="one")
    with pytest.raises(DataError, match="glass_plan/here-v0"):
        read_trips("glass_plan/there-v0")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_trips(str(tmp_path / "maze2d.hdf5"))


def test_a_d4rl_trip_lies_in_the_cells_it_was_driven_in(tmp_path):
    maze = MAZES["maze2d-large"]
    cells = np.array([[1, 1], [1, 2], [1, 3]])  # row, column: to the right in our frame
    path = tmp_path / "d4rl.hdf5"
    with h5py.File(path, "w") as file:
        file["observations"] = np.concatenate([cells - 0.2, [[0.0, 2.0]] * 3], axis=1)
        file["actions"] = np.array([[0.0, 1.0]] * 3)
        file["infos/goal"] = np.array([[0.8, 2.8]] * 3)
        file["timeouts"] = np.array([False, False, True])
    (trip,) = read_trips(str(path), maze_shape=maze.occupancy.shape)
    assert np.allclose(trip.states[:, :2], maze.cell_centre(cells))
    assert np.allclose(trip.states[:, 2:], [2.0, 0.0])
    assert np.allclose(trip.actions, [1.0, 0.0])
    assert np.allclose(trip.goal, maze.cell_centre(cells[2]))
