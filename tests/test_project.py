"""Projection: nearest points by hand and by SLSQP, verdicts, and what never moves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan.constraints import (
    All,
    Avoid,
    Ball,
    Box,
    Reach,
    SpeedLimit,
    StayIn,
)
from glass_plan.guidance import Ending, project
from glass_plan.guidance.multipliers import multipliers
from glass_plan.layout import Trajectory
from tests.projections import (
    AROUND,
    DISC,
    FREE,
    LEFT,
    RIGHT,
    SQUARE,
    TOLERANCE,
    Below,
    lines,
    points,
)


@pytest.mark.parametrize(
    ("constraint", "given_", "nearest"),
    [
        (DISC, (0.3, 0.4), (0.6, 0.8)),
        (StayIn(Ball((0.0, 0.0), 1.0)), (3.0, 4.0), (0.6, 0.8)),
        (SQUARE, (3.0, 0.5), (1.0, 0.5)),
        (SQUARE, (3.0, -4.0), (1.0, -1.0)),
        (Avoid(Box((-1.0, -1.0), (1.0, 1.0))), (0.2, 0.7), (0.2, 1.0)),
        (Below((0.6, 0.8), 1.0), (3.0, 4.0), (0.6, 0.8)),
        (Below((1.0, 0.0), 0.0) & Below((0.6, 0.8), 0.0), (2.0, 1.0), (-0.0, 0.0)),
        # beyond the corner of two half-planes: alternating projections would end elsewhere
        (Below((0.0, 1.0), 0.0) & Below((-0.6, 0.8), 0.0), (-0.1, 1.0), (0.0, 0.0)),
        (Below((0.0, 1.0), 0.0) & Below((0.6, 0.8), 0.0), (-3.0, 1.0), (-3.0, 0.0)),
        (SpeedLimit(1.0), (7.0, 7.0, 3.0, 4.0), (7.0, 7.0, 0.6, 0.8)),
        (Avoid(Ball((-0.6, 0), 1)) & Avoid(Ball((0.6, 0), 1)), (0.05, 0.1), (0.0, 0.8)),
        (StayIn(Ball((-0.6, 0), 1)) & StayIn(Ball((0.6, 0), 1)), (0.0, 5.0), (0.0, 0.8)),
        (Reach(Ball((0.0, 0.0), 1.0)), (3.0, 4.0), (0.6, 0.8)),
        (RIGHT | LEFT, (-0.4, 0.0), (-1.0, 0.0)),
        (All(()), (0.3, 0.4), (0.3, 0.4)),
    ],
)
def test_the_nearest_point_is_found(constraint, given_, nearest):
    done = project(points(given_), constraint.hard())
    assert done.status == (Ending.FEASIBLE,)
    expected = torch.tensor(nearest, dtype=torch.float64)
    assert torch.allclose(done.trajectory.x[0, 0, : len(nearest)], expected, atol=TOLERANCE)


def test_rows_that_are_linear_take_one_step_and_one_to_see_it():
    wedge = Below((0.0, 1.0), 0.0) & Below((-0.6, 0.8), 0.0) & Below((0.6, 0.8), 2.0)
    assert project(points((-0.1, 1.0), (4.0, 3.0)), wedge.hard()).iterations.tolist() == [2, 2]


def test_the_margin_asked_for_is_kept():
    done = project(points((0.3, 0.4)), DISC.hard(0.5))
    assert torch.allclose(done.trajectory.x[0, 0, :2], torch.tensor([0.9, 1.2]).double(), atol=1e-6)
    assert float(done.margin) == pytest.approx(0.5, abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_slsqp_in_any_metric(seed):
    rng = np.random.default_rng(seed)
    count, normals = 5, rng.normal(size=(2, 2))
    root = rng.normal(size=(count, count))
    spread = root @ root.T + np.eye(count)
    x = np.concatenate([2 * rng.normal(size=(count, 4)), np.zeros((count, 3))], axis=1)
    x[:, 6] = 0.1
    lines_ = [Below((float(a), float(b)), 0.3) for a, b in normals]
    spec = lines_[0] & lines_[1] & SpeedLimit(1.5)
    ours = project(
        Trajectory(torch.from_numpy(x)[None], FREE),
        spec.hard(),
        spread=torch.from_numpy(spread),
        max_iterations=200,
        tolerance=1e-6,
    )
    metric = np.linalg.inv(spread)

    def cost(z):
        moved = z.reshape(count, 4) - x[:, :4]
        return 0.5 * np.sum(moved * (metric @ moved))

    def slope(z):
        return (metric @ (z.reshape(count, 4) - x[:, :4])).ravel()

    def rows(z):
        at = z.reshape(count, 4)
        speeds = 1.5**2 - (at[:, 2:] ** 2).sum(1)
        return np.concatenate([(0.3 - at[:, :2] @ normals.T).ravel(), speeds])

    theirs = scipy.optimize.minimize(
        cost,
        np.zeros(4 * count),
        jac=slope,
        constraints={"type": "ineq", "fun": rows},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert ours.status == (Ending.FEASIBLE,)
    assert theirs.success
    found = ours.trajectory.x[0, :, :4].numpy().ravel()
    assert cost(found) == pytest.approx(theirs.fun, rel=1e-5)
    assert np.allclose(found, theirs.x, atol=2e-3)


@given(st.integers(0, 10_000))
def test_multipliers_are_those_of_nonnegative_least_squares(seed):
    # |A l - b|^2 / 2 has the Gram matrix A^T A and the demand A^T b
    rng = np.random.default_rng(seed)
    matrix, target = rng.normal(size=(8, 6)), rng.normal(size=8)
    gram = torch.from_numpy(matrix.T @ matrix)[None]
    ours = multipliers(gram, torch.from_numpy(matrix.T @ target)[None], 1e-12)
    assert np.allclose(ours[0], scipy.optimize.nnls(matrix, target)[0], atol=1e-6)


def test_what_is_pinned_stays_bit_for_bit():
    given_ = lines(0.05, -0.1)
    done = project(given_, AROUND.hard(0.02)).trajectory
    assert not torch.equal(done.x, given_.x)
    assert torch.equal(done.x[:, 0, :4], given_.x[:, 0, :4])
    assert torch.equal(done.x[:, -1, :2], given_.x[:, -1, :2])
    assert torch.equal(done.channel("dt"), given_.channel("dt"))


def test_only_the_channels_named_move():
    given_ = replace(lines(0.05), layout=FREE)
    given_.x[..., 2] = 2.0
    both = AROUND & SpeedLimit(1.0)
    for channel, other in (("position", "velocity"), ("velocity", "position")):
        done = project(given_, both.hard(), channels=(channel,))
        assert done.status == (Ending.STALLED,)
        assert not torch.equal(done.trajectory.channel(channel), given_.channel(channel))
        assert torch.equal(done.trajectory.channel(other), given_.channel(other))
    assert project(given_, both.hard()).status == (Ending.FEASIBLE,)


@pytest.mark.parametrize("channel", ["position", "velocity"])
def test_a_start_in_violation_that_is_pinned_stalls(channel):
    given_ = lines(0.0)
    given_.x[:, 0, 2] = 9.0
    spec = SpeedLimit(1.0) if channel == "velocity" else Avoid(Ball((-2.0, 0.05), 0.5))
    done = project(given_, spec.hard())
    assert done.status == (Ending.STALLED,)
    assert float(done.margin) < -0.1


def test_an_infeasible_pair_stalls_halfway_with_its_margin():
    done = project(points((0.5, 0.0), (5.0, 2.0)), (RIGHT & LEFT).hard())
    assert done.status == (Ending.STALLED, Ending.STALLED)
    assert torch.allclose(done.margin, torch.full((2,), -1.0).double(), atol=1e-5)
    assert torch.allclose(done.trajectory.x[:, 0, 0], torch.zeros(2).double(), atol=1e-5)
    assert int(done.iterations.max()) <= 5


def test_steps_that_run_out_are_told():
    done = project(lines(0.05), AROUND.hard(0.02), max_iterations=1)
    assert done.status == (Ending.MAX_ITERATIONS,)
    assert done.iterations.tolist() == [1]
    assert float(done.margin) < 0.02
    assert project(lines(0.05), AROUND.hard(0.02)).status == (Ending.FEASIBLE,)


def test_a_point_without_a_direction_stalls_where_it_is():
    at_the_centre = points((0.0, 0.0))
    done = project(at_the_centre, DISC.hard())
    assert done.status == (Ending.STALLED,)
    assert torch.equal(done.trajectory.x, at_the_centre.x)


def test_what_is_not_a_number_stalls_alone():
    done = project(points((0.3, 0.4), (math.nan, 0.0), (0.0, 0.5)), DISC.hard())
    assert done.status == (Ending.FEASIBLE, Ending.STALLED, Ending.FEASIBLE)
    assert done.iterations[1] == 0
