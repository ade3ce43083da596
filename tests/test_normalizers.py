"""Normalisation: invertible, differentiable, saved with the model."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan.normalizers import Normalizer

LOG = torch.tensor([False, False, True])


def fitted():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 4, 3, generator=generator)
    x[..., 2] = x[..., 2].exp()
    return Normalizer.fit(x * torch.tensor([1.0, 5.0, 0.1]), LOG), x


@given(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(1e-3, 9)))
def test_denormalize_inverts_normalize(row):
    normalizer, _ = fitted()
    x = torch.tensor(row)
    assert torch.allclose(normalizer.denormalize(normalizer.normalize(x)), x, rtol=1e-4, atol=1e-4)


def test_fitted_data_have_mean_zero_and_unit_spread():
    normalizer, x = fitted()
    z = normalizer.normalize(x * torch.tensor([1.0, 5.0, 0.1])).flatten(0, 1)
    assert torch.allclose(z.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(z.std(0), torch.ones(3), atol=1e-5)


def test_denormalize_has_the_gradient_of_its_value():
    normalizer = fitted()[0].double()
    z = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normalizer.denormalize, z)


def test_it_travels_in_the_state_dict():
    normalizer, _ = fitted()
    other = Normalizer.identity(3)
    other.load_state_dict(normalizer.state_dict())
    x = torch.rand(2, 3)
    assert torch.equal(other.normalize(x), normalizer.normalize(x))
