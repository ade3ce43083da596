"""Any pretrained model as a denoiser: velocity, noise and score say the same as the closed form."""

from __future__ import annotations

import pickle

import pytest
import torch

from glass_plan.denoisers import Count, Counted, FromNoise, FromScore, FromVelocity
from glass_plan.schedules import SCHEDULES, Linear
from tests.kernels.targets import ASYMMETRIC

TIMES = [0.05, 0.3, 0.5, 0.8, 0.99]
X = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def target(request):
    return ASYMMETRIC.on(request.param)


def log_density(target, x, t):
    """log p_t(x), of which the score is the gradient."""
    law = target.at(t)
    parts = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.tensor(law.weights, dtype=torch.float64)),
        torch.distributions.Normal(
            torch.tensor(law.means, dtype=torch.float64),
            torch.tensor(law.stds, dtype=torch.float64),
        ),
    )
    return parts.log_prob(x[:, 0])


def score(target, x, t):
    variable = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(target, variable, t).sum(), variable)
    return gradient


@pytest.mark.parametrize("t", TIMES)
def test_a_score_model_is_the_analytic_denoiser(target, t):
    denoise = FromScore(lambda x, t: score(target, x, t), target.schedule)
    assert torch.allclose(denoise(X, t), target.denoise(X, t), atol=1e-8)


@pytest.mark.parametrize("t", TIMES)
def test_a_noise_model_is_the_analytic_denoiser(target, t):
    def predict_noise(x, t):  # E[x_0 | x_t], which is -sigma times the score
        return -target.schedule.sigma(t) * score(target, x, t)

    denoise = FromNoise(predict_noise, target.schedule)
    assert torch.allclose(denoise(X, t), target.denoise(X, t), atol=1e-8)


@pytest.mark.parametrize("t", TIMES)
def test_a_velocity_model_is_the_analytic_denoiser(target, t):
    def velocity(x, t):  # E[d_alpha x_1 + d_sigma x_0 | x_t]
        x_0 = -target.schedule.sigma(t) * score(target, x, t)
        x_1 = target.denoise(x, t)
        return target.schedule.d_alpha(t) * x_1 + target.schedule.d_sigma(t) * x_0

    denoise = FromVelocity(velocity, target.schedule)
    assert torch.allclose(denoise(X, t), target.denoise(X, t), atol=1e-8)


def test_the_velocity_carries_the_marginals(target):
    # continuity: d/dt P(x_t < x) = -p_t(x) u_t(x)
    t, step, schedule = 0.6, 1e-5, target.schedule
    change = (target.at(t + step).cdf(X) - target.at(t - step).cdf(X)) / (2 * step)
    velocity = schedule.velocity(target.denoise(X, t), X, t)
    density = log_density(target, X, t).exp()[:, None]
    assert torch.allclose(change, -density * velocity, atol=1e-7)


def test_at_the_start_a_velocity_model_expects_the_mean():
    # there u_0(x) = E[x_1] - x on the linear path
    denoise = FromVelocity(lambda x, t: ASYMMETRIC.mean - x)
    assert torch.allclose(denoise(X, 0.0), torch.full_like(X, ASYMMETRIC.mean))
    assert torch.allclose(ASYMMETRIC.denoise(X, 0.0), torch.full_like(X, ASYMMETRIC.mean))


def test_the_denoiser_averages_the_data_that_made_it():
    t, count = 0.4, 200_000
    generator = torch.Generator().manual_seed(0)
    x_1 = ASYMMETRIC.sample(count, generator)
    x_t = t * x_1 + (1 - t) * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    error = x_1 - ASYMMETRIC.denoise(x_t, t)  # orthogonal to every function of x_t
    for of in (torch.ones_like(x_t), x_t, x_t**2, (x_t > 0).double()):
        product = error * of
        assert abs(float(product.mean())) < 5 * float(product.std()) / count**0.5


def test_rows_and_calls_are_counted():
    counted = Counted(ASYMMETRIC.denoise)
    assert (counted.count.rows, counted.count.calls) == (0, 0)
    assert torch.equal(counted(X, 0.3), ASYMMETRIC.denoise(X, 0.3))
    counted(X[:4], 0.7)
    assert (counted.count.rows, counted.count.calls) == (len(X) + 4, 2)


def test_a_count_may_be_shared_but_is_not_by_itself():
    shared = Count()
    for denoise in (Counted(ASYMMETRIC.denoise, shared), Counted(ASYMMETRIC.denoise, shared)):
        denoise(X, 0.5)
    assert shared == Count(rows=2 * len(X), calls=2)
    assert Counted(ASYMMETRIC.denoise).count == Count()


@pytest.mark.parametrize("kind", [FromVelocity, FromNoise, FromScore])
def test_a_wrapped_model_pickles_prints_and_keeps_the_type(kind):
    denoise = kind(torch.multiply, Linear())
    again = pickle.loads(pickle.dumps(denoise))
    assert kind.__name__ in repr(again)
    x = torch.ones(2, 3, 4)
    assert torch.equal(again(x, 0.5), denoise(x, 0.5))
    assert again(x, 0.5).dtype == torch.float32
