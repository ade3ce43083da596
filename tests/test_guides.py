"""Guides on any tensors: combiners by hand, and rewards that say little."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan.guidance import (
    Constant,
    GradientGuide,
    ProxGuide,
    TiltedGuide,
    conflict_gate,
    pcgrad,
    sine_subspace,
    total,
)
from glass_plan.kernels import Glass, Posterior, noise
from tests.kernels.targets import GAUSSIAN, Mixture

NORMAL = Mixture()
T, SPREAD = 0.4, 0.6**2 / (0.4**2 + 0.6**2)  # of p(x_1 | x_t) for data of unit variance


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def vectors(*rows):
    """Gradients (K, 1, F) of one sample."""
    return torch.tensor(rows, dtype=torch.float64)[:, None]


def point(value=0.5):
    return torch.full((3, 1), value, dtype=torch.float64)


def flat(x):
    """A reward by comparison: no gradient anywhere."""
    return (x[:, 0] > 100.0).double()


def forbid(x):
    return torch.full((len(x),), -math.inf, dtype=torch.float64)


def test_surgery_takes_away_what_opposes_the_other():
    # (1, 0) against (-1, 1): <a, b> = -1, |a|^2 = 1, |b|^2 = 2
    assert torch.allclose(
        pcgrad(torch.zeros(1, 2), vectors((1, 0), (-1, 1)))[0], vectors((0.5, 1.5))[0, 0]
    )


@pytest.mark.parametrize("combine", [total, pcgrad, conflict_gate])
def test_gradients_that_agree_are_added(combine):
    gradients = vectors((1, 0), (1, 1), (0, 2))
    assert torch.allclose(combine(torch.zeros(1, 2), gradients)[0], vectors((2, 3))[0, 0])


@given(st.floats(0.1, 3.0), st.floats(math.pi / 2, math.pi))
def test_after_surgery_neither_of_two_gradients_is_opposed(size, angle):
    a, b = (1.0, 0.0), (size * math.cos(angle), size * math.sin(angle))
    together = pcgrad(torch.zeros(1, 2), vectors(a, b))[0]
    for own in (a, b):
        assert float(together @ vectors(own)[0, 0]) >= -1e-9


@given(st.floats(0.0, math.pi))
def test_the_gate_lies_between_the_sum_and_surgery(angle):
    gradients = vectors((1, 0), (math.cos(angle), math.sin(angle)))
    base = torch.zeros(1, 2)
    gate = max(0.0, -math.cos(angle))
    expected = torch.lerp(total(base, gradients), pcgrad(base, gradients), gate)
    assert torch.allclose(conflict_gate(base, gradients), expected)


@pytest.mark.parametrize("through", [None, GAUSSIAN.denoise])
def test_a_gradient_is_scaled_by_the_posterior_spread(through):
    x_t = point()
    x_1_hat = GAUSSIAN.denoise(x_t, T)
    guide = GradientGuide([lambda x: 0.8 * x[:, 0]], scale=Constant(0.5), through=through)
    law = GAUSSIAN.posterior(0.5, T)
    spread = SPREAD if through is None else law.variance
    assert torch.allclose(guide(x_t, T, x_1_hat), x_1_hat + 0.5 * 0.8 * spread)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_prox_of_a_quadratic_reward_is_the_tilted_mean(beta):
    # of N(D, C) and the reward -(z - 2)^2 / 2: precision 1 / C + beta
    guide = ProxGuide(lambda z: -0.5 * (z[:, 0] - 2) ** 2, scale=Constant(beta), steps=200)
    x_1_hat = point(0.3)
    exact = (x_1_hat / SPREAD + beta * 2) / (1 / SPREAD + beta)
    assert torch.allclose(guide(point(), T, x_1_hat), exact)


def test_a_prox_in_a_subspace_leaves_the_ends_and_the_rest_alone():
    way = noise(2, (12, 1), seeded(), dtype=torch.float64)
    moved = (
        ProxGuide(lambda z: -(z**2).sum((1, 2)), subspace=sine_subspace(12, 3))(way, T, way) - way
    )
    assert torch.allclose(moved[:, [0, -1]], torch.zeros(2, 2, 1, dtype=torch.float64))
    assert torch.allclose(sine_subspace(12, 3) @ moved, moved)
    assert float(moved.abs().max()) > 0.05


@pytest.mark.parametrize(
    "guide", [GradientGuide([flat]), GradientGuide([flat], through=NORMAL.denoise), ProxGuide(flat)]
)
def test_a_reward_without_a_gradient_moves_nothing(guide):
    assert torch.equal(guide(point(), T, point(0.2)), point(0.2))


def test_where_all_samples_are_forbidden_they_count_alike():
    posterior = Posterior(NORMAL.denoise, inner_steps=3)
    y_0 = noise(8, (1,), seeded(), dtype=torch.float64)
    x_1_hat = NORMAL.denoise(point(), T)
    forbidden = TiltedGuide(forbid, posterior, y_0)(point(), T, x_1_hat)
    alike = TiltedGuide(lambda x: torch.zeros(len(x)), posterior, y_0)(point(), T, x_1_hat)
    assert torch.allclose(forbidden, alike)


@pytest.mark.parametrize("early_stop", [False, True])
def test_a_guide_moves_the_transition_by_as_much_as_the_end_point(early_stop):
    # of data of unit variance, whose inner flow keeps a shift's size
    def up(x_t, t, x_1_hat):
        return x_1_hat + 0.3

    t, t_next, x = 0.3, 0.6, point()
    plain = Glass(NORMAL.denoise, inner_steps=64, early_stop=early_stop)
    guided = Glass(NORMAL.denoise, inner_steps=64, early_stop=early_stop, guide=up)
    ends = [k.step(k.init(x, t), t, t_next, seeded())[0].x for k in (plain, guided)]
    moved = (ends[1] - ends[0]).mean()
    shift = 0.3 * abar_of(t, t_next)
    assert float(moved) == pytest.approx(shift, rel=0.01)


def abar_of(t, t_next):
    """Weight of the clean sample in DDPM's transition on the linear path."""
    rho = t * (1 - t_next) / ((1 - t) * t_next)
    return t_next - rho * (1 - t_next) / (1 - t) * t
