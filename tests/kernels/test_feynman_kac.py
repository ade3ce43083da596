"""Steering against closed forms: tilted means and log Z do not depend on the number of steps."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan import smc
from glass_plan.errors import KernelError
from glass_plan.kernels import FeynmanKac, Glass, Ode, noise, run, uniform_grid
from tests.kernels.targets import ASYMMETRIC, Mixture

PARTICLES, RUNS, SLOPE = 400, 24, 0.5


def steered(target, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    move = Glass(target.denoise, inner_steps=30, rho=0.4)
    kernel = FeynmanKac(move, lambda x: SLOPE * x[:, 0])
    x = noise(PARTICLES, (1,), generator, dtype=torch.float64)
    ran = run(kernel, uniform_grid(steps), x, generator)
    weights = ran.state.weights
    mean = float((weights.log_w[0].softmax(0) * ran.state.x[:, 0]).sum())
    return mean, ran.infos[-1]["log_z"]


@pytest.mark.parametrize("steps", [2, 5, 10])
@pytest.mark.parametrize("target", [Mixture(), ASYMMETRIC], ids=["gaussian", "asymmetric"])
def test_the_target_does_not_depend_on_the_number_of_steps(target, steps):
    law, log_z = target.tilted(SLOPE)
    drawn = torch.tensor([steered(target, steps, seed) for seed in range(RUNS)])
    estimate, error = drawn.mean(0), drawn.std(0) / math.sqrt(RUNS)
    assert abs(float(estimate[0]) - law.mean) < 5 * float(error[0]) + 0.02
    assert abs(float(estimate[1]) - log_z) < 5 * float(error[1]) + 0.02


def test_constant_reward_leaves_weights_uniform():
    generator = torch.Generator().manual_seed(0)
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), lambda x: torch.full((len(x),), 3.0))
    x = noise(16, (1,), generator, dtype=torch.float64)
    ran = run(kernel, uniform_grid(4), x, generator)
    assert all(info["ess"] == pytest.approx(1.0) for info in ran.infos)
    assert ran.infos[-1]["log_z"] == pytest.approx(3.0)


def test_the_archive_keeps_the_best_end_point_seen():
    generator = torch.Generator().manual_seed(0)
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), lambda x: 4 * x[:, 0])
    x = noise(32, (1,), generator, dtype=torch.float64)
    state = run(kernel, uniform_grid(5), x, generator).state
    assert float(state.archive.reward[0]) >= float((4 * state.x[:, 0]).max())
    assert torch.equal(state.archive.reward, 4 * state.archive.x_1[:, 0])


def test_a_deterministic_move_is_refused():
    with pytest.raises(KernelError, match="copies would never part"):
        FeynmanKac(Ode(ASYMMETRIC.denoise), lambda x: x[:, 0])


def test_a_guided_move_without_log_ratio_is_refused():
    class Guided:
        guided = True

        def __call__(self, x, t):
            return ASYMMETRIC.denoise(x, t)

    with pytest.raises(KernelError, match="count twice"):
        FeynmanKac(Glass(Guided()), lambda x: x[:, 0])
    assert FeynmanKac(Glass(Guided()), lambda x: x[:, 0], base="move").guided


def test_ess_of_equal_weights_is_their_number():
    assert smc.ess(torch.zeros(7)) == pytest.approx(7.0)
    assert smc.ess(torch.tensor([0.0, -math.inf, -math.inf])) == pytest.approx(1.0)


def test_systematic_resampling_copies_each_particle_about_its_weight():
    log_w = torch.tensor([[0.5, 0.25, 0.125, 0.125]], dtype=torch.float64).log()
    for seed in range(50):
        counts = smc.systematic(log_w, torch.Generator().manual_seed(seed))[0].bincount(minlength=4)
        assert torch.all((counts - 4 * log_w[0].exp()).abs() < 1)


def test_systematic_resampling_is_unbiased():
    log_w = torch.tensor([[0.1, 0.2, 0.7]], dtype=torch.float64).log()
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [smc.systematic(log_w, generator)[0].bincount(minlength=3) for _ in range(4000)]
    )
    error = draws.double().std(0) / math.sqrt(len(draws))
    assert torch.all((draws.double().mean(0) - 3 * log_w[0].exp()).abs() < 5 * error + 1e-9)
