"""Distances between samples: closed forms, floors, and POT as an oracle."""

from __future__ import annotations

import math

import ot
import pytest
import torch

from glass_plan.bench.distances import Mmd, SlicedWasserstein


def normal(count, mean=0.0, dim=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return mean + torch.randn(count, dim, generator=generator, dtype=torch.float64)


def test_mmd_of_two_points_by_hand():
    """Kernel 1 with themselves, exp(-1/2) across: 2 - 2 exp(-1/2)."""
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    assert Mmd((zero,), 1.0)(one) == pytest.approx(2 - 2 * math.exp(-0.5))


def test_mmd_of_a_set_to_itself_is_zero():
    x = normal(500)
    assert Mmd.of(x)(x) == pytest.approx(0.0, abs=1e-6)


def test_mmd_averages_over_its_sets():
    a, b, x = (normal(300, seed=seed) for seed in range(3))
    pair = Mmd((a, b), 1.0)(x)
    assert pair == pytest.approx((Mmd((a,), 1.0)(x) + Mmd((b,), 1.0)(x)) / 2, rel=1e-4)


def test_mmd_of_shifted_normals_has_its_closed_form():
    """For N(0, I_d) and N(m, I_d): 2 (w^2 / (w^2 + 2))^(d/2) (1 - exp(-m^2 / (2 (w^2 + 2))))."""
    count, width, shift, dim = 4000, 1.5, 1.0, 2
    found = Mmd((normal(count, seed=1),), width)(normal(count, shift / math.sqrt(dim), seed=2))
    scale = (width**2 / (width**2 + 2)) ** (dim / 2)
    exact = 2 * scale * (1 - math.exp(-(shift**2) / (2 * (width**2 + 2))))
    floor = 2 / count * (1 - scale)
    assert found == pytest.approx(exact + floor, rel=0.15)


def test_sliced_distance_of_a_shift_is_its_length_over_root_dimension():
    x = normal(2000, dim=3)
    shifted = x + torch.tensor([0.6, 0.0, 0.8])
    assert SlicedWasserstein.of(x)(shifted) == pytest.approx(1 / math.sqrt(3), rel=0.1)


def test_sliced_distance_is_that_of_an_independent_library():
    a, b = normal(400, dim=3, seed=1), normal(400, 0.5, dim=3, seed=2)
    ours = SlicedWasserstein.of(a)
    theirs = ot.sliced_wasserstein_distance(
        b.numpy(), a.numpy(), projections=ours.directions.numpy(), p=2
    )
    assert ours(b) == pytest.approx(float(theirs), rel=1e-6)
