"""Weights and resampling: worked by hand, as laws, and on average."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan.smc import RESAMPLING, Weights, ess, log_mean_exp, temper

ROUNDING = 1e-9
"""Of K w, in copies: what a scheme may take for an integer."""
ZEROS = torch.zeros(2, dtype=torch.float64)
log_weights = st.lists(st.floats(-20, 20), min_size=1, max_size=24)
seeds = st.integers(0, 2**32 - 1)


def row(*weights):
    """(1, K) log-weights."""
    return torch.tensor([weights], dtype=torch.float64).log()


def drawn(scheme, log_w, seed=0):
    """Copies of each particle."""
    ancestors = RESAMPLING[scheme](log_w, torch.Generator().manual_seed(seed))
    assert ancestors.shape == log_w.shape
    return torch.stack([of.bincount(minlength=log_w.shape[1]) for of in ancestors])


@pytest.fixture(params=RESAMPLING)
def scheme(request):
    return request.param


def test_ess_of_equal_weights_is_their_number():
    assert float(ess(torch.zeros(7))) == pytest.approx(7.0)
    assert float(ess(torch.tensor([0.0, -math.inf, -math.inf]))) == pytest.approx(1.0)
    assert float(ess(row(1.0, 1.0, 2.0))) == pytest.approx(16 / 6)


@given(log_weights, st.floats(-500, 500))
def test_ess_lies_between_one_and_the_number_and_ignores_the_scale(values, shift):
    log_w = torch.tensor(values, dtype=torch.float64)
    assert 1 - 1e-9 <= float(ess(log_w)) <= len(values) * (1 + 1e-9)
    assert float(ess(log_w + shift)) == pytest.approx(float(ess(log_w)), rel=1e-9)


def test_log_mean_exp_is_what_it_says_on_any_scale():
    assert float(log_mean_exp(row(1.0, 3.0))) == pytest.approx(math.log(2.0))
    assert float(log_mean_exp(row(1.0, 3.0) + 5000)) == pytest.approx(5000 + math.log(2.0))


@given(log_weights, seeds, st.sampled_from(sorted(RESAMPLING)))
def test_every_population_keeps_its_size(values, seed, name):
    copies = drawn(name, torch.tensor([values, values[::-1]], dtype=torch.float64), seed)
    assert copies.sum(1).tolist() == [len(values)] * 2


@given(log_weights, seeds, st.sampled_from(["systematic", "ssp"]))
def test_copies_are_within_one_of_the_weight(values, seed, name):
    log_w = torch.tensor([values], dtype=torch.float64)
    expected = len(values) * log_w.softmax(1)
    assert torch.all((drawn(name, log_w, seed) - expected).abs() < 1 + ROUNDING)


@given(log_weights, seeds, st.sampled_from(["residual", "ssp"]))
def test_the_whole_part_of_a_weight_is_kept(values, seed, name):
    log_w = torch.tensor([values], dtype=torch.float64)
    expected = len(values) * log_w.softmax(1)
    assert torch.all(drawn(name, log_w, seed) >= (expected - ROUNDING).floor())


@given(log_weights, seeds)
def test_ssp_rounds_every_weight_down_or_up(values, seed):
    log_w = torch.tensor([values], dtype=torch.float64)
    expected, copies = len(values) * log_w.softmax(1), drawn("ssp", log_w, seed)
    assert torch.all(copies >= (expected - ROUNDING).floor())
    assert torch.all(copies <= (expected + ROUNDING).ceil())


@given(st.lists(st.booleans(), min_size=2, max_size=16), seeds, st.sampled_from(sorted(RESAMPLING)))
def test_particles_of_no_weight_are_never_drawn(alive, seed, name):
    alive[seed % len(alive)] = True
    log_w = row(*(float(k + 1) if lives else 0.0 for k, lives in enumerate(alive)))
    copies = drawn(name, log_w, seed)[0]
    assert all(lives or count == 0 for lives, count in zip(alive, copies.tolist(), strict=True))


@pytest.mark.parametrize("name", ["systematic", "ssp", "residual"])
@pytest.mark.parametrize("size", [1, 3, 7, 49, 100, 1000])
def test_equal_weights_keep_every_particle_once(name, size):
    copies = drawn(name, row(*[1.0] * size).repeat(2, 1))
    assert torch.equal(copies, torch.ones_like(copies))


def test_a_population_without_any_weight_has_no_ess_and_begins_anew(scheme):
    log_w = torch.full((50, 8), -math.inf, dtype=torch.float64)
    assert ess(log_w).tolist() == [0.0] * 50
    assert torch.all(drawn(scheme, log_w).sum(0) > 0)


@pytest.mark.parametrize("name", ["systematic", "ssp", "residual"])
def test_whole_copies_are_not_left_to_chance(name):
    log_w = torch.tensor([[0.0, -math.inf, 0.0, -math.inf]], dtype=torch.float64)
    for seed in range(20):
        assert drawn(name, log_w, seed).tolist() == [[2, 0, 2, 0]]


WEIGHTS = [(0.1, 0.2, 0.7), (0.05, 0.3, 0.15, 0.26, 0.24), (0.4, 0.0, 0.35, 0.25)]


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_on_average_there_are_as_many_copies_as_the_weight_says(scheme, weights):
    copies = drawn(scheme, row(*weights).expand(4000, -1)).double()
    error = copies.std(0) / math.sqrt(len(copies))
    expected = len(weights) * torch.tensor(weights, dtype=torch.float64)
    assert torch.all((copies.mean(0) - expected).abs() <= 5 * error + 1e-12)


def test_multinomial_is_the_noisiest():
    log_w = row(0.1, 0.2, 0.3, 0.4).expand(4000, -1)
    spread = {name: float(drawn(name, log_w).double().var(0).sum()) for name in RESAMPLING}
    assert max(spread, key=spread.__getitem__) == "multinomial"
    expected = sum(4 * w * (1 - w) for w in (0.1, 0.2, 0.3, 0.4))
    assert spread["multinomial"] == pytest.approx(expected, rel=5 * math.sqrt(2 / 4000))


def test_populations_are_resampled_by_their_own_weights(scheme):
    log_w = row(0.0, 1.0, 0.0).repeat(3, 1)
    log_w[1] = row(1.0, 0.0, 0.0)
    assert drawn(scheme, log_w).tolist() == [[0, 3, 0], [3, 0, 0], [0, 3, 0]]


def test_resampling_spares_those_that_are_rich_enough(scheme):
    weights = Weights(torch.cat([row(1.0, 1.0, 1.0), row(0.0, 0.0, 6.0)]), ZEROS)
    after, ancestors = weights.resample(
        torch.Generator().manual_seed(0), below=0.5, scheme=RESAMPLING[scheme]
    )
    assert ancestors.tolist() == [[0, 1, 2], [2, 2, 2]]
    assert torch.equal(after.log_w, torch.zeros(2, 3, dtype=torch.float64))
    assert after.log_z.tolist() == pytest.approx([0.0, math.log(2.0)])
    assert torch.allclose(after.log_z_now, weights.log_z_now)


def test_who_is_resampled_does_not_change_the_randomness(scheme):
    rich, poor = row(1.0, 1.0, 1.0, 1.0), row(0.1, 0.2, 0.3, 0.4)
    last = []
    for first in (rich, poor):
        generator = torch.Generator().manual_seed(0)
        weights = Weights(torch.cat([first, poor]), ZEROS)
        _, ancestors = weights.resample(generator, below=0.9, scheme=RESAMPLING[scheme])
        last.append((ancestors[1], torch.rand(3, generator=generator)))
    for a, b in zip(*last, strict=True):
        assert torch.equal(a, b)


def test_weights_collect_the_normalising_constant_by_hand():
    weights = Weights.uniform(1, 2)
    assert weights.log_z_now.tolist() == [0.0]
    weights = weights.reweight(row(1.0, 3.0))
    assert weights.log_z_now.exp().tolist() == pytest.approx([2.0])
    weights, _ = weights.resample(torch.Generator().manual_seed(0), below=math.inf)
    weights = weights.reweight(row(0.5, 0.5))
    assert weights.log_z_now.exp().tolist() == pytest.approx([1.0])
    assert weights.log_w.dtype == torch.float64


def tempered(values, ess_min, exponent=0.0):
    value = torch.tensor([values], dtype=torch.float64)
    start = torch.full((1, 1), exponent, dtype=torch.float64)
    found = temper(torch.zeros_like(value), exponent * value, value, start, ess_min)
    return float(found), float(ess((found - exponent) * value)) / len(values)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12), st.floats(0.15, 0.95))
def test_tempering_goes_as_far_as_the_ess_allows(values, ess_min):
    exponent, share = tempered(values, ess_min)
    assert 0 <= exponent <= 1
    assert share >= ess_min - 1e-9
    assert exponent == 1 or share == pytest.approx(ess_min, abs=1e-6)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12))
def test_a_higher_share_is_never_tempered_further(values):
    exponents = [tempered(values, ess_min)[0] for ess_min in (0.2, 0.5, 0.8)]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(exponents))


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=12), st.floats(0, 1))
def test_the_exponent_never_falls(values, exponent):
    assert tempered(values, 0.5, exponent)[0] >= exponent


def test_tempering_by_hand():
    # weights (1, e^v): ESS = (1 + e^v)^2 / (1 + e^2v), 1.6 = 0.8 K where e^v = 3 or 1/3
    wanted = math.log(3.0)
    assert tempered((0.0, 4 * wanted), 0.8)[0] == pytest.approx(0.25, abs=1e-9)
    assert tempered((0.0, 4 * wanted), 0.8, 0.1)[0] == pytest.approx(0.35, abs=1e-9)
    assert tempered((0.0, 0.5 * wanted), 0.8)[0] == 1.0


def test_an_exponent_that_no_increase_can_afford_stays():
    log_w = row(0.001, 0.999)
    value = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    start = torch.full((1, 1), 0.3, dtype=torch.float64)
    assert float(temper(log_w, 0.3 * value, value, start, 0.9)) == pytest.approx(0.3)


def test_populations_are_tempered_by_themselves():
    value = torch.tensor([[0.0, 9.0], [0.0, 0.1]], dtype=torch.float64)
    zeros = torch.zeros_like(value)
    both = temper(zeros, zeros, value, zeros[:, :1], 0.8)
    assert both[:, 0].tolist() == pytest.approx([math.log(3.0) / 9, 1.0])
