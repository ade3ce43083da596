"""The best end points, worked by hand and seen along a run."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.kernels import (
    Archive,
    BestOf,
    FeynmanKac,
    Glass,
    Ode,
    Posterior,
    PosteriorMean,
    best_of,
    noise,
    run,
    uniform_grid,
)
from tests.kernels.targets import ASYMMETRIC

POINTS = torch.tensor([[1.0, 10.0], [3.0, 30.0], [2.0, 20.0]])


def climb(x):
    return 4 * x[:, 0]


def ended(kernel, count=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = noise(count, (1,), generator, dtype=torch.float64)
    return run(kernel, uniform_grid(5), x, generator).state


def test_an_archive_sorts_what_it_is_given():
    archive = Archive.empty(POINTS).add(POINTS, POINTS[:, 0])
    assert archive.reward.tolist() == [3.0, 2.0, 1.0]
    assert archive.x_1[:, 1].tolist() == [30.0, 20.0, 10.0]


def test_an_archive_keeps_the_best_of_old_and_new():
    archive = Archive.empty(POINTS[:2]).add(POINTS[:2], POINTS[:2, 0])
    fuller = archive.add(POINTS[2:], POINTS[2:, 0])
    assert fuller.reward.tolist() == [3.0, 2.0]
    assert fuller.x_1[:, 1].tolist() == [30.0, 20.0]
    assert archive.reward.tolist() == [3.0, 1.0]  # the old one is as it was


def test_an_archive_that_is_not_full_takes_everything():
    archive = Archive.empty(POINTS).add(POINTS[:1], POINTS[:1, 0])
    assert archive.reward.tolist() == [1.0]
    assert archive.add(POINTS[1:], POINTS[1:, 0]).reward.tolist() == [3.0, 2.0, 1.0]


def test_an_archive_does_not_depend_on_the_order_of_arrival():
    rewards = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0, 0.0])
    x_1, whole = rewards[:, None], Archive.empty(rewards[:3, None])
    for split in range(1, 5):
        parts = whole.add(x_1[split:], rewards[split:]).add(x_1[:split], rewards[:split])
        assert parts.reward.tolist() == [5.0, 4.0, 3.0]
        assert torch.equal(parts.x_1[:, 0], parts.reward)


def test_the_best_of_each_population_is_chosen():
    x_1 = torch.arange(12.0).reshape(6, 1, 2)
    reward = torch.tensor([0.0, 2.0, 1.0, 5.0, 3.0, 4.0])
    assert torch.equal(best_of(x_1, reward, 3), x_1[[1, 3]])
    assert torch.equal(best_of(x_1, reward, 2), x_1[[1, 3, 5]])
    assert torch.equal(best_of(x_1, reward, 1), x_1)
    assert torch.equal(best_of(x_1, reward, 6), x_1[[3]])


@pytest.mark.parametrize("samples", [0, 4])
def test_the_archive_of_a_steered_run_keeps_the_best_end_points_seen(samples):
    seen = []

    def watched(x):
        seen.append(climb(x))
        return seen[-1]

    posterior = Posterior(ASYMMETRIC.denoise)
    value = PosteriorMean(watched, posterior, samples) if samples else None
    state = ended(FeynmanKac(Glass(ASYMMETRIC.denoise), watched, value))
    assert torch.equal(state.archive.reward, torch.cat(seen).sort(descending=True).values[:32])
    assert torch.equal(state.archive.reward, climb(state.archive.x_1))
    assert float(state.archive.reward[0]) >= float(climb(state.x).max())


@pytest.mark.parametrize("move", [Ode(ASYMMETRIC.denoise), Glass(ASYMMETRIC.denoise)])
def test_best_of_moves_as_its_move_and_ranks_the_end(move):
    state, plain = ended(BestOf(move, climb)), ended(move)
    assert torch.equal(state.x, plain.x)
    assert torch.equal(state.archive.reward, climb(plain.x).sort(descending=True).values)
    assert torch.equal(climb(state.archive.x_1), state.archive.reward)


def test_what_is_not_a_number_is_never_the_best():
    x_1, reward = torch.arange(3.0), torch.tensor([math.nan, 2.0, 1.0])
    assert Archive.empty(x_1).add(x_1, reward).x_1.tolist() == [1.0, 2.0, 0.0]
    assert best_of(x_1, reward, 3).tolist() == [1.0]


def test_samples_that_are_no_populations_are_refused():
    with pytest.raises(KernelError, match="3 samples are no populations of 2"):
        best_of(torch.zeros(3), torch.zeros(3), 2)


def test_best_of_nears_the_upper_quantile():
    # P(best of n < q) = F(q)^n: the chance that the best of 32 lies below F = 0.8 is 0.08 %
    best = ended(BestOf(Glass(ASYMMETRIC.denoise, inner_steps=8), climb)).archive.x_1[:1]
    assert float(ASYMMETRIC.cdf(best)) > 0.8
