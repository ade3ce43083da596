"""Shortcuts of ``In`` agree with cutting all segments and differentiating all samples."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glass_plan.constraints import Avoid, Ball, Box, In, Moving, Reach, Region, StayIn
from glass_plan.constraints.leaf import Predicate
from glass_plan.layout import POINT_MASS, Trajectory
from tests.constraints.strategies import balls, regions, trajectories, wander

predicates = st.builds(
    In,
    regions | balls,
    grow=st.sampled_from([0.0, 0.2]),
    body=st.sampled_from([-1, 0, 1]),
    sign=st.sampled_from([-1, 1]),
)


def with_gradient(measure: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    (slope,) = torch.autograd.grad(measure.sum(), x, materialize_grads=True)
    return measure, slope


@settings(max_examples=80)
@given(inside=predicates, trajectory=trajectories, temperature=st.sampled_from([0.0, 0.01, 0.3]))
def test_extremes_are_those_of_all_segments(
    inside: In, trajectory: Trajectory, temperature: float
) -> None:
    for own, plain in ((In.least, Predicate.least), (In.most, Predicate.most)):
        found = own(inside, trajectory, temperature)
        torch.testing.assert_close(found, plain(inside, trajectory, temperature), atol=1e-6, rtol=0)
        if temperature == 0:
            assert (found == plain(inside, trajectory, 0.0)).all()


@settings(max_examples=80)
@given(inside=predicates, trajectory=trajectories, buffer=st.sampled_from([0.0, 0.1]))
def test_a_penalty_and_its_gradient_are_those_of_all_samples(
    inside: In, trajectory: Trajectory, buffer: float
) -> None:
    x = trajectory.x.requires_grad_()
    found = with_gradient(In.penalty(inside, trajectory, buffer=buffer), x)
    torch.testing.assert_close(
        found, with_gradient(Predicate.penalty(inside, trajectory, buffer=buffer), x)
    )


def test_a_penalty_without_gradients_is_the_same() -> None:
    region, trajectory = Ball((0.1, 0.0), 0.5), wander(1)
    value = Avoid(region).violation(trajectory)
    trajectory.x.requires_grad_()
    torch.testing.assert_close(value, Avoid(region).violation(trajectory).detach())
    assert (value > 0).any()


EMPTY = Trajectory(torch.zeros(0, 5, POINT_MASS.dim), POINT_MASS)


@pytest.mark.parametrize(
    "region",
    [
        Ball((0, 0), 0.3),
        Box((0, 0), (1, 1), rotation=0.3),
        Moving(Box((0, 0), (1, 1)), ((0, 0), (1, 0))),
    ],
    ids=lambda region: type(region).__name__,
)
def test_no_trajectories_have_no_margins(region: Region) -> None:
    for constraint in (Avoid(region), StayIn(region), Reach(region), ~Avoid(region)):
        assert constraint.margin(EMPTY).shape == (0,)
        assert constraint.margin(EMPTY, temperature=0.1).shape == (0,)
        assert constraint.violation(EMPTY).shape == (0,)
