"""Conditional laws against closed forms: p(x_1 | x_t), p(x_t' | x_t), and early stopping."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.kernels import DdpmPower, Glass, Posterior, noise
from glass_plan.kernels.glass import ddpm_rho, transition_table
from glass_plan.kernels.inner import early_stop_table
from glass_plan.schedules import SCHEDULES
from tests.kernels.statistics import has_moments_of, transport_is_as_of
from tests.kernels.targets import ASYMMETRIC, GAUSSIAN

COUNT = 4000
INNER = 30  # its bias is below 1e-3 of a quantile (test_orders), sampling at COUNT makes 8e-3
POINTS = [(0.0, 0.3), (0.2, -1.5), (0.5, 0.2), (0.8, -0.9), (0.95, 1.4)]
RHOS = [-0.5, 0.0, 0.4, 1.0, None]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def target(request):
    return ASYMMETRIC.on(request.param)


def posterior_samples(target, x_t, t, generator):
    x = torch.full((1, 1), x_t, dtype=torch.float64)
    y_0 = noise(COUNT, (1, 1), generator, dtype=torch.float64)
    posterior = Posterior(target.denoise, target.schedule, INNER)
    return posterior.sample(x, t, target.denoise(x, t), y_0)[:, 0]


def moved(kernel, x_t, t, t_next, generator, count=COUNT):
    state = kernel.init(torch.full((count, 1), x_t, dtype=torch.float64), t)
    return kernel.step(state, t, t_next, generator)[0].x


@pytest.mark.parametrize(("t", "x_t"), POINTS)
def test_posterior_samples_follow_the_posterior(target, t, x_t, generator):
    drawn, exact = posterior_samples(target, x_t, t, generator), target.posterior(x_t, t)
    assert has_moments_of(drawn, exact)
    assert transport_is_as_of(drawn, exact, generator)


def test_posterior_samples_belong_to_components_by_their_responsibility(generator):
    t, x_t = 0.5, -0.4  # between the components: both may have made it
    exact = ASYMMETRIC.posterior(x_t, t)
    assert 0.2 < exact.weights[0] < 0.8
    drawn = posterior_samples(ASYMMETRIC, x_t, t, generator)
    for cut in (-1.0, -0.5, 0.0):  # P(x_1 < cut) mixes the components' shares
        share = float(exact.cdf(torch.tensor([cut], dtype=torch.float64)))
        error = math.sqrt(share * (1 - share) / COUNT)
        assert abs(float((drawn < cut).double().mean()) - share) < 5 * error


def test_each_particle_has_samples_of_its_own_posterior(generator):
    x = torch.tensor([[-1.0], [0.2], [0.9]], dtype=torch.float64)
    y_0 = noise(COUNT, (3, 1), generator, dtype=torch.float64)
    posterior = Posterior(ASYMMETRIC.denoise, inner_steps=INNER)
    drawn = posterior.sample(x, 0.6, ASYMMETRIC.denoise(x, 0.6), y_0)
    assert drawn.shape == (COUNT, 3, 1)
    for row, x_t in enumerate(x[:, 0].tolist()):
        assert has_moments_of(drawn[:, row], ASYMMETRIC.posterior(x_t, 0.6))


@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize(("t", "t_next", "x_t"), [(0.1, 0.4, 0.3), (0.5, 0.9, -0.4)])
def test_glass_moves_by_the_exact_transition_law(target, t, t_next, x_t, rho, generator):
    kernel = Glass(target.denoise, target.schedule, inner_steps=INNER, rho=rho)
    drawn, exact = moved(kernel, x_t, t, t_next, generator), target.transition(x_t, t, t_next, rho)
    assert has_moments_of(drawn, exact)
    assert transport_is_as_of(drawn, exact, generator)


def test_the_last_transition_samples_the_posterior_whatever_rho(target, generator):
    for rho in RHOS:
        kernel = Glass(target.denoise, target.schedule, inner_steps=INNER, rho=rho)
        assert has_moments_of(moved(kernel, 0.4, 0.7, 1.0, generator), target.posterior(0.4, 0.7))


def test_a_power_of_the_ddpm_correlation_moves_by_its_law(generator):
    t, t_next, x_t = 0.4, 0.7, 0.1
    rho = ddpm_rho(ASYMMETRIC.schedule, t, t_next) ** 2
    kernel = Glass(ASYMMETRIC.denoise, inner_steps=INNER, rho=DdpmPower(2))
    exact = ASYMMETRIC.transition(x_t, t, t_next, rho)
    assert has_moments_of(moved(kernel, x_t, t, t_next, generator), exact)


@pytest.mark.parametrize(("t", "t_next", "x_t"), [(0.1, 0.4, 0.3), (0.5, 0.9, -0.4)])
def test_early_stop_moves_by_the_ddpm_transition_law(target, t, t_next, x_t, generator):
    kernel = Glass(target.denoise, target.schedule, inner_steps=INNER, early_stop=True)
    drawn, exact = moved(kernel, x_t, t, t_next, generator), target.transition(x_t, t, t_next, None)
    assert has_moments_of(drawn, exact)
    assert transport_is_as_of(drawn, exact, generator)


@pytest.mark.parametrize(("t", "t_next"), [(0.0, 0.3), (0.2, 0.6), (0.5, 0.9)])
def test_early_stop_goes_the_same_way_from_the_same_noise(target, t, t_next):
    def difference(steps):
        direct = Glass(target.denoise, target.schedule, inner_steps=steps)
        early = Glass(target.denoise, target.schedule, inner_steps=steps, early_stop=True)
        generators = [torch.Generator().manual_seed(1) for _ in range(2)]
        ends = [
            moved(kernel, 0.3, t, t_next, generator, count=200)
            for kernel, generator in zip((direct, early), generators, strict=True)
        ]
        return float((ends[0] - ends[1]).abs().mean())

    assert difference(1) < 1e-12
    assert math.log2(difference(20) / difference(40)) == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize(("t", "t_next"), [(0.0, 0.3), (0.2, 0.6), (0.5, 0.9)])
def test_early_stop_of_one_inner_step_has_the_scalars_of_ddpm(target, t, t_next):
    schedule = target.schedule
    direct = transition_table(schedule, t, t_next, ddpm_rho(schedule, t, t_next), 1, "2m")
    early = early_stop_table(schedule, t, t_next, 1, "2m")

    def weights(table):
        (step,) = table.steps
        return (table.end_x, table.end_y * step.gain, table.end_y * step.r * table.b_0)

    assert weights(early) == pytest.approx(weights(direct), abs=1e-12)


def test_early_stop_at_the_end_is_the_posterior_flow(target):
    early = early_stop_table(target.schedule, 0.4, 1.0, 6, "2m")
    assert early == transition_table(target.schedule, 0.4, 1.0, 0.0, 6, "2m")


def test_early_stop_stays_before_the_time_it_goes_to(target):
    table = early_stop_table(target.schedule, 0.2, 0.6, 20, "2m")
    times = [step.t_star for step in table.steps]
    assert times == sorted(times)
    assert times[0] == 0.2
    assert 0.5 < times[-1] < 0.6


@pytest.mark.parametrize("rho", RHOS)
def test_a_gaussian_stays_gaussian_through_a_transition(rho):
    kernel = Glass(GAUSSIAN.denoise, inner_steps=60, rho=rho)
    drawn = moved(kernel, 0.2, 0.3, 0.7, torch.Generator().manual_seed(1), count=200)
    eps = noise(200, (1,), torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = GAUSSIAN.transition(0.2, 0.3, 0.7, rho)
    assert torch.allclose(drawn, exact.mean + math.sqrt(exact.variance) * eps, atol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rho": 1.5}, r"rho must be in \[-1, 1\]"),
        ({"rho": -1.01}, r"rho must be in \[-1, 1\]"),
        ({"rho": 0.4, "early_stop": True}, "leave rho None"),
        ({"inner_steps": 0}, "Glass: inner_steps must be at least 1, got 0"),
        ({"solver": "eular"}, "did you mean 'euler'"),
    ],
)
def test_glass_refuses_what_it_cannot_do(wrong, message):
    with pytest.raises(KernelError, match=message):
        Glass(ASYMMETRIC.denoise, **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inner_steps": 0}, "Posterior: inner_steps must be at least 1"),
        ({"solver": "3m"}, "unknown solver '3m'; valid: 2m, euler"),
    ],
)
def test_posterior_refuses_what_it_cannot_do(wrong, message):
    with pytest.raises(KernelError, match=message):
        Posterior(ASYMMETRIC.denoise, **wrong)
