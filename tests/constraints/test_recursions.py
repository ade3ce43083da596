"""Recursions from the end against a loop over instants, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan.constraints.checks import LARGEST
from glass_plan.constraints.recursions import held_up_to, least_sum_up_to
from tests.constraints.counting import work


def one_by_one(
    hold: torch.Tensor, goal: torch.Tensor, last: float, step: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """u_k = step(hold_k, goal_k, u_{k+1})."""
    later, values = torch.full_like(hold[..., 0], last), []
    for k in reversed(range(hold.shape[-1])):
        later = step(hold[..., k], goal[..., k], later)
        values.append(later)
    return torch.stack(values[::-1], dim=-1)


def up_to(h: torch.Tensor, g: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    return torch.minimum(h, torch.maximum(g, u))


def sums(h: torch.Tensor, g: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    return torch.minimum(g, h + u)


def pair(seed: int, count: int, *, ties: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Two signals (2, count) in float64, of few different values where there are ties."""
    generator = torch.Generator().manual_seed(seed)
    both = torch.randn(2, 2, count, generator=generator, dtype=torch.float64)
    return (2 * both).round().unbind() if ties else both.unbind()


@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 40),
    ties=st.booleans(),
    last=st.sampled_from([-LARGEST, LARGEST, 0.1]),
)
def test_what_holds_up_to_a_goal_is_found_as_one_by_one(
    seed: int, count: int, ties: bool, last: float
) -> None:
    hold, goal = pair(seed, count, ties=ties)
    expected = one_by_one(hold, goal, last, up_to)
    assert torch.equal(held_up_to(hold, goal, last), expected)
    assert torch.equal(held_up_to(hold[0], goal[0], last), expected[0])


@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 40),
    ties=st.booleans(),
    last=st.sampled_from([0.0, LARGEST]),
)
def test_least_sums_up_to_a_goal_are_found_as_one_by_one(
    seed: int, count: int, ties: bool, last: float
) -> None:
    hold, goal = (x.relu() for x in pair(seed, count, ties=ties))
    expected = one_by_one(hold, goal, last, sums)
    torch.testing.assert_close(least_sum_up_to(hold, goal, last), expected, atol=1e-12, rtol=1e-12)


def test_a_small_sum_is_not_lost_beside_a_large_one() -> None:
    hold, goal = torch.full((64,), 1e-3), torch.full((64,), 5e-3)
    hold[:3] = 1e6
    expected = one_by_one(hold.double(), goal.double(), LARGEST, sums)
    found = least_sum_up_to(hold, goal, LARGEST)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=0, rtol=1e-6)


def test_what_is_not_a_number_makes_all_before_it_so() -> None:
    for which in range(2):
        both = pair(0, 20)
        both[which][:, 11] = math.nan
        found, expected = held_up_to(*both, 0.0), one_by_one(*both, 0.0, up_to)
        assert torch.equal(found.isnan(), expected.isnan())
        torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize(("recursion", "step"), [(held_up_to, up_to), (least_sum_up_to, sums)])
def test_recursions_have_the_gradient_of_a_loop(
    recursion: Callable[..., torch.Tensor], step: Callable[..., torch.Tensor]
) -> None:
    both = [x.abs().requires_grad_() for x in pair(3, 37)]
    weights = torch.linspace(1, 2, 37, dtype=torch.float64)
    found = torch.autograd.grad((weights * recursion(*both, 0.3)).sum(), both)
    expected = torch.autograd.grad((weights * one_by_one(*both, 0.3, step)).sum(), both)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("recursion", [held_up_to, least_sum_up_to])
def test_the_work_of_recursions_is_proportional_to_the_horizon(
    recursion: Callable[..., torch.Tensor],
) -> None:
    short, long = (pair(0, count) for count in (512, 4096))
    ratio = work(lambda: recursion(*long, 0.0)) / work(lambda: recursion(*short, 0.0))
    assert ratio < 8.1  # for 8 times as many instants


@pytest.mark.parametrize("recursion", [held_up_to, least_sum_up_to])
def test_a_batch_of_none_has_no_recursion(recursion: Callable[..., torch.Tensor]) -> None:
    assert recursion(torch.zeros(0, 7), torch.zeros(0, 7), 0.0).shape == (0, 7)
