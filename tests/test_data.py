"""Windows of demonstrations, and the Minari data set they are stored in."""

from __future__ import annotations

import h5py
import minari
import numpy as np
import pytest
import torch

from glass_envs.mazes import MAZES
from glass_plan.data import HOLD_DT, SIM_DT, Trip, Windows, read_trips, write_minari
from glass_plan.errors import DataError


def straight_trip(steps=100, speed=2.0):
    """Along x at constant speed [m/s] with a constant action."""
    x = speed * SIM_DT * np.arange(steps + 1)
    states = np.stack([x, 0 * x, 0 * x + speed, 0 * x], axis=1)
    return Trip(states, np.tile([0.3, -0.1], (steps, 1)), states[-1, :2])


def test_waypoints_are_equally_spaced_along_the_way():
    windows = Windows([straight_trip()], horizon=4, spacing=0.5)
    window = windows.windows(torch.tensor([0]), torch.tensor([0.0]), torch.tensor([100.0]))[0]
    assert window[:, 0].tolist() == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=2e-3)
    assert window[:3, 6].tolist() == pytest.approx([0.25] * 3, abs=2e-3)  # 0.5 m at 2 m/s
    assert window[:3, 4].tolist() == pytest.approx([0.3] * 3, abs=1e-4)


def test_the_goal_is_held_once_the_way_is_over():
    windows = Windows([straight_trip()], horizon=8, spacing=0.5)
    window = windows.windows(torch.tensor([0]), torch.tensor([0.0]), torch.tensor([50.0]))[0]
    assert torch.allclose(window[2:, 0], torch.ones(6), atol=1e-3)  # 50 steps are 1 m
    assert torch.all(window[3:, 2:6] == 0)
    assert torch.all(window[3:, 6] == HOLD_DT)


def test_sampled_windows_lie_inside_their_trips():
    trips = [straight_trip(speed=1.0), straight_trip(speed=4.0)]
    x = Windows(trips, horizon=16, spacing=0.3).sample(200, torch.Generator().manual_seed(0))
    assert x.shape == (200, 16, 7)
    assert x.isfinite().all()
    assert x[..., 0].min() >= 0
    assert x[..., 0].max() <= 4.0 + 1e-4
    assert torch.all(x[..., 6] > 0)


def test_trips_too_short_for_a_window_are_refused():
    with pytest.raises(DataError, match="no trip of at least"):
        Windows([straight_trip(steps=5)], horizon=8, spacing=0.3)


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
