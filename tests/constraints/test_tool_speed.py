"""Speed limits of a body without a velocity: of its tool, between waypoints too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan.bodies import spheres_of
from glass_plan.constraints import SpeedLimit
from glass_plan.errors import LayoutError
from tests.arms import ARM, CHANNELS, READY, at_rest, drive

LIMIT = SpeedLimit(1.0)


def speeds(trajectory, samples=400):
    """Of the tool, (B, segments, samples) [m/s], by small steps along the way."""
    x, shares = trajectory.x, torch.linspace(0, 1, samples + 1, dtype=torch.float64)[:, None]
    start, end = x[:, :-1, None, :], x[:, 1:, None, :]
    tool = spheres_of(ARM, tool=True, dtype=x.dtype, device=x.device)
    passed = tool.centers(torch.lerp(start, end, shares))[..., 0, :].diff(dim=-2).norm(dim=-1)
    return samples * passed / trajectory.dt[:, :-1, None]


@given(st.integers(0, 200), st.sampled_from([0.01, 0.05, 0.3]))
def test_the_tool_is_nowhere_faster_than_its_margin_says(seed, step):
    trajectory = drive(seed, ARM, step=step, length=3)
    found = speeds(trajectory)
    fastest, slowest = found.amax((1, 2)), found.amin((1, 2))
    loose = (7 * step) ** 2 / trajectory.dt.amin()  # seven joints, an arm of a metre
    within = LIMIT.margin(trajectory)
    assert (within <= 1.0 - fastest + 1e-6).all()
    assert (within >= 1.0 - fastest - loose).all()
    beyond = (~LIMIT).margin(trajectory)
    assert (beyond <= fastest - 1.0 + 1e-6).all()
    assert (beyond >= slowest - 1.0 - loose).all()


@pytest.mark.parametrize("length", [1, 2])
def test_a_tool_that_rests_has_no_speed(length):
    assert float(LIMIT.margin(at_rest(READY, ARM, length=length))) == pytest.approx(1.0)


def test_a_tool_without_time_is_refused():
    with pytest.raises(LayoutError, match="speed_limit"):
        LIMIT.check(replace(ARM, channels=CHANNELS[:-1]))
