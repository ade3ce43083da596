"""Demonstrations in files: Minari data sets and D4RL's."""

from __future__ import annotations

import h5py
import minari
import numpy as np
import pytest

from glass_envs.mazes import MAZES
from glass_plan.data import RECORDED, Recorded, Trip, read_recorded, read_trips, write_minari
from glass_plan.errors import DataError
from glass_plan.layout import Channel
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


SPIN = Trip(np.arange(24.0).reshape(6, 4), np.zeros((5, 1)), np.array([2.0]))
SPIN_STATES = Recorded((Channel("wheel", 1, "rad"), Channel("cart", 3, "m")), "cart")


def test_what_the_columns_are_is_read_back(minari_root):
    write_minari("glass_plan/spin-v0", [SPIN], description="one", recorded=SPIN_STATES)
    assert read_recorded("glass_plan/spin-v0") == SPIN_STATES
    assert SPIN_STATES.columns("cart", 2) == (1, 2)
    (episode,) = minari.load_dataset("glass_plan/spin-v0").iterate_episodes()
    assert np.array_equal(episode.observations["achieved_goal"], SPIN.states[:, 1:2])


def test_a_data_set_that_does_not_tell_its_columns_is_refused(minari_root):
    write_minari("glass_plan/mute-v0", [straight_trip()], description="one")
    storage = minari.load_dataset("glass_plan/mute-v0").storage
    storage.update_metadata({RECORDED: {"channels": 3}})
    with pytest.raises(DataError, match="do not say what its columns are"):
        read_recorded("glass_plan/mute-v0")
    assert len(read_trips("glass_plan/mute-v0")) == 1


def test_columns_that_do_not_exist_are_named():
    with pytest.raises(DataError, match="unknown channel 'weel'; did you mean 'wheel'"):
        SPIN_STATES.columns("weel")
    with pytest.raises(DataError, match="'wheel' has 1 components, needs 3"):
        SPIN_STATES.columns("wheel", 3)
    with pytest.raises(DataError, match="states of 'x-v0' have 4 columns"):
        write_minari("x-v0", [straight_trip()], description="", recorded=Recorded((), ""))


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
