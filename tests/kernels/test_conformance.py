"""What every kernel keeps to: determinism, shapes, no mutation, independent particles."""

from __future__ import annotations

import pickle

import pytest
import torch

from glass_plan.kernels import FeynmanKac, Glass, Ode, run, uniform_grid


def shrink(x, t):
    """A denoiser that works on any shape: of a standard normal target on the linear path."""
    return t / (t**2 + (1 - t) ** 2) * x


def mean_reward(x):
    return x.flatten(1).mean(1)


KERNELS = {
    "ode": Ode(shrink),
    "glass": Glass(shrink, inner_steps=3),
    "glass-rho": Glass(shrink, inner_steps=2, rho=0.4),
    "fk": FeynmanKac(Glass(shrink), mean_reward),
}
SHAPES = [(1,), (5,), (6, 3), (3, 16, 16)]


@pytest.fixture(params=KERNELS.values(), ids=KERNELS.keys())
def kernel(request):
    return request.param


def drawn(kernel, x, seed=0):
    return run(kernel, uniform_grid(3), x, torch.Generator().manual_seed(seed)).state.x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_dtype_are_kept(kernel, shape, dtype):
    out = drawn(
        kernel, torch.randn(4, *shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    )
    assert out.shape == (4, *shape)
    assert out.dtype == dtype
    assert out.isfinite().all()


def test_the_generator_decides_everything(kernel):
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    first = drawn(kernel, x)
    torch.manual_seed(99)
    assert torch.equal(first, drawn(kernel, x))


def test_arguments_are_not_changed(kernel):
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    before = x.clone()
    state = kernel.init(x, 0.0)
    kept = state.x_1_hat.clone()
    kernel.step(state, 0.0, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(x, before)
    assert torch.equal(state.x_1_hat, kept)


def test_it_pickles_and_prints(kernel):
    assert type(kernel).__name__ in repr(pickle.loads(pickle.dumps(kernel)))


@pytest.mark.parametrize("name", ["ode", "glass"])
def test_particles_of_a_move_do_not_depend_on_each_other(name):
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    together = drawn(KERNELS[name], x)
    alone = drawn(KERNELS[name], x[:1])
    if name == "ode":
        assert torch.allclose(together[:1], alone, atol=1e-6)
    else:  # the noise is drawn for the batch: compare the first step's deterministic part
        generator = torch.Generator().manual_seed(0)
        state = KERNELS[name].init(x, 0.2)
        moved, _ = KERNELS[name].step(state, 0.2, 0.6, generator)
        one = KERNELS[name].init(x[:1], 0.2)
        generator = torch.Generator().manual_seed(0)
        single, _ = KERNELS[name].step(one, 0.2, 0.6, generator)
        assert torch.allclose(moved.x[:1], single.x, atol=1e-6)
