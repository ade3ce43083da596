"""What a particle is worth, against V_t(x) = log E[exp r(x_1) | x_t = x] in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan.kernels import Glass, LookAhead, Posterior, PosteriorMean
from glass_plan.kernels.base import State
from tests.kernels.statistics import within_five_standard_errors
from tests.kernels.targets import ASYMMETRIC, GAUSSIAN

SLOPE, T, X_T, COUNT = 0.8, 0.4, -0.3, 4000
EXACT = ASYMMETRIC.posterior(X_T, T).tilted(SLOPE)[1]


def climb(x):
    return SLOPE * x[:, 0]


def standing(target, count=COUNT, t=T):
    """Equal particles at X_T."""
    return Glass(target.denoise).init(torch.full((count, 1), X_T, dtype=torch.float64), t)


def estimated(samples, state=None, t=T):
    posterior = Posterior(ASYMMETRIC.denoise, inner_steps=20)
    value = PosteriorMean(climb, posterior, samples, common_noise=False)
    return value(state or standing(ASYMMETRIC), t, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("samples", [1, 4])
def test_the_exponential_of_a_posterior_mean_is_unbiased(samples):
    assert within_five_standard_errors(estimated(samples).value.exp(), math.exp(EXACT), bias=1e-3)


def test_posterior_means_rise_to_the_value_with_more_samples():
    few, more, many = (float(estimated(samples).value.mean()) for samples in (1, 4, 64))
    assert few < more < many < EXACT + 0.005
    assert many == pytest.approx(EXACT, abs=0.02)


def test_one_posterior_sample_is_worth_its_reward():
    valued = estimated(1)
    assert torch.allclose(valued.value, climb(valued.x_1[0]))


def test_posterior_means_tell_the_samples_they_looked_at():
    valued = estimated(3)
    assert valued.x_1.shape == (3, COUNT, 1)
    assert torch.equal(valued.reward, SLOPE * valued.x_1[..., 0])
    assert torch.allclose(valued.value, valued.reward.exp().mean(0).log())


def test_common_noise_leaves_the_order_of_gaussian_particles_exact():
    """The posteriors differ by a shift alone, and so do the values."""
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    state = Glass(GAUSSIAN.denoise).init(x, T)
    value = PosteriorMean(climb, Posterior(GAUSSIAN.denoise, inner_steps=4), samples=2)
    found = value(state, T, torch.Generator().manual_seed(0)).value
    assert torch.allclose(found.diff(), climb(state.x_1_hat).diff())


def test_a_look_ahead_misses_half_the_spread_of_a_linear_reward():
    valued = LookAhead(climb)(standing(GAUSSIAN, 1), T, torch.Generator())
    posterior = GAUSSIAN.posterior(X_T, T)
    missing = 0.5 * SLOPE**2 * posterior.variance
    assert float(valued.value[0]) == pytest.approx(posterior.tilted(SLOPE)[1] - missing)


def test_a_look_ahead_values_by_its_flow_time_and_ranks_by_the_target():
    value = LookAhead(climb, at=lambda t: lambda x: t * climb(x) + 3.0)
    state = standing(ASYMMETRIC, 2)
    valued = value(state, T, torch.Generator())
    assert torch.allclose(valued.value, T * climb(state.x_1_hat) + 3.0)
    assert torch.equal(valued.reward[0], climb(state.x_1_hat))
    ended = value(state, 1.0, torch.Generator())
    assert torch.equal(ended.value, climb(state.x_1_hat))  # whatever ``at`` says there


def test_a_look_ahead_asks_once_where_the_target_is_what_counts():
    asked = []

    def counted(x):
        asked.append(len(x))
        return climb(x)

    LookAhead(counted, at=lambda t: counted)(standing(ASYMMETRIC, 2), T, torch.Generator())
    assert asked == [2]


def test_every_value_ends_in_the_reward():
    x = torch.linspace(-2, 2, 7, dtype=torch.float64)[:, None]
    state = State(x, x)
    for valued in (LookAhead(climb)(state, 1.0, torch.Generator()), estimated(4, state, 1.0)):
        assert torch.equal(valued.value, climb(x))
        assert torch.equal(valued.x_1[0], x)
