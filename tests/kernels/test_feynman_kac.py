"""Steering against closed forms: tilted means and log Z do not depend on the number of steps."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.guidance import Guided
from glass_plan.kernels import (
    ALWAYS,
    AdaptiveTempering,
    FeynmanKac,
    Glass,
    LookAhead,
    Ode,
    Posterior,
    PosteriorMean,
    no_tempering,
    noise,
    run,
    uniform_grid,
)
from glass_plan.strengths import Constant, Ramp, Window
from tests.kernels.statistics import within_five_standard_errors
from tests.kernels.targets import ASYMMETRIC, Mixture

POPULATIONS, PARTICLES, SLOPE = 24, 400, 0.5
BIAS = 0.02  # of 12 inner steps and of the self-normalised mean of 400 particles
STEPS = [2, 5, 10]
NORMAL = Mixture()
SETTINGS = {
    "default": {},
    "never-resampled": {"ess_min": 0.0},
    "no-tempering": {"tempering": no_tempering},
    "adaptive": {"tempering": AdaptiveTempering(0.9)},
    "systematic-always": {"ess_min": ALWAYS},
    "ssp-always": {"ess_min": ALWAYS, "resampling": "ssp"},
    "residual-always": {"ess_min": ALWAYS, "resampling": "residual"},
    "multinomial-always": {"ess_min": ALWAYS, "resampling": "multinomial"},
}


def climb(x):
    return SLOPE * x[:, 0]


def steered(kernel, steps, populations=POPULATIONS, size=PARTICLES, seed=0):
    """The end of a run from standard normal noise."""
    generator = torch.Generator().manual_seed(seed)
    x = noise(populations * size, (1,), generator, dtype=torch.float64)
    return run(kernel, uniform_grid(steps), x, generator)


def means(state):
    """Of each population, by its weights."""
    log_w = state.weights.log_w
    return (log_w.softmax(1) * state.x[:, 0].reshape(log_w.shape)).sum(1)


def hits(ran, target):
    law, log_z = target.tilted(SLOPE)
    z = ran.state.weights.log_z_now.exp()
    return within_five_standard_errors(means(ran.state), law.mean, BIAS) and (
        within_five_standard_errors(z, math.exp(log_z), BIAS)
    )


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("target", [NORMAL, ASYMMETRIC], ids=["gaussian", "asymmetric"])
@pytest.mark.parametrize("rho", [None, 0.4])
def test_the_target_does_not_depend_on_the_number_of_steps(target, rho, steps):
    move = Glass(target.denoise, inner_steps=12, rho=rho)
    assert hits(steered(FeynmanKac(move, climb, population=PARTICLES), steps), target)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_target_does_not_depend_on_how_it_is_reached(settings, steps):
    move = Glass(ASYMMETRIC.denoise, inner_steps=12)
    kernel = FeynmanKac(move, climb, population=PARTICLES, **settings)
    assert hits(steered(kernel, steps), ASYMMETRIC)


@pytest.mark.parametrize("steps", [2, 5])
def test_values_from_posterior_samples_lead_to_the_same_target(steps):
    value = PosteriorMean(climb, Posterior(ASYMMETRIC.denoise, inner_steps=4), samples=4)
    move = Glass(ASYMMETRIC.denoise, inner_steps=12)
    kernel = FeynmanKac(move, climb, value, tempering=no_tempering, population=PARTICLES)
    assert hits(steered(kernel, steps), ASYMMETRIC)


def wish(x):
    """Away from where the target lies."""
    return -0.3 * (x[:, 0] + 1.0) ** 2


SCHEDULED = {
    "all-by-a-ramp": lambda t: lambda x: Ramp(0.3, 0.9)(t) * climb(x),
    "a-wish-on-the-way": lambda t: lambda x: climb(x) + Window(0.2, 0.7)(t) * wish(x),
    "a-wish-that-fades": lambda t: lambda x: climb(x) + (1 - t) * wish(x),
}


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("at", SCHEDULED.values(), ids=SCHEDULED.keys())
def test_schedules_lead_to_the_target_of_the_end(at, steps):
    move = Glass(ASYMMETRIC.denoise, inner_steps=12)
    kernel = FeynmanKac(move, climb, LookAhead(climb, at), population=PARTICLES)
    assert hits(steered(kernel, steps), ASYMMETRIC)


@pytest.mark.parametrize("at", SCHEDULED.values(), ids=SCHEDULED.keys())
def test_weights_never_resampled_are_the_exponentials_of_the_reward_of_the_end(at):
    value = LookAhead(climb, at)
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), climb, value, ess_min=0.0)
    state = steered(kernel, 5, 1, 64).state
    log_w = state.weights.log_w[0].log_softmax(0)
    assert torch.allclose(log_w, climb(state.x).log_softmax(0), atol=1e-12)
    exact = climb(state.x).logsumexp(0) - math.log(64)
    assert float(state.weights.log_z_now) == pytest.approx(float(exact), abs=1e-12)


def test_a_schedule_that_is_zero_everywhere_changes_nothing():
    def at(t):
        return lambda x: climb(x) + Constant(0.0)(t) * wish(x)

    move = Glass(ASYMMETRIC.denoise)
    plain = steered(FeynmanKac(move, climb), 5, 1, 16)
    other = steered(FeynmanKac(move, climb, LookAhead(climb, at)), 5, 1, 16)
    assert torch.equal(plain.state.x, other.state.x)
    assert torch.equal(plain.state.weights.log_w, other.state.weights.log_w)
    assert torch.equal(plain.state.archive.x_1, other.state.archive.x_1)


def test_the_archive_ranks_by_the_reward_of_the_end():
    value = LookAhead(climb, SCHEDULED["a-wish-that-fades"])
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), climb, value)
    archive = steered(kernel, 5, 1, 16).state.archive
    assert torch.allclose(archive.reward, climb(archive.x_1))


@pytest.mark.parametrize(("steps", "wrong"), [(2, 0.75), (3, 1.0), (5, 1.5)])
def test_summed_potentials_aim_at_a_target_that_moves_with_the_steps(steps, wrong):
    # DDPM's chain has the forward process' covariances, so the tilted mean is the sum over steps
    # of SLOPE t^2 / (t^2 + (1 - t)^2) = SLOPE (steps + 1) / 2; the true one is SLOPE
    assert wrong == SLOPE * (steps + 1) / 2
    kernel = FeynmanKac(
        Glass(NORMAL.denoise, inner_steps=12),
        climb,
        potential="sum",
        tempering=no_tempering,
        population=PARTICLES,
    )
    found = means(steered(kernel, steps).state)
    assert within_five_standard_errors(found, wrong, 2 * BIAS)
    assert not within_five_standard_errors(found, SLOPE, BIAS)


def test_drawn_particles_have_the_tilted_law():
    move = Glass(ASYMMETRIC.denoise, inner_steps=12)
    kernel = FeynmanKac(move, climb, ess_min=0.0, population=PARTICLES)
    state, law = steered(kernel, 3).state, ASYMMETRIC.tilted(SLOPE)[0]
    generator = torch.Generator().manual_seed(1)
    some = state.draw(generator, count=100)
    all_of_them = [state.equal(generator, scheme) for scheme in ("systematic", "ssp")]
    assert some.shape == (POPULATIONS, 100, 1)
    for drawn in (some, *(x.reshape(POPULATIONS, PARTICLES, 1) for x in all_of_them)):
        assert within_five_standard_errors(drawn.mean((1, 2)), law.mean, BIAS)
        assert within_five_standard_errors(
            ((drawn - law.mean) ** 2).mean((1, 2)), law.variance, 2 * BIAS
        )


def test_a_draw_takes_particles_of_its_own_population():
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), climb, population=4)
    state, generator = steered(kernel, 3, 5, 4).state, torch.Generator().manual_seed(1)
    for row, drawn in enumerate(state.draw(generator, count=3)):
        assert torch.isin(drawn, state.x[4 * row : 4 * row + 4]).all()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_reward_of_minus_infinity_cuts_off_what_it_forbids(settings):
    def forbid(x):
        return torch.where(x[:, 0] > 0, 0.0, -math.inf).double()

    move = Glass(ASYMMETRIC.denoise, inner_steps=12)
    ran = steered(FeynmanKac(move, forbid, population=PARTICLES, **settings), 5)
    allowed = 1 - float(ASYMMETRIC.cdf(torch.zeros(1, 1, dtype=torch.float64)))
    z = ran.state.weights.log_z_now.exp()
    assert within_five_standard_errors(z, allowed, BIAS)
    drawn = ran.state.draw(torch.Generator().manual_seed(1), count=8)
    assert bool((drawn > 0).all())


def test_constant_reward_leaves_weights_uniform():
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), lambda x: torch.full((len(x),), 3.0))
    ran = steered(kernel, 4, 1, 16)
    assert all(info["ess"] == pytest.approx(1.0) for info in ran.infos)
    assert all(info["resampled"] == 0.0 and info["ancestors"] == 16 for info in ran.infos)
    assert ran.infos[-1]["log_z"] == pytest.approx(3.0)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_populations_do_not_influence_each_other(settings):
    def run_with(slopes):
        slope = torch.tensor(slopes, dtype=torch.float64).repeat_interleave(8)
        kernel = FeynmanKac(
            Glass(ASYMMETRIC.denoise), lambda x: slope * x[:, 0], population=8, **settings
        )
        return steered(kernel, 5, 3, 8).state

    state, other = run_with([1.0, 2.0, 3.0]), run_with([1.0, -9.0, 3.0])
    for kept in (0, 2):
        assert torch.equal(state.weights.log_w[kept], other.weights.log_w[kept])
        assert torch.equal(state.weights.log_z[kept], other.weights.log_z[kept])
        assert torch.equal(state.roots[kept], other.roots[kept])
        assert torch.equal(state.x.reshape(3, 8)[kept], other.x.reshape(3, 8)[kept])
    assert not torch.equal(state.weights.log_w[1], other.weights.log_w[1])


def test_one_population_of_all_is_the_default():
    move = Glass(ASYMMETRIC.denoise)
    default = steered(FeynmanKac(move, climb), 4, 1, 16).state
    said = steered(FeynmanKac(move, climb, population=16), 4, 1, 16).state
    assert torch.equal(default.x, said.x)
    assert default.weights.log_w.shape == said.weights.log_w.shape == (1, 16)


def test_the_exponent_rises_to_one():
    for tempering in (None, AdaptiveTempering(0.8)):
        settings = {} if tempering is None else {"tempering": tempering}
        kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), lambda x: 9 * x[:, 0], **settings)
        exponents = [info["exponent"] for info in steered(kernel, 5, 1, 64).infos]
        assert exponents == sorted(exponents)
        assert exponents[0] < exponents[-1] == 1.0


def test_adaptive_tempering_raises_the_exponent_only_as_far_as_the_ess_allows():
    kernel = FeynmanKac(
        Glass(ASYMMETRIC.denoise), lambda x: 9 * x[:, 0], tempering=AdaptiveTempering(0.8)
    )
    infos, before = steered(kernel, 6, 1, 256).infos, 0.0
    assert infos[0]["ess"] == pytest.approx(0.8, abs=1e-6)
    for info in infos[:-1]:
        assert info["exponent"] == before or info["ess"] > 0.8 - 1e-6
        before = info["exponent"]


def test_resampled_particles_are_those_of_few_ancestors():
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), lambda x: 9 * x[:, 0], ess_min=ALWAYS)
    infos = steered(kernel, 6, 1, 64).infos
    ancestors = [info["ancestors"] for info in infos]
    assert ancestors == sorted(ancestors, reverse=True)
    assert 1 <= ancestors[-1] < 32


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resampling": "systemtic"}, "unknown resampling 'systemtic'; did you mean 'systematic'"),
        ({"potential": "product"}, "unknown potential 'product'; valid: difference, sum"),
        ({"base": "Prior"}, "unknown base 'Prior'; did you mean 'prior'"),
        ({"move": Ode(ASYMMETRIC.denoise)}, "copies would never part; use Glass"),
        ({"move": Glass(Guided(ASYMMETRIC.denoise, lambda x, t, d: d))}, "count twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong, message):
    with pytest.raises(KernelError, match=message):
        FeynmanKac(**{"move": Glass(ASYMMETRIC.denoise), "reward": climb, **wrong})


def test_a_guided_law_is_tilted_only_on_purpose():
    move = Glass(Guided(ASYMMETRIC.denoise, lambda x_t, t, x_1_hat: x_1_hat))
    assert FeynmanKac(move, climb, base="move").guided


def test_particles_that_do_not_fill_their_populations_are_refused():
    kernel = FeynmanKac(Glass(ASYMMETRIC.denoise), climb, population=3)
    with pytest.raises(KernelError, match="8 particles are no populations of 3"):
        kernel.init(torch.zeros(8, 1), 0.0)


@pytest.mark.parametrize("ess_min", [0.0, 1.0, -0.5, 2.0])
def test_adaptive_tempering_refuses_a_share_out_of_range(ess_min):
    with pytest.raises(KernelError, match=r"ess_min must be in \(0, 1\)"):
        AdaptiveTempering(ess_min)


def test_posterior_mean_refuses_no_samples():
    with pytest.raises(KernelError, match="samples must be at least 1, got 0"):
        PosteriorMean(climb, Posterior(ASYMMETRIC.denoise), samples=0)
