"""Projection: nearest points by hand and by SLSQP, verdicts, and what never moves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import (
    AccelLimit,
    All,
    Avoid,
    Ball,
    Box,
    Hard,
    Leaf,
    Moving,
    Predicate,
    Reach,
    SpeedLimit,
    StayIn,
)
from glass_plan.errors import KernelError, LayoutError, RequestError
from glass_plan.guidance import Ending, project, sine_subspace, smoothing_kernel
from glass_plan.guidance.multipliers import multipliers
from glass_plan.guidance.rows import gradients_of, rows_of, values_of
from glass_plan.layout import POINT_MASS, Trajectory
from tests.constraints.strategies import constraints, trajectories, wander

FREE = replace(POINT_MASS, start=(), goal=(), radius=0.0)
"""Nothing pinned, a body without size."""
TOLERANCE = 1e-5
FAR = 1e3


@dataclass(frozen=True)
class Lower(Predicate):
    """offset - <normal, position>, at waypoints."""

    normal: tuple[float, float]
    offset: float

    reads = ("position",)

    def __invert__(self):
        return Lower((-self.normal[0], -self.normal[1]), -self.offset)

    def values(self, trajectory):
        position = trajectory.channel("position")
        return self.offset - position @ torch.tensor(self.normal, dtype=position.dtype)


@dataclass(frozen=True, repr=False)
class Below(Leaf):
    """Always in a half-plane."""

    normal: tuple[float, float]
    offset: float

    is_safety = True
    label = "below"

    @property
    def predicate(self):
        return Lower(self.normal, self.offset)


DISC = Avoid(Ball((0.0, 0.0), 1.0))
SQUARE = StayIn(Box((-1.0, -1.0), (1.0, 1.0)))
RIGHT, LEFT = Below((-1.0, 0.0), -1.0), Below((1.0, 0.0), -1.0)  # x >= 1, x <= -1


def points(*rows):
    """Lone waypoints with the position, and if given the velocity, of each row."""
    x = torch.zeros(len(rows), 1, POINT_MASS.dim, dtype=torch.float64)
    for k, row in enumerate(rows):
        x[k, 0, : len(row)] = torch.tensor(row, dtype=torch.float64)
    x[..., 6] = 0.1
    return Trajectory(x, FREE)


def lines(*heights, count=32, dtype=torch.float64):
    """Straight ways of 4 m to the right at heights y."""
    x = torch.zeros(len(heights), count, POINT_MASS.dim, dtype=dtype)
    x[..., 0] = torch.linspace(-2, 2, count)
    x[..., 1] = torch.tensor(heights)[:, None]
    x[..., 6] = 0.1
    return Trajectory(x, POINT_MASS)


AROUND = Avoid(Ball((0.2, 0.1), 0.4)) & Avoid(Box((-1.2, -0.3), (-0.8, -0.05)))


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


SPREADS = {
    "raw": lambda given_: None,
    "sine": lambda given_: sine_subspace(given_.x.shape[1], 8),
    "kernel": lambda given_: smoothing_kernel(given_.channel("position"), 0.3),
}


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
