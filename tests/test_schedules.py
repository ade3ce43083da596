"""Gaussian paths: ends, derivatives and conversions."""

from __future__ import annotations

import pytest
import torch

from glass_plan.schedules import SCHEDULES, VariancePreserving

TIMES = [0.1, 0.35, 0.5, 0.8, 0.95]


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def schedule(request):
    return request.param


def test_noise_at_zero_and_data_at_one(schedule):
    small = 0.007 if isinstance(schedule, VariancePreserving) else 0.0  # exp(-5.025)
    assert schedule.alpha(0.0) == pytest.approx(small, abs=5e-4)
    assert schedule.alpha(0.0) ** 2 + schedule.sigma(0.0) ** 2 == pytest.approx(1.0)
    assert (schedule.alpha(1.0), schedule.sigma(1.0)) == pytest.approx((1.0, 0.0))


@pytest.mark.parametrize("t", TIMES)
def test_derivatives_match_differences(schedule, t):
    step = 1e-6
    for value, slope in ((schedule.alpha, schedule.d_alpha), (schedule.sigma, schedule.d_sigma)):
        assert slope(t) == pytest.approx((value(t + step) - value(t - step)) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("t", TIMES)
def test_time_is_recovered_from_the_signal_to_noise_ratio(schedule, t):
    assert schedule.t_of_snr(schedule.alpha(t) / schedule.sigma(t)) == pytest.approx(t)


@pytest.mark.parametrize("t", TIMES)
def test_velocity_and_denoiser_are_inverse_to_each_other(schedule, t):
    x, x_1 = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(schedule.denoiser(schedule.velocity(x_1, x, t), x, t), x_1)


def test_score_of_a_standard_normal_target_is_minus_x_over_variance(schedule):
    t, x = 0.4, torch.linspace(-2, 2, 5, dtype=torch.float64)
    a, s = schedule.alpha(t), schedule.sigma(t)
    x_1_hat = a / (a**2 + s**2) * x
    assert torch.allclose(schedule.score(x_1_hat, x, t), -x / (a**2 + s**2))
