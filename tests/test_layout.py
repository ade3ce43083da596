"""Channels, times and the errors of a layout."""

from __future__ import annotations

import pytest
import torch

from glass_plan.errors import GlassPlanError, LayoutError
from glass_plan.layout import MIN_DT, POINT_MASS, Channel, Layout, Trajectory


def test_slices_follow_the_order_of_the_channels():
    assert POINT_MASS.slice("position") == slice(0, 2)
    assert POINT_MASS.slice("action") == slice(4, 6)
    assert POINT_MASS.dim == 7
    assert POINT_MASS.columns(("velocity", "dt")) == [2, 3, 6]


def test_an_unknown_channel_names_the_nearest():
    with pytest.raises(
        LayoutError, match="unknown channel 'positon'; did you mean 'position'"
    ) as got:
        POINT_MASS.slice("positon")
    assert isinstance(got.value, KeyError)
    assert isinstance(got.value, GlassPlanError)


def test_times_are_the_sum_of_the_steps_before():
    layout = Layout((Channel("dt", 1, "s"),), start=(), goal=())
    x = torch.tensor([0.1, 0.2, 0.3, 9.0])[:, None]
    assert Trajectory(x, layout, t_start=1.0).times.tolist() == pytest.approx([1.0, 1.1, 1.3, 1.6])


def test_a_generated_step_never_goes_back_in_time():
    layout = Layout((Channel("dt", 1, "s"),), start=(), goal=())
    times = Trajectory(torch.tensor([[-1.0], [0.0], [0.1]]), layout).times
    assert torch.all(times.diff() >= MIN_DT)
