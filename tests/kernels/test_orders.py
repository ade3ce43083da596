"""Order of accuracy: how the error of each flow solver falls with the step, against references."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torchdiffeq import odeint

from glass_plan.kernels import Glass, Ode, Posterior, Sde, noise, run, uniform_grid
from glass_plan.kernels.glass import transition_table
from glass_plan.kernels.inner import integrate
from glass_plan.schedules import SCHEDULES, Linear
from tests.kernels.targets import ASYMMETRIC, GAUSSIAN

ODE_ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "2m": 2}
INNER_ORDERS = {"euler": 1, "2m": 2}
T_START, T_END = 0.1, 0.9  # inside, where every path is smooth
LEVELS = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def target(request):
    return ASYMMETRIC.on(request.param)


def orders(errors):
    return [math.log2(a / b) for a, b in itertools.pairwise(errors)]


def ended(kernel, x, grid):
    return run(kernel, grid, x, torch.Generator()).state.x


def inner_grid(steps):
    return [T_START + (T_END - T_START) * k / steps for k in range(steps + 1)]


def followed(target, x):
    """The flow from T_START to T_END by an adaptive solver."""

    def velocity(t, x_t):
        return target.schedule.velocity(target.denoise(x_t, float(t)), x_t, float(t))

    times = torch.tensor([T_START, T_END], dtype=torch.float64)
    return odeint(velocity, x, times, rtol=1e-9, atol=1e-9, method="dopri5")[-1]


@pytest.mark.parametrize("solver", ODE_ORDERS)
def test_an_ode_solver_nears_the_adaptive_reference_with_its_order(target, solver):
    exact = followed(target, LEVELS)
    kernel = Ode(target.denoise, target.schedule, solver)
    errors = [
        float((ended(kernel, LEVELS, inner_grid(steps)) - exact).abs().mean())
        for steps in (16, 32, 64)
    ]
    assert orders(errors) == pytest.approx([ODE_ORDERS[solver]] * 2, abs=0.2)


def test_the_adaptive_reference_keeps_quantiles(target):
    before = target.at(T_START).cdf(LEVELS)
    after = target.at(T_END).cdf(followed(target, LEVELS))
    assert torch.allclose(after, before, atol=1e-7)


@pytest.mark.parametrize("solver", ODE_ORDERS)
def test_the_whole_flow_keeps_quantiles(solver):
    out = ended(Ode(ASYMMETRIC.denoise, solver=solver), LEVELS, uniform_grid(64))
    error = float((ASYMMETRIC.cdf(out) - ASYMMETRIC.at(0.0).cdf(LEVELS)).abs().max())
    assert error < (0.02 if ODE_ORDERS[solver] == 1 else 1e-3)


@pytest.mark.parametrize("solver", ["heun", "2m"])
def test_an_end_point_linear_in_w_is_followed_exactly(target, solver):
    schedule = target.schedule

    def snr(t):
        return schedule.alpha(t) / schedule.sigma(t)

    def denoise(x, t):  # w = snr / sqrt(1 + snr^2)
        return torch.full_like(x, 2.0 - 3.0 * snr(t) / math.hypot(1, snr(t)))

    kernel, generator = Ode(denoise, schedule, solver), torch.Generator()
    state, _ = kernel.step(kernel.init(LEVELS, 0.2), 0.2, 0.4, generator)
    end, _ = kernel.step(state, 0.4, 0.7, generator)
    # x / sigma moves by the integral of 2 - 3 w over snr
    moved = 2 * (snr(0.7) - snr(0.4)) - 3 * (math.hypot(1, snr(0.7)) - math.hypot(1, snr(0.4)))
    exact = schedule.sigma(0.7) * (state.x / schedule.sigma(0.4) + moved)
    assert torch.allclose(end.x, exact)


@pytest.mark.parametrize("solver", INNER_ORDERS)
@pytest.mark.parametrize("t", [0.0, 0.3, 0.8])
def test_posterior_samples_near_their_quantiles_with_the_inner_order(target, t, solver):
    x_t = torch.full((1, 1), 0.3, dtype=torch.float64)
    exact = target.posterior(0.3, t)
    errors = []
    for steps in (16, 32, 64):
        posterior = Posterior(target.denoise, target.schedule, steps, solver)
        drawn = posterior.sample(x_t, t, target.denoise(x_t, t), LEVELS[:, None])[:, 0]
        errors.append(float((exact.cdf(drawn) - torch.special.ndtr(LEVELS)).abs().mean()))
    assert orders(errors) == pytest.approx([INNER_ORDERS[solver]] * 2, abs=0.25)


@pytest.mark.parametrize("solver", INNER_ORDERS)
@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.4, 1.0])
def test_transitions_near_their_quantiles_with_the_inner_order(target, rho, solver):
    t, t_next, x_t = 0.3, 0.7, torch.full_like(LEVELS, -0.2)
    exact = target.transition(-0.2, t, t_next, rho)
    errors = []
    for steps in (16, 32, 64):
        table = transition_table(target.schedule, t, t_next, rho, steps, solver)
        moved = integrate(target.denoise, table, x_t, target.denoise(x_t, t), table.b_0 * LEVELS)
        errors.append(float((exact.cdf(moved) - torch.special.ndtr(LEVELS)).abs().mean()))
    assert orders(errors) == pytest.approx([INNER_ORDERS[solver]] * 2, abs=0.25)


def test_the_second_inner_step_is_exact_for_an_end_point_linear_in_w(target):
    schedule, t, rho = target.schedule, 0.3, 0.4
    snr = schedule.alpha(t) / schedule.sigma(t)
    k = math.hypot(1.0, snr)

    def denoise(x, t_star):  # w = u / sqrt(k^2 + u^2), u^2 = snr_t*^2 - snr_t^2
        squares = max((schedule.alpha(t_star) / schedule.sigma(t_star)) ** 2 - snr**2, 0.0)
        return torch.full_like(x, 2.0 - 3.0 * math.sqrt(squares / (k**2 + squares)))

    table = transition_table(schedule, t, 0.7, rho, 2, "2m")
    b_1 = table.b_0 * table.steps[0].r
    b_2 = b_1 * table.steps[1].r
    u_1, u_2 = 0.5 * table.abar / b_1, table.abar / b_2
    moved = integrate(denoise, table, LEVELS, denoise(LEVELS, t), table.b_0 * LEVELS)
    # y / b moves by D_0 = 2 over u in the first step, then by the integral of 2 - 3 w
    second = 2 * (u_2 - u_1) - 3 * (math.hypot(k, u_2) - math.hypot(k, u_1))
    assert torch.allclose(moved, table.end_x * LEVELS + b_2 * (LEVELS + 2 * u_1 + second))


def test_euler_steps_of_a_gaussian_are_first_order_to_the_end():
    exact = 1.5 + 0.7 * LEVELS  # the flow of a Gaussian is affine: it keeps quantiles
    errors = [
        float((ended(Ode(GAUSSIAN.denoise), LEVELS, uniform_grid(steps)) - exact).abs().mean())
        for steps in (20, 40, 80)
    ]
    assert orders(errors) == pytest.approx([1.0, 1.0], abs=0.2)


def test_one_glass_transition_over_all_time_is_the_flow_ode():
    whole = transition_table(Linear(), 0.0, 1.0, 0.0, 40, "euler")
    assert (whole.end_x, whole.end_y, whole.b_0) == (0.0, 1.0, 1.0)
    assert [step.t_star for step in whole.steps] == pytest.approx([k / 40 for k in range(40)])
    moved = integrate(ASYMMETRIC.denoise, whole, LEVELS, ASYMMETRIC.denoise(LEVELS, 0.0), LEVELS)
    straight = ended(Ode(ASYMMETRIC.denoise), LEVELS, uniform_grid(40))
    assert torch.allclose(moved, straight, atol=1e-9)


def test_an_sde_without_fresh_noise_is_the_euler_ode(target):
    grid = inner_grid(10)
    frozen = ended(Sde(target.denoise, target.schedule, rho=1.0), LEVELS, grid)
    assert torch.allclose(frozen, ended(Ode(target.denoise, target.schedule), LEVELS, grid))


@pytest.mark.parametrize("rho", [None, 0.4, -0.3])
def test_a_glass_transition_of_one_inner_step_is_an_sde_step(target, rho):
    def moved(kernel):
        return run(kernel, inner_grid(4), x, torch.Generator().manual_seed(0)).state.x

    x = noise(20, (1,), torch.Generator().manual_seed(1), dtype=torch.float64)
    glass = moved(Glass(target.denoise, target.schedule, inner_steps=1, rho=rho))
    assert torch.allclose(glass, moved(Sde(target.denoise, target.schedule, rho=rho)))
