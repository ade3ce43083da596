"""What every kernel keeps to: determinism, shapes, no mutation, cost, independent particles."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
import torch
from torch import Tensor

from glass_plan.denoisers import Count, Counted
from glass_plan.kernels import (
    ALWAYS,
    AdaptiveTempering,
    BestOf,
    DdpmPower,
    FeynmanKac,
    Glass,
    Ode,
    Posterior,
    PosteriorMean,
    Sde,
    Substeps,
    glass,
    noise,
    run,
    sde,
    uniform_grid,
)

STEPS, COUNT = 3, 4
SHAPES = [(1,), (5,), (6, 3), (3, 16, 16)]
GRIDS = [(0.0, 1.0), (0.3, 0.7), (0.0, 0.2, 0.9, 1.0)]
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def shrink(x, t):
    """A denoiser that works on any shape: of a standard normal target on the linear path."""
    return t / (t**2 + (1 - t) ** 2) * x


def mean_reward(x):
    return 3 * x.flatten(1).mean(1)


def upwards(x_t, t, x_1_hat):
    """A guide."""
    return x_1_hat + 0.1


def steered(d, move=None, **settings):
    return FeynmanKac(move or Glass(d), mean_reward, **settings)


def by_posterior(d):
    value = PosteriorMean(mean_reward, Posterior(d, inner_steps=3), samples=2)
    return steered(d, value=value)


# A denoiser -> the kernel; and the rows that a particle asks of it in STEPS steps to the end.
MOVES = {
    "ode-euler": (lambda d: Ode(d, solver="euler"), 3),
    "ode-midpoint": (lambda d: Ode(d, solver="midpoint"), 6),
    "ode-heun": (lambda d: Ode(d, solver="heun"), 5),
    "ode-2m": (lambda d: Ode(d, solver="2m"), 3),
    "sde": (Sde, 3),
    "sde-rho": (lambda d: Sde(d, rho=0.4), 3),
    "sde-guided": (lambda d: Sde(d, guide=upwards), 3),
    "glass": (lambda d: Glass(d, inner_steps=3), 9),
    "glass-rho": (lambda d: Glass(d, rho=0.4), 6),
    "glass-power": (lambda d: Glass(d, rho=DdpmPower(2)), 6),
    "glass-early-stop": (lambda d: Glass(d, early_stop=True), 6),
    "glass-euler": (lambda d: Glass(d, inner_steps=4, solver="euler"), 12),
    "glass-guided": (lambda d: Glass(d, guide=upwards), 6),
    "glass-one-step": (lambda d: Glass(d, inner_steps=1, guide=upwards), 3),
    "substeps": (lambda d: Substeps(Sde(d), 4), 12),
    "substeps-guided": (lambda d: Substeps(Glass(d, guide=upwards), 2), 12),
    "best-of": (lambda d: BestOf(Ode(d), mean_reward), 3),
    "best-of-guided": (lambda d: BestOf(Glass(d, guide=upwards), mean_reward), 6),
}
STEERED = {
    "fk": (steered, 6),
    "fk-sde": (lambda d: steered(d, Sde(d)), 3),
    "fk-guided": (lambda d: steered(d, Glass(d, guide=upwards)), 6),
    "fk-populations": (lambda d: steered(d, population=2), 6),
    "fk-adaptive": (lambda d: steered(d, tempering=AdaptiveTempering(0.7)), 6),
    "fk-posterior-mean": (by_posterior, 6 + (STEPS - 1) * 2 * 2),
    "fk-sum": (lambda d: steered(d, potential="sum"), 6),
    "fk-ssp": (lambda d: steered(d, resampling="ssp", ess_min=ALWAYS), 6),
    "fk-residual": (lambda d: steered(d, resampling="residual", ess_min=ALWAYS), 6),
    "fk-multinomial": (lambda d: steered(d, resampling="multinomial", ess_min=ALWAYS), 6),
}
KERNELS = MOVES | STEERED


@pytest.fixture(params=KERNELS.values(), ids=KERNELS.keys())
def built(request):
    return request.param


@pytest.fixture
def kernel(built):
    return built[0](shrink)


@pytest.fixture(params=MOVES.values(), ids=MOVES.keys())
def move(request):
    return request.param[0](shrink)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def began(shape=(5,), **settings):
    return noise(COUNT, shape, seeded(1), **settings)


def drawn(kernel, x, grid=None, seed=0):
    return run(kernel, grid or uniform_grid(STEPS), x, seeded(seed)).state.x


def tensors(value):
    """Copies of all tensors in a state."""
    if isinstance(value, Tensor):
        return [value.clone()]
    if dataclasses.is_dataclass(value):
        return [t for f in dataclasses.fields(value) for t in tensors(getattr(value, f.name))]
    return []


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_shape_dtype_and_device_are_kept(kernel, shape, dtype, device):
    x = began(shape, dtype=dtype, device=device)
    out = drawn(kernel, x)
    assert (out.shape, out.dtype, out.device) == (x.shape, x.dtype, x.device)
    assert out.isfinite().all()


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_any_increasing_grid_will_do(kernel, grid):
    assert drawn(kernel, began(), grid).isfinite().all()


def test_the_generator_decides_everything(kernel):
    torch.manual_seed(0)
    first = drawn(kernel, began())
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert torch.equal(first, drawn(kernel, began()))
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_particles_part_if_and_only_if_it_is_stochastic(kernel):
    state = kernel.init(torch.ones(COUNT, 5), 0.2)
    state, _ = kernel.step(state, 0.2, 0.6, seeded())
    assert len(state.x.unique(dim=0)) == (COUNT if kernel.stochastic else 1)


def test_arguments_are_not_changed(kernel):
    x, state = began(), kernel.init(began(), 0.0)
    for t, t_next in ((0.0, 0.5), (0.5, 1.0)):
        before = tensors(state)
        moved, _ = kernel.step(state, t, t_next, seeded())
        assert all(torch.equal(a, b) for a, b in zip(before, tensors(state), strict=True))
        state = moved
    run(kernel, uniform_grid(STEPS), x, seeded())
    assert torch.equal(x, began())


def test_it_pickles_and_prints(kernel):
    again = pickle.loads(pickle.dumps(kernel))
    assert type(kernel).__name__ in repr(again)
    assert torch.equal(drawn(again, began()), drawn(kernel, began()))


def test_it_cannot_be_changed(kernel):
    with pytest.raises(dataclasses.FrozenInstanceError):
        kernel.stochastic = False


def test_a_state_holds_its_look_ahead(kernel):
    state = kernel.init(began(), 0.1)
    assert torch.equal(state.x, began())
    for t, t_next in ((0.1, 0.5), (0.5, 1.0)):
        assert torch.equal(state.x_1_hat, shrink(state.x, t))
        state, _ = kernel.step(state, t, t_next, seeded())
    assert torch.equal(state.x_1_hat, state.x)


def test_it_says_whether_states_carry_a_log_ratio(kernel):
    state, _ = kernel.step(kernel.init(began(), 0.2), 0.2, 0.6, seeded())
    assert (state.log_ratio is not None) == kernel.weighted
    assert kernel.guided or not kernel.weighted


def test_rows_are_counted_where_the_denoiser_is_called(built):
    build, cost = built
    asked, count = [], Count()

    def recorded(x, t):
        asked.append(len(x))
        return shrink(x, t)

    kernel = build(Counted(recorded, count))
    infos = run(kernel, uniform_grid(STEPS), began(), seeded(), count=count).infos
    assert sum(info["nfe"] for info in infos) == count.rows == sum(asked) == COUNT * cost
    assert count.calls == len(asked)


def test_a_step_is_told_in_numbers(kernel):
    for info in run(kernel, uniform_grid(STEPS), began(), seeded()).infos:
        assert all(type(value) is float for value in info.values())
        assert info["wall_time"] > 0


def test_a_particle_of_a_move_goes_the_same_way_alone(move, monkeypatch):
    fixed = torch.randn(COUNT, 5, generator=seeded(2))
    for module in (glass, sde):  # the same noise for row 0, whatever the size of the batch
        monkeypatch.setattr(module, "like_noise", lambda x, generator: fixed[: len(x)])
    together, alone = drawn(move, began()), drawn(move, began()[:1])
    assert torch.allclose(together[:1], alone, atol=1e-6)


def test_particles_of_a_move_can_be_taken(move):
    state, _ = move.step(move.init(began(), 0.2), 0.2, 0.6, seeded())
    ancestors = torch.tensor([3, 3, 0, 1])
    taken = state.take(ancestors)
    assert taken.log_ratio is None
    kept = dataclasses.replace(state, log_ratio=None)
    assert all(
        torch.equal(a, b[ancestors]) for a, b in zip(tensors(taken), tensors(kept), strict=True)
    )
