"""Guided proposals against closed forms: their log-ratio undoes the guide exactly."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.guidance import GradientGuide, TiltedGuide
from glass_plan.kernels import FeynmanKac, Glass, Posterior, Sde, noise, run, uniform_grid
from glass_plan.kernels.glass import ddpm_rho
from tests.kernels.statistics import within_five_standard_errors
from tests.kernels.targets import ASYMMETRIC, GAUSSIAN

SLOPE, COUNT, PARTICLES = 0.5, 8000, 400
BIAS = 0.02  # of 12 inner steps and of the self-normalised mean of 400 particles


def climb(x):
    return SLOPE * x[:, 0]


def towards_the_tilted_end_point(x_t, t, x_1_hat):
    """The exact D^r: that of the tilted target."""
    return ASYMMETRIC.tilted(SLOPE)[0].denoise(x_t, t)


def upwards(x_t, t, x_1_hat):
    return x_1_hat + 0.3


def downwards(x_t, t, x_1_hat):
    """A guide that points the wrong way must be undone as well."""
    return x_1_hat - 0.3 * x_t.cos()


GUIDES = {
    "exact": towards_the_tilted_end_point,
    "upwards": upwards,
    "downwards": downwards,
    "gradient": GradientGuide([climb]),
    "samples": TiltedGuide(
        climb,
        Posterior(ASYMMETRIC.denoise, inner_steps=3),
        noise(4, (1,), torch.Generator().manual_seed(5), dtype=torch.float64),
    ),
    "through": GradientGuide([climb], through=ASYMMETRIC.denoise),
}
MOVES = {
    "glass": lambda guide: Glass(ASYMMETRIC.denoise, inner_steps=24, guide=guide),
    "glass-rho": lambda guide: Glass(ASYMMETRIC.denoise, inner_steps=24, rho=0.4, guide=guide),
    "glass-early-stop": lambda guide: Glass(
        ASYMMETRIC.denoise, inner_steps=24, early_stop=True, guide=guide
    ),
    "glass-one-step": lambda guide: Glass(ASYMMETRIC.denoise, inner_steps=1, guide=guide),
    "sde": lambda guide: Sde(ASYMMETRIC.denoise, guide=guide),
    "sde-rho": lambda guide: Sde(ASYMMETRIC.denoise, rho=0.4, guide=guide),
}


@pytest.fixture(params=GUIDES.values(), ids=GUIDES.keys())
def guide(request):
    return request.param


@pytest.fixture(params=MOVES.values(), ids=MOVES.keys())
def build(request):
    return request.param


def moved(kernel, t, t_next, seed=0):
    state = kernel.init(torch.full((COUNT, 1), -0.4, dtype=torch.float64), t)
    return kernel.step(state, t, t_next, torch.Generator().manual_seed(seed))[0]


@pytest.mark.parametrize(("t", "t_next"), [(0.0, 0.3), (0.2, 0.5), (0.6, 0.9), (0.5, 1.0)])
def test_the_ratio_has_mean_one(build, guide, t, t_next):
    ratio = moved(build(guide), t, t_next).log_ratio.exp()
    assert within_five_standard_errors(ratio, 1.0, bias=1e-9)  # exactly 1 where nothing shifts


@pytest.mark.parametrize("rho", [None, 0.4])
def test_weighted_by_the_ratio_a_guided_step_has_the_exact_transition_law(guide, rho):
    t, t_next = 0.3, 0.7
    exact = ASYMMETRIC.transition(-0.4, t, t_next, rho)
    state = moved(Glass(ASYMMETRIC.denoise, inner_steps=24, rho=rho, guide=guide), t, t_next)
    ratio, x = state.log_ratio.exp(), state.x[:, 0]
    assert within_five_standard_errors(ratio * (x - exact.mean), 0.0, bias=1e-3)
    square = (x - exact.mean) ** 2 - exact.variance
    assert within_five_standard_errors(ratio * square, 0.0, bias=1e-3)


def test_a_guided_step_goes_where_the_guide_points():
    plain, shifted = (
        moved(Glass(ASYMMETRIC.denoise, inner_steps=6, guide=guide), 0.3, 0.7).x
        for guide in (None, upwards)
    )
    assert (shifted > plain).all()


def test_a_guided_sde_step_is_shifted_by_the_weight_of_the_end_point():
    plain, shifted = (
        moved(Sde(ASYMMETRIC.denoise, guide=guide), 0.3, 0.7).x for guide in (None, upwards)
    )
    abar = 0.7 - ddpm_rho(ASYMMETRIC.schedule, 0.3, 0.7) * 0.3 / 0.7 * 0.3  # alpha' - gbar alpha
    assert torch.allclose(shifted - plain, torch.full_like(plain, 0.3 * abar))


def test_a_guide_that_leaves_the_end_point_leaves_the_step(build):
    plain = moved(build(None), 0.3, 0.7)
    guided = moved(build(lambda x_t, t, x_1_hat: x_1_hat), 0.3, 0.7)
    assert torch.equal(guided.x, plain.x)
    assert plain.log_ratio is None
    assert torch.equal(guided.log_ratio, torch.zeros(COUNT, dtype=torch.float64))


def test_the_log_ratio_is_that_of_two_gaussians():
    t, t_next, rho = 0.3, 0.7, 0.4
    state = moved(Sde(GAUSSIAN.denoise, rho=rho, guide=upwards), t, t_next)
    gbar, sbar = rho * 0.3 / 0.7, 0.3 * math.sqrt(1 - rho**2)
    x_1_hat = GAUSSIAN.denoise(torch.full((1, 1), -0.4, dtype=torch.float64), t)
    abar = t_next - gbar * t
    p, q = (
        torch.distributions.Normal(gbar * -0.4 + abar * aim, sbar)
        for aim in (x_1_hat, x_1_hat + 0.3)
    )
    expected = (p.log_prob(state.x) - q.log_prob(state.x))[:, 0]
    assert torch.allclose(state.log_ratio, expected)


def test_dimensions_add_up_in_the_log_ratio():
    kernel = Sde(lambda x, t: 0.5 * x, guide=upwards)
    x = noise(6, (2, 3), torch.Generator().manual_seed(1), dtype=torch.float64)
    state, _ = kernel.step(kernel.init(x, 0.2), 0.2, 0.6, torch.Generator().manual_seed(0))
    flat = x.reshape(6, 6)
    again, _ = kernel.step(kernel.init(flat, 0.2), 0.2, 0.6, torch.Generator().manual_seed(0))
    assert torch.allclose(state.log_ratio, again.log_ratio)
    assert state.log_ratio.shape == (6,)


@pytest.mark.parametrize("kernel", [Glass, Sde])
def test_what_is_a_point_is_not_shifted(kernel):
    settings = {"inner_steps": 1} if kernel is Glass else {}
    plain = moved(kernel(ASYMMETRIC.denoise, **settings), 0.5, 1.0)
    guided = moved(kernel(ASYMMETRIC.denoise, guide=upwards, **settings), 0.5, 1.0)
    assert torch.equal(plain.x, guided.x)
    assert torch.equal(guided.log_ratio, torch.zeros_like(guided.log_ratio))


def steered(move, steps, populations=24):
    """Mean and normalising constant of each population."""
    generator = torch.Generator().manual_seed(0)
    x = noise(populations * PARTICLES, (1,), generator, dtype=torch.float64)
    kernel = FeynmanKac(move, climb, population=PARTICLES)
    state = run(kernel, uniform_grid(steps), x, generator).state
    log_w = state.weights.log_w
    means = (log_w.softmax(1) * state.x[:, 0].reshape(log_w.shape)).sum(1)
    return means, state.weights.log_z_now.exp()


@pytest.mark.parametrize("steps", [2, 5, 10])
@pytest.mark.parametrize("rho", [None, 0.4])
def test_the_best_guide_leads_to_the_same_target_in_any_number_of_steps(steps, rho):
    move = Glass(ASYMMETRIC.denoise, inner_steps=12, rho=rho, guide=towards_the_tilted_end_point)
    law, log_z = ASYMMETRIC.tilted(SLOPE)
    means, z = steered(move, steps)
    assert within_five_standard_errors(means, law.mean, BIAS)
    assert within_five_standard_errors(z, math.exp(log_z), BIAS)


@pytest.mark.parametrize("steps", [2, 4])
def test_any_guide_leads_to_the_same_target(guide, steps):
    law, log_z = ASYMMETRIC.tilted(SLOPE)
    means, z = steered(Glass(ASYMMETRIC.denoise, inner_steps=12, guide=guide), steps)
    assert within_five_standard_errors(means, law.mean, BIAS)
    assert within_five_standard_errors(z, math.exp(log_z), BIAS)


def test_the_best_guide_makes_the_normalising_constant_certain():
    plain = steered(Glass(ASYMMETRIC.denoise, inner_steps=12), 5)[1]
    move = Glass(ASYMMETRIC.denoise, inner_steps=12, guide=towards_the_tilted_end_point)
    assert float(steered(move, 5)[1].std()) < 0.5 * float(plain.std())


def test_a_guided_sde_is_steered_to_the_same_law_as_an_unguided_one():
    plain = steered(Sde(ASYMMETRIC.denoise), 6)
    guided = steered(Sde(ASYMMETRIC.denoise, guide=towards_the_tilted_end_point), 6)
    for one, other in zip(plain, guided, strict=True):
        assert within_five_standard_errors(one - other, 0.0, bias=0.01)


def test_without_its_ratio_a_guided_move_would_tilt_twice():
    move = Glass(ASYMMETRIC.denoise, inner_steps=12, guide=towards_the_tilted_end_point)
    generator = torch.Generator().manual_seed(0)
    x = noise(4000, (1,), generator, dtype=torch.float64)
    state = run(FeynmanKac(move, climb, base="move"), uniform_grid(5), x, generator).state
    mean = float((state.weights.log_w[0].softmax(0) * state.x[:, 0]).sum())
    assert mean > ASYMMETRIC.tilted(SLOPE)[0].mean + 0.2


def test_a_move_that_is_guided_in_its_denoiser_carries_no_ratio():
    class Bent:
        guided = True

        def __call__(self, x, t):
            return ASYMMETRIC.denoise(x, t)

    for move in (Glass(Bent(), guide=upwards), Sde(Bent(), guide=upwards)):
        assert move.guided
        assert not move.weighted
        with pytest.raises(KernelError, match="count twice"):
            FeynmanKac(move, climb)
