"""Extrema in windows against brute force, and what they cost."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints.checks import LARGEST
from glass_plan.constraints.windows import Range, largest_in, smallest_in, touched
from tests.constraints.counting import work


def sliding(seed: int, count: int, seconds: float, *, times: int = 1) -> tuple[torch.Tensor, Range]:
    """Values (2, count) of segments of 0.5 to 1.5 s, so many times, and a window from each on."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, count, generator=generator, dtype=torch.float64)
    dt = 0.5 + torch.rand(2, count, generator=generator, dtype=torch.float64)
    values, dt = values.repeat(1, times), dt.repeat(1, times)
    ends = dt.cumsum(-1)
    return values, touched((ends - dt, ends), ends - dt, ends + seconds)


def by_brute_force(values: torch.Tensor, where: Range, row: int, q: int) -> tuple[float, float]:
    part = values[row, where.first[row, q] : where.last[row, q] + 1]
    return (part.amin().item(), part.amax().item()) if len(part) else (LARGEST, -LARGEST)


@settings(max_examples=40)
@given(seed=st.integers(0, 999), temperature=st.sampled_from([0.0, 0.0, 0.01, 1.0]))
def test_extrema_of_windows_agree_with_brute_force(seed: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(2, 13, generator=generator, dtype=torch.float64)
    first = torch.randint(0, 13, (2, 20), generator=generator)
    last = first + torch.randint(-2, 13, (2, 20), generator=generator)
    where = Range(first, last.clamp(-1, 12))
    least, most = smallest_in(values, where, temperature), largest_in(values, where, temperature)
    for row in range(2):
        for q in range(20):
            expected = by_brute_force(values, where, row, q)
            for found, exact in zip((least[row, q], most[row, q]), expected, strict=True):
                assert exact - 4 * temperature - 1e-12 <= found <= exact + 1e-12


@settings(max_examples=60)
@given(
    seed=st.integers(0, 999),
    count=st.integers(2, 70),
    seconds=st.sampled_from([0.1, 2.0, 5.5, 17.0, 1e5]),
    temperature=st.sampled_from([0.0, 0.0, 0.1]),
)
def test_extrema_of_windows_that_slide_agree_with_brute_force(
    seed: int, count: int, seconds: float, temperature: float
) -> None:
    values, where = sliding(seed, count, seconds)
    least, most = smallest_in(values, where, temperature), largest_in(values, where, temperature)
    below = temperature * math.log(2 * count) + 1e-12
    for row in range(2):
        for q in range(count):
            low, high = by_brute_force(values, where, row, q)
            assert low - below <= least[row, q] <= low + 1e-12
            assert high - below <= most[row, q] <= high + 1e-12


@pytest.mark.parametrize("seconds", [0.1, 5.5, 1e5])
@pytest.mark.parametrize("temperature", [0.0, 0.1])
def test_what_is_not_a_number_is_found_where_it_is(seconds: float, temperature: float) -> None:
    values, where = sliding(0, 30, seconds)
    values[0, 11] = math.nan
    index = torch.tensor(11)
    holds = (where.first <= index) & (index <= where.last)
    holds[1] = False
    for extremum in (smallest_in, largest_in):
        assert torch.equal(extremum(values, where, temperature).isnan(), holds)


@pytest.mark.parametrize("temperature", [0.0, 0.1])
def test_a_batch_of_none_has_no_extrema(temperature: float) -> None:
    none = torch.zeros(0, 7, dtype=torch.long)
    for extremum in (smallest_in, largest_in):
        assert extremum(torch.zeros(0, 7), Range(none, none), temperature).shape == (0, 7)


@pytest.mark.parametrize("seconds", [5.5, 60.0, 1e5])
def test_the_work_of_exact_windows_is_proportional_to_the_horizon(seconds: float) -> None:
    short, long = (sliding(0, 512, seconds, times=times) for times in (1, 8))
    ratio = work(lambda: largest_in(*long, 0.0)) / work(lambda: largest_in(*short, 0.0))
    assert ratio < 8.5  # for 8 times as many values


def test_a_long_horizon_costs_a_proportional_number_of_values() -> None:
    values = torch.zeros(1, 4096, dtype=torch.float64)
    index = torch.arange(4096)[None]
    where = Range(index, (index + 1000).clamp_max(4095))
    kept = []

    def count(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        largest_in(values.requires_grad_(), where, 0.0)
    assert max(kept) <= 4096  # which value each is
