"""Projection: what holds in every metric and batch, the rows it reads, and what it refuses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import (
    AccelLimit,
    Avoid,
    Ball,
    Hard,
    Moving,
    Reach,
    SpeedLimit,
)
from glass_plan.errors import KernelError, LayoutError, RequestError
from glass_plan.guidance import Ending, project, sine_subspace
from glass_plan.guidance.rows import gradients_of, rows_of, values_of
from tests.constraints.strategies import constraints, trajectories, wander
from tests.projections import (
    AROUND,
    DISC,
    SPREADS,
    SQUARE,
    TOLERANCE,
    lines,
)


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS.keys())
def test_a_way_is_led_around_obstacles(spread):
    given_ = lines(0.05, -0.1, 0.3)
    moving = Avoid(Moving(Ball((0.0, 0.0), 0.2), ((1.2, -1.0), (1.2, 1.0)), speed=0.5))
    spec = AROUND & moving
    done = project(given_, spec.hard(0.02), spread=spread(given_))
    assert float(spec.margin(given_).max()) < 0
    assert done.status == (Ending.FEASIBLE,) * 3
    assert float(spec.margin(done.trajectory).min()) >= 0.02 - TOLERANCE


def test_a_displacement_stays_in_its_subspace():
    given_, smooth = lines(0.05), sine_subspace(32, 8)
    done = project(given_, AROUND.hard(), spread=smooth)
    moved = (done.trajectory.x - given_.x)[0]
    assert float(moved.norm()) > 0.1
    assert torch.allclose(smooth @ moved, moved, atol=1e-9)


def test_of_smooth_and_raw_displacements_the_raw_one_is_shorter():
    given_ = lines(0.05)
    raw, smooth = (
        (project(given_, AROUND.hard(), spread=spread(given_)).trajectory.x - given_.x).norm()
        for spread in (SPREADS["raw"], SPREADS["sine"])
    )
    assert raw < smooth


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS.keys())
def test_a_trajectory_is_projected_alone_as_in_a_batch(spread):
    given_ = lines(0.05, 1.9, -0.1, 0.3)
    together = project(given_, AROUND.hard(0.02), spread=spread(given_))
    for k in range(len(given_.x)):
        one = replace(given_, x=given_.x[k : k + 1])
        alone = project(one, AROUND.hard(0.02), spread=spread(one))
        assert torch.allclose(alone.trajectory.x[0], together.trajectory.x[k], atol=1e-5)
        assert alone.status == together.status[k : k + 1]


def test_nothing_that_was_given_is_changed_and_nothing_is_random():
    given_ = lines(0.05, -0.1)
    first = project(given_, AROUND.hard(0.02))
    assert torch.equal(given_.x, lines(0.05, -0.1).x)
    torch.manual_seed(99)
    again = project(given_, AROUND.hard(0.02))
    assert torch.equal(first.trajectory.x, again.trajectory.x)
    assert torch.equal(first.iterations, again.iterations)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_type_and_shape_are_kept_and_no_graph_is(dtype):
    given_ = lines(0.05, dtype=dtype)
    given_.x.requires_grad_()
    done = project(given_, AROUND.hard(0.02))
    assert done.trajectory.x.dtype is dtype
    assert done.trajectory.x.shape == given_.x.shape
    assert not done.margin.requires_grad
    assert not done.trajectory.x.requires_grad
    assert done.status == (Ending.FEASIBLE,)


def test_no_trajectories_are_projected_on_anything():
    done = project(lines(), DISC.hard())
    assert (done.status, len(done.margin)) == ((), 0)


@settings(max_examples=60)
@given(constraints, trajectories)
def test_whatever_is_asked_there_is_a_verdict(constraint, given_):
    done = project(given_, constraint.hard(), max_iterations=3)
    holds = constraint.margin(given_) >= 0
    assert torch.equal(done.trajectory.x[holds], given_.x[holds])
    assert torch.equal(done.margin, constraint.margin(done.trajectory))
    assert done.trajectory.x.isfinite().all()
    assert torch.equal(done.trajectory.x[:, 0, :4], given_.x[:, 0, :4])
    assert int(done.iterations.max()) <= 3
    for status, margin, held in zip(done.status, done.margin, holds, strict=True):
        assert (status is Ending.FEASIBLE) == (float(margin) >= -TOLERANCE)
        assert status is Ending.FEASIBLE or not held


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_what_has_been_projected_stays(seed):
    spec = Avoid(Ball((0.2, 0.1), 0.4)) & SpeedLimit(2.0)
    done = project(wander(seed, length=6), spec.hard())
    again = project(done.trajectory, spec.hard(), max_iterations=1)
    held = torch.tensor([status is Ending.FEASIBLE for status in done.status])
    assert torch.equal(again.trajectory.x[held], done.trajectory.x[held])


@given(constraints, trajectories)
def test_the_least_row_is_the_margin(constraint, given_):
    assert torch.equal(values_of(constraint, given_).amin(-1), constraint.margin(given_))


def test_gradients_of_rows_are_those_of_autograd():
    moving = Avoid(Moving(Ball((0.0, 0.0), 0.3), ((0.0, 0.0), (1.0, 1.0)), speed=0.5))
    spec = AROUND & (moving | SQUARE) & SpeedLimit(1.0) & AccelLimit(1.0) & Reach(Ball((1, 1), 0.1))
    given_ = wander(7, batch=2, length=5)
    values = values_of(spec, given_)
    chosen = torch.arange(values.shape[1]).flip(0).expand(2, -1)
    for k, j in enumerate(chosen[0].tolist()):
        for row in range(2):
            x = given_.x.clone().requires_grad_()
            (expected,) = torch.autograd.grad(_row(spec, replace(given_, x=x), row, j), x)
            found = gradients_of(spec, given_, chosen)[row, k]
            assert torch.allclose(found[:, :6], expected[row, :, :6])


def _row(spec, trajectory, row, j):
    """Row j of one trajectory, with a graph."""
    value = torch.cat([rows.value for rows in rows_of(spec, trajectory)], dim=-1)[row, j]
    return torch.where(value.isfinite(), value, 0.0)


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_demand_has_a_margin_that_can_be_met(margin):
    with pytest.raises(RequestError, match="avoid_ball: margin must be >= 0 and finite"):
        DISC.hard(margin)


def test_a_demand_is_a_value_that_prints():
    assert DISC.hard(0.1) == Hard(DISC, 0.1)
    assert repr(DISC.hard(0.1)) == f"Hard(constraint={DISC!r}, margin=0.1)"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"spread": torch.eye(5)}, r"spread must be \(32, 32\) or \(1, 32, 32\), got \(5, 5\)"),
        ({"channels": ("position", "dt")}, "time steps are held; leave 'dt' out"),
        ({"max_iterations": 0}, "must be positive, got max_iterations 0"),
        ({"tolerance": 0.0}, "must be positive, got .*tolerance 0.0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, text):
    with pytest.raises(KernelError, match=text):
        project(lines(0.0), DISC.hard(), **change)


def test_one_trajectory_without_a_batch_is_refused():
    with pytest.raises(KernelError, match=r"a batch \(N, H, D\), got \(32, 7\); use x\[None\]"):
        project(replace(lines(0.0), x=lines(0.0).x[0]), DISC.hard())


def test_a_channel_that_is_not_there_is_refused():
    with pytest.raises(LayoutError, match="unknown channel 'positon'; did you mean 'position'"):
        project(lines(0.0), DISC.hard(), channels=("positon",))
