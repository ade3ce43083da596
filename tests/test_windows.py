"""Windows of demonstrations: waypoints along the way, and the time between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from glass_plan.data import Trip
from glass_plan.errors import DataError
from glass_plan.windows import HOLD_DT, POINT, Windows
from tests.tiny import straight_trip


def bend():
    """A curve that is driven at a speed that changes, 0.6 s long."""
    time = 0.01 * np.arange(61)
    angle, rate = 2.0 * time + np.sin(3.0 * time), 2.0 + 3.0 * np.cos(3.0 * time)
    position = np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1)
    velocity = rate[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    actions = np.stack([np.cos(time), -time], axis=1)[:-1]
    return Trip(np.concatenate([position, velocity], axis=1), actions, position[-1])


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


WERE = [
    [
        [0.0, 0.0, 5.0, 0.0, 0.998543, -0.045498, 0.100913],
        [0.479334, 0.122479, 4.267849, 2.331126, 0.988379, -0.149455, 0.107007],
        [0.841274, 0.459693, 2.396513, 3.730743, 0.964623, -0.264454, 0.123126],
        [0.99742, 0.929067, 0.258318, 3.628721, 0.0, 0.0, 0.05],
    ],
    [
        [0.475489, 0.120279, 4.280733, 2.313736, 0.988513, -0.148562, 0.106925],
        [0.838832, 0.455998, 2.415808, 3.724188, 0.964928, -0.263294, 0.122897],
        [0.997145, 0.924647, 0.27489, 3.636977, 0.935744, -0.359899, 0.070178],
        [0.987029, 1.160545, 0.0, 0.0, 0.0, 0.0, 0.05],
    ],
]
"""Windows that the priors for mazes were trained on: all of one bend, and the middle of another."""


def test_windows_of_a_point_mass_are_what_they_were():
    windows = Windows([bend(), bend()], horizon=4, spacing=0.5)
    both = windows.windows(
        torch.tensor([0, 1]), torch.tensor([0.0, 10.0]), torch.tensor([60.0, 40.0])
    )
    assert np.allclose(both.numpy(), WERE, rtol=0, atol=2e-6)


def test_windows_to_the_end_begin_late_enough_to_fit():
    reading = replace(POINT, to_the_end=True)
    trips = [straight_trip(100), straight_trip(400)]  # 2 m and 8 m; 7 spacings are 3.5 m
    windows = Windows(trips, horizon=8, spacing=0.5, reading=reading)
    assert windows.earliest.tolist() == [0, 226]
    x = windows.sample(400, torch.Generator().manual_seed(0))[..., 0]
    ends = torch.tensor([2.0, 8.0])
    assert torch.all((x[:, -1:] - ends).abs().amin(1) < 1e-4)
    assert x[:, 0].min() == 0
    late = x[x[:, -1] > 3]
    assert torch.all(late[:, 0] >= 4.5)
    whole = (late[:, 0] == late[:, 0].min()).float().mean()
    assert whole == pytest.approx(0.5, abs=5 * 0.5 / len(late) ** 0.5)
