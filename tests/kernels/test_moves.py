"""Moves against closed forms: marginals, and the scalar form against the matrix form."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.kernels import DdpmPower, Glass, Ode, Sde, Substeps, noise, run, uniform_grid
from glass_plan.kernels.glass import ddpm_rho, transition_table
from glass_plan.kernels.ode import ODE_SOLVERS
from glass_plan.schedules import SCHEDULES
from tests.kernels.statistics import has_moments_of, transport_is_as_of
from tests.kernels.targets import ASYMMETRIC, GAUSSIAN

COUNT = 8000
GLASS_STEPS, INNER = 3, 24  # bias below 1e-3 of a quantile, sampling at COUNT makes 6e-3
SDE_STEPS, SDE_BIAS = 150, 0.02  # halves when the steps double: see the test of that below
ODE_BIAS = {"euler": 0.02, "midpoint": 0.005, "heun": 0.005, "2m": 0.005}  # at 80 steps


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def target(request):
    return ASYMMETRIC.on(request.param)


def samples(kernel, steps, seed=0, count=COUNT):
    generator = torch.Generator().manual_seed(seed)
    x = noise(count, (1,), generator, dtype=torch.float64)
    return run(kernel, uniform_grid(steps), x, generator).state.x


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.4, 1.0, None, DdpmPower(2)], ids=str)
def test_glass_keeps_the_marginals_for_any_rho(target, rho):
    drawn = samples(Glass(target.denoise, target.schedule, INNER, rho), GLASS_STEPS)
    assert has_moments_of(drawn, target)
    assert transport_is_as_of(drawn, target, torch.Generator().manual_seed(1))


def test_glass_keeps_the_marginals_on_the_way(target):
    generator = torch.Generator().manual_seed(0)
    kernel = Glass(target.denoise, target.schedule, INNER)
    state = kernel.init(target.at(0.2).sample(COUNT, generator), 0.2)
    for t, t_next in ((0.2, 0.5), (0.5, 0.8)):
        state, _ = kernel.step(state, t, t_next, generator)
        assert has_moments_of(state.x, target.at(t_next))
        assert transport_is_as_of(state.x, target.at(t_next), generator)


def test_early_stop_keeps_the_marginals(target):
    kernel = Glass(target.denoise, target.schedule, INNER, early_stop=True)
    assert has_moments_of(samples(kernel, GLASS_STEPS), target)


@pytest.mark.parametrize("rho", [None, 1.0])
def test_many_sde_steps_keep_the_marginals(target, rho):
    drawn = samples(Sde(target.denoise, target.schedule, rho), SDE_STEPS)
    assert has_moments_of(drawn, target, bias=SDE_BIAS)


@pytest.mark.parametrize("solver", ODE_SOLVERS)
def test_ode_samples_have_the_moments_of_the_target(target, solver):
    drawn = samples(Ode(target.denoise, target.schedule, solver), 80)
    assert has_moments_of(drawn, target, bias=ODE_BIAS[solver])


def test_an_sde_step_has_the_mean_of_the_exact_transition(target):
    t, t_next, x_t = 0.3, 0.6, torch.full((COUNT, 1), -0.4, dtype=torch.float64)
    kernel = Sde(target.denoise, target.schedule)
    moved, _ = kernel.step(kernel.init(x_t, t), t, t_next, torch.Generator().manual_seed(0))
    rho = ddpm_rho(target.schedule, t, t_next)
    exact = target.transition(-0.4, t, t_next, None).mean
    spread = target.schedule.sigma(t_next) * math.sqrt(1 - rho**2)  # of the noise alone
    assert abs(float(moved.x.mean()) - exact) < 5 * spread / math.sqrt(COUNT)
    assert float(moved.x.std()) == pytest.approx(spread, rel=5 / math.sqrt(2 * COUNT))


def sde_variance(steps, rho):
    """Of GAUSSIAN's end points, by the recursion of the affine steps from N(0, 1)."""
    variance = 1.0
    for t, t_next in itertools.pairwise(uniform_grid(steps)):
        used = ddpm_rho(GAUSSIAN.schedule, t, t_next) if rho is None else rho
        slope = t * 0.7**2 / (t**2 * 0.7**2 + (1 - t) ** 2)  # of D_t
        gbar = used * (1 - t_next) / (1 - t)
        kept = (gbar + (t_next - gbar * t) * slope) ** 2 * variance
        variance = kept + (1 - t_next) ** 2 * (1 - used**2)
    return variance


@pytest.mark.parametrize("rho", [None, 0.4, 1.0])
def test_few_sde_steps_leave_out_the_spread_that_the_recursion_says(rho):
    drawn, expected = samples(Sde(GAUSSIAN.denoise, rho=rho), 10), sde_variance(10, rho)
    assert float(drawn.var()) == pytest.approx(expected, rel=5 * math.sqrt(2 / COUNT))
    assert expected < 0.8 * GAUSSIAN.variance


def test_the_spread_left_out_falls_with_first_order_at_ddpm_only():
    missing = {
        rho: [GAUSSIAN.variance - sde_variance(steps, rho) for steps in (100, 200)]
        for rho in (None, 0.4)
    }
    assert math.log2(missing[None][0] / missing[None][1]) == pytest.approx(1.0, abs=0.1)
    # a fixed correlation renews its noise at every step, however small: no limit is the target
    assert missing[0.4][1] > 0.3 * GAUSSIAN.variance


@pytest.mark.parametrize(
    ("t", "t_next", "rho"), [(0.2, 0.5, 0.4), (0.5, 0.9, -0.5), (0.3, 0.8, None)]
)
def test_scalar_form_equals_the_matrix_form(target, t, t_next, rho):
    schedule = target.schedule
    rho = ddpm_rho(schedule, t, t_next) if rho is None else rho
    alpha, sigma, sigma_next = schedule.alpha(t), schedule.sigma(t), schedule.sigma(t_next)
    gbar = rho * sigma_next / sigma
    abar, sbar = schedule.alpha(t_next) - gbar * alpha, sigma_next * math.sqrt(1 - rho**2)
    table = transition_table(schedule, t, t_next, rho, 4, "euler")
    x_t, y = torch.tensor([0.7, -0.3], dtype=torch.float64)
    for k, step in enumerate(table.steps[1:], start=1):
        a, b = k / 4 * abar, (1 - k / 4) * table.b_0 + k / 4 * sbar
        mu = torch.tensor([alpha, a + gbar * alpha], dtype=torch.float64)
        # covariance of (x_t, xbar_s) given z, with xbar_s = a z + gbar x_t + b eps
        covariance = torch.tensor(
            [[sigma**2, gbar * sigma**2], [gbar * sigma**2, (gbar * sigma) ** 2 + b**2]],
            dtype=torch.float64,
        )
        solved = torch.linalg.solve(covariance, mu)
        precision = mu @ solved
        statistic = solved @ torch.stack([x_t, y + gbar * x_t]) / precision
        t_star = schedule.t_of_snr(float(precision.sqrt()))
        assert step.t_star == pytest.approx(t_star, abs=1e-12)
        assert float(step.from_x * x_t + step.from_y * y) == pytest.approx(
            schedule.alpha(t_star) * float(statistic), abs=1e-12
        )


@pytest.mark.parametrize("rho", [1.1, -2.0])
def test_an_sde_refuses_a_correlation_out_of_range(rho):
    with pytest.raises(KernelError, match=r"Sde: rho must be in \[-1, 1\]"):
        Sde(ASYMMETRIC.denoise, rho=rho)


def test_an_ode_names_the_nearest_solver():
    with pytest.raises(KernelError, match="did you mean 'midpoint'"):
        Ode(ASYMMETRIC.denoise, solver="midpiont")


def test_substeps_are_the_steps_of_a_finer_grid():
    coarse = samples(Substeps(Sde(GAUSSIAN.denoise), 4), 2, count=50)
    assert torch.allclose(coarse, samples(Sde(GAUSSIAN.denoise), 8, count=50))


def test_log_ratios_of_substeps_add_up():
    def up(x_t, t, x_1_hat):
        return x_1_hat + 0.3

    fine, coarse = Sde(GAUSSIAN.denoise, guide=up), Substeps(Sde(GAUSSIAN.denoise, guide=up), 2)
    start = fine.init(GAUSSIAN.at(0.2).sample(50, torch.Generator().manual_seed(0)), 0.2)
    generator, log_ratio = torch.Generator().manual_seed(1), torch.zeros(50, dtype=torch.float64)
    state = start
    for t, t_next in ((0.2, 0.4), (0.4, 0.6)):
        state, _ = fine.step(state, t, t_next, generator)
        log_ratio += state.log_ratio
    together, _ = coarse.step(start, 0.2, 0.6, torch.Generator().manual_seed(1))
    assert torch.allclose(together.log_ratio, log_ratio)
    assert torch.allclose(together.x, state.x)


def test_no_substeps_are_refused():
    with pytest.raises(KernelError, match="count must be at least 1, got 0"):
        Substeps(Sde(GAUSSIAN.denoise), 0)
