"""Moves against closed forms: marginals, cost, the scalar form against the matrix form."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.kernels import Glass, Ode, noise, run, uniform_grid
from glass_plan.kernels.glass import transition_table
from glass_plan.schedules import Cosine, Linear
from tests.kernels.targets import ASYMMETRIC, Mixture

COUNT = 20_000


def samples(kernel, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = noise(COUNT, (1,), generator, dtype=torch.float64)
    return run(kernel, uniform_grid(steps), x, generator).state.x[:, 0]


def within_five_standard_errors(drawn, mean, variance):
    error = math.sqrt(variance / len(drawn))
    fourth = float(((drawn - drawn.mean()) ** 4).mean())
    spread = math.sqrt(max(fourth - variance**2, 1e-12) / len(drawn))
    return (
        abs(float(drawn.mean()) - mean) < 5 * error
        and abs(float(drawn.var()) - variance) < 5 * spread
    )


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.4, 1.0, None])
@pytest.mark.parametrize("schedule", [Linear(), Cosine()], ids=["linear", "cosine"])
def test_glass_keeps_the_marginals_for_any_rho(rho, schedule):
    target = Mixture(ASYMMETRIC.weights, ASYMMETRIC.means, ASYMMETRIC.stds, schedule)
    drawn = samples(Glass(target.denoise, schedule, inner_steps=60, rho=rho), 3)
    # the discretisation bias of 60 inner steps is below 0.02 here; sampling error at 20,000 is more
    assert within_five_standard_errors(drawn, target.mean, target.variance)


def test_ode_error_falls_with_first_order():
    target = Mixture((1.0,), (1.5,), (0.7,))
    x = noise(500, (1,), torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = 1.5 + 0.7 * x  # the flow of a Gaussian is affine: it keeps quantiles
    errors = []
    for steps in (20, 40, 80):
        end = run(Ode(target.denoise), uniform_grid(steps), x, torch.Generator()).state.x
        errors.append(float((end - exact).abs().mean()))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert all(0.85 < order < 1.25 for order in orders)


def test_one_glass_transition_over_all_time_is_the_flow_ode():
    target = ASYMMETRIC
    whole = transition_table(Linear(), 0.0, 1.0, 0.0, 40, "euler")
    assert (whole.end_x, whole.end_y, whole.b_0) == (0.0, 1.0, 1.0)
    for k, step in enumerate(whole.steps):
        assert step.t_star == pytest.approx(k / 40, abs=1e-12)
    x = torch.randn(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = x.clone()
    for step in whole.steps:
        y = step.r * y + step.gain * target.denoise(step.from_x * x + step.from_y * y, step.t_star)
    straight = run(Ode(target.denoise), uniform_grid(40), x, torch.Generator()).state.x
    assert torch.allclose(y, straight, atol=1e-9)


@pytest.mark.parametrize(
    ("t", "t_next", "rho"), [(0.2, 0.5, 0.4), (0.5, 0.9, -0.5), (0.3, 0.8, None)]
)
def test_scalar_form_equals_the_matrix_form(t, t_next, rho):
    schedule = Linear()
    used = t * (1 - t_next) / ((1 - t) * t_next) if rho is None else rho
    gbar = used * (1 - t_next) / (1 - t)
    abar, sbar = t_next - gbar * t, (1 - t_next) * math.sqrt(1 - used**2)
    table = transition_table(schedule, t, t_next, used, 4, "euler")
    x_t, y = torch.tensor(0.7, dtype=torch.float64), torch.tensor(-0.3, dtype=torch.float64)
    for k, step in enumerate(table.steps[1:], start=1):
        s = k / 4
        mu = torch.tensor([t, s * abar + gbar * t], dtype=torch.float64)
        noise_x = (1 - t) ** 2
        b = (1 - s) * table.b_0 + s * sbar
        # covariance of (x_t, xbar_s) given z, with xbar_s = abar_s z + gbar x_t + b eps
        sigma = torch.tensor(
            [[noise_x, gbar * noise_x], [gbar * noise_x, gbar**2 * noise_x + b**2]],
            dtype=torch.float64,
        )
        solved = torch.linalg.solve(sigma, mu)
        precision = mu @ solved
        statistic = solved @ torch.stack([x_t, y + gbar * x_t]) / precision
        t_star = float(precision.sqrt() / (1 + precision.sqrt()))
        assert step.t_star == pytest.approx(t_star, abs=1e-12)
        assert float(step.from_x * x_t + step.from_y * y) == pytest.approx(
            t_star * float(statistic), abs=1e-12
        )


def test_a_transition_costs_as_many_calls_as_inner_steps():
    calls = []

    def counted(x, t):
        calls.append(t)
        return ASYMMETRIC.denoise(x, t)

    x = torch.zeros(3, 1, dtype=torch.float64)
    run(Glass(counted, inner_steps=4), uniform_grid(5), x, torch.Generator().manual_seed(0))
    assert len(calls) == 20


def test_glass_refuses_a_correlation_out_of_range():
    with pytest.raises(KernelError, match=r"rho must be in \[-1, 1\]"):
        Glass(ASYMMETRIC.denoise, rho=1.5)


def test_run_refuses_a_grid_that_goes_back():
    with pytest.raises(KernelError, match="t_grid must increase"):
        run(Ode(ASYMMETRIC.denoise), (0.0, 0.5, 0.4, 1.0), torch.zeros(1, 1), torch.Generator())
