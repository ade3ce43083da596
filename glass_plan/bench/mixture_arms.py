"""Who takes part in the planar benchmark: families of samplers, each with the settings it may have.

A family is tuned on seeds below 100: of its settings, at most a dozen for everyone, the one whose
outputs are nearest to exact samples takes part. Reported seeds begin at 1000.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan import kernels
from glass_plan.bench import mixture_task as task
from glass_plan.denoisers import Counted, Denoiser
from glass_plan.guidance import (
    Constant,
    GradientGuide,
    Guided,
    ProxGuide,
    conflict_gate,
    pcgrad,
    total,
)
from glass_plan.guidance.combine import Combiner

BLOCK = 200_000
"""Particles side by side."""
SCALES = (3e-4, 6e-4, 1e-3, 2e-3, 3e-3, 4e-3, 6e-3, 1e-2, 2e-2, 3e-2, 0.1, 1.0)
"""Tried for each way of gradient guidance."""
GRIDS = {
    "3 equal": kernels.uniform_grid(3),
    "5 equal": kernels.uniform_grid(5),
    "0, .15, .45, 1": (0.0, 0.15, 0.45, 1.0),  # when the cluster is decided, and has been
    "0, .1, .3, 1": (0.0, 0.1, 0.3, 1.0),
}
"""Resampling times tried for steering."""


class Sampler(Protocol):
    """Draws outputs, and says what they took."""

    def sample(self, denoise: Denoiser, count: int, seed: int) -> tuple[Float[Tensor, "N 2"], int]:
        """``count`` outputs and the rows of network they took."""
        ...


class Exact:
    """Rejection from the data; asks no network."""

    def sample(self, denoise: Denoiser, count: int, seed: int) -> tuple[Float[Tensor, "N 2"], int]:
        return task.sample_target(count, torch.Generator().manual_seed(seed)), 0


@dataclass(frozen=True)
class Arm:
    """A sampler of the field with its budget.

    Args:
        kernel: of a counted denoiser.
        t_grid: flow times.
        population: K particles that return one output; None for one population of all outputs, 1
            for samples that nobody weighs.
        best_by: what the best of a population is chosen by; None to draw by weight.
    """

    kernel: Callable[[Denoiser], kernels.Kernel]
    t_grid: Sequence[float]
    population: int | None = 1
    best_by: Callable[[Tensor], Tensor] | None = None

    def sample(self, denoise: Denoiser, count: int, seed: int) -> tuple[Float[Tensor, "N 2"], int]:
        counted, generator = Counted(denoise), torch.Generator().manual_seed(seed)
        size = self.population or 1
        most = count if self.population is None else max(1, BLOCK // size)
        outputs: list[Tensor] = []
        while (missing := count - sum(map(len, outputs))) > 0:
            outputs.append(self._block(counted, min(missing, most), generator))
        return torch.cat(outputs), counted.count.rows

    def _block(
        self, denoise: Denoiser, count: int, generator: torch.Generator
    ) -> Float[Tensor, "N 2"]:
        size = self.population or 1
        x = kernels.noise(count * size, (2,), generator, dtype=torch.float64)
        state = kernels.run(self.kernel(denoise), self.t_grid, x, generator).state
        if self.best_by is not None:
            return kernels.best_of(state.x, self.best_by(state.x), size)
        if not isinstance(state, kernels.Steered):
            return state.x
        if self.population is None:
            return state.equal(generator)
        return state.draw(generator)[:, 0]


@dataclass(frozen=True)
class Family:
    """A method with the settings it may be tuned to.

    Args:
        name: in the table.
        regime: "single" samples, "independent" populations that return one output each, or "one
            population" all of whose particles are outputs.
        arms: by setting.
    """

    name: str
    regime: str
    arms: Mapping[str, Sampler]


def unguided(steps: int) -> Family:
    """ODE samples of the data."""
    arm = Arm(lambda d: kernels.Ode(d, solver="2m"), kernels.uniform_grid(steps))
    return Family("unguided ODE", "single", {f"{steps} steps": arm})


def gradient(name: str, combine: Combiner) -> Family:
    """ODE steps with the gradient through the network (g_cov-G of Feng et al. 2025)."""

    def build(scale: float) -> Callable[[Denoiser], kernels.Kernel]:
        def kernel(denoise: Denoiser) -> kernels.Kernel:
            rewards = (task.classifier_of_x, task.classifier_of_y)
            guide = GradientGuide(rewards, scale=Constant(scale), through=denoise, combine=combine)
            return kernels.Ode(Guided(denoise, guide))

        return kernel

    arms = {f"scale {s:g}": Arm(build(s), kernels.uniform_grid(50)) for s in SCALES}
    return Family(name, "single", arms)


def best_of(count: int, steps: int, by: Callable[[Tensor], Tensor]) -> Family:
    """The best of ODE samples."""
    arm = Arm(lambda d: kernels.Ode(d, solver="2m"), kernels.uniform_grid(steps), count, best_by=by)
    return Family("best of N ODE", "independent", {f"N {count}, {steps} steps": arm})


def published(name: str, population: int, *, sde: bool = False) -> Family:
    """GLASS-FKS with its paper's defaults (Holderrieth et al. 2025): 5 transitions x 20 inner.

    Sum potential, multinomial resampling at every transition. With ``sde``, 20 SDE steps in place
    of each transition: equal rows.
    """

    def kernel(denoise: Denoiser) -> kernels.Kernel:
        move: kernels.Kernel = kernels.Glass(denoise, inner_steps=20, rho=0.5, solver="euler")
        return kernels.FeynmanKac(
            kernels.Substeps(kernels.Sde(denoise), 20) if sde else move,
            task.reward,
            ess_min=kernels.ALWAYS,
            tempering=kernels.no_tempering,
            resampling="multinomial",
            population=population,
            potential="sum",
        )

    arm = Arm(kernel, kernels.uniform_grid(5), population)
    return Family(name, "independent", {f"K {population}, 5 x 20": arm})


def ours(rows: int, sizes: Sequence[int | None], *, sde: bool = False) -> Family:
    """Telescoping potentials, systematic resampling below half the ESS, 2M inner steps.

    Args:
        rows: of network per output, at most.
        sizes: particles of a population; None for one population.
        sde: SDE steps in place of GLASS transitions.
    """
    arms: dict[str, Sampler] = {}
    for size, (name, grid) in itertools.product(sizes, GRIDS.items()):
        inner = rows // ((size or 1) * (len(grid) - 1))
        if inner > 0:
            of = "" if size is None else f"K {size}, "
            arms[f"{of}{name} x {inner}"] = Arm(_steered(inner, size, sde), grid, size)
    regime = "one population" if sizes == (None,) else "independent"
    return Family(f"{'ours, SDE steps' if sde else 'ours'}, <= {rows} rows", regime, arms)


def _steered(inner: int, population: int | None, sde: bool) -> Callable[[Denoiser], kernels.Kernel]:
    def kernel(denoise: Denoiser) -> kernels.Kernel:
        move: kernels.Kernel = kernels.Glass(denoise, inner_steps=inner)
        if sde:
            move = kernels.Substeps(kernels.Sde(denoise), inner)
        return kernels.FeynmanKac(move, task.reward, population=population)

    return kernel


def rare(population: int, inner: int, *, guided: bool) -> Family:
    """The rare task: the best of a steered population by the exact margin."""

    def kernel(denoise: Denoiser) -> kernels.Kernel:
        prox = ProxGuide(task.rare_reward, steps=50, step_size=0.02) if guided else None
        move = kernels.Glass(denoise, inner_steps=inner, guide=prox)
        return kernels.FeynmanKac(move, task.rare_reward, population=population)

    arm = Arm(kernel, kernels.uniform_grid(5), population, best_by=task.rare_margin)
    name = "ours, guided proposals" if guided else "ours"
    return Family(name, "independent", {f"K {population}, 5 x {inner}": arm})


EXACT = Family("exact (rejection)", "single", {"": Exact()})
FAMILIES: tuple[Family, ...] = (
    EXACT,
    unguided(40),
    gradient("gradient (g_cov-G)", total),
    gradient("PCGrad", pcgrad),
    gradient("conflict gate (CAR-type)", conflict_gate),
    best_of(24, 8, task.reward),
    published("SDE-FKS, as published", 4, sde=True),
    published("SDE-FKS, as published", 16, sde=True),
    published("GLASS-FKS, as published", 4),
    published("GLASS-FKS, as published", 16),
    ours(50, (4, 6)),
    ours(100, (4, 8, 12)),
    ours(200, (8, 11, 16)),
    ours(600, (11, 16)),
    ours(200, (8, 11, 16), sde=True),
    ours(20, (None,)),
    ours(40, (None,)),
    ours(40, (None,), sde=True),
)
RARE_FAMILIES: tuple[Family, ...] = (
    best_of(20, 8, task.rare_margin),
    best_of(50, 8, task.rare_margin),
    rare(8, 4, guided=False),
    rare(16, 5, guided=False),
    rare(8, 4, guided=True),
    rare(16, 5, guided=True),
)
