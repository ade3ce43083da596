"""Feynman-Kac steering: weigh, resample, move, so that the last law is p(x_1) exp(reward(x_1)).

The increments telescope,

    G_k = exp(lambda_k V_k - lambda_{k-1} V_{k-1}) p / q,                                    (1)

with V_k an estimate of log E[exp r | x_k] that ends in r, lambda_k rising to 1, and p / q the ratio
of the model's transition density to the proposal's. So the target does not depend on the number of
steps (Singhal et al. 2025 with difference potentials; Chopin & Papaspiliopoulos 2020, chapter 10).
Nothing is weighed before the first step: any V_0 would do. A reward may be -inf; before the end it
then counts as the worst finite value of its population.

The batch may hold several populations side by side, each weighed and resampled by itself. The best
end points seen are kept in an archive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glass_plan.errors import KernelError, did_you_mean
from glass_plan.kernels.archive import Archive
from glass_plan.kernels.base import Info, Kernel, State
from glass_plan.kernels.value import LookAhead, Potential, Value
from glass_plan.smc import RESAMPLING, Weights, multinomial, temper

ALWAYS = float("inf")
"""As ``ess_min``: resample at every step, needed or not."""


def linear_tempering(t: float) -> float:
    """lambda(t) = t: the reward comes in as the look-ahead becomes trustworthy."""
    return t


def no_tempering(t: float) -> float:
    """lambda(t) = 1: for values that are trustworthy from the start."""
    return 1.0


@dataclass(frozen=True)
class AdaptiveTempering:
    """lambda as large as leaves ESS >= ess_min K, by bisection at every step; 1 at the end.

    Args:
        ess_min: share of the particles in (0, 1).

    Raises:
        KernelError: ``ess_min`` out of range.
    """

    ess_min: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.ess_min < 1:
            raise KernelError(f"AdaptiveTempering: ess_min must be in (0, 1), got {self.ess_min}")


@dataclass(frozen=True, kw_only=True)
class Steered(State):
    """Weighted particles.

    Args:
        moved: state of the move.
        weights: (P, K) of the populations.
        potential: (P, K) log-potential lambda V that the weights hold.
        exponent: (P, 1) lambda.
        roots: (P, K) index of each particle's ancestor at the start.
        archive: the best end points seen.
    """

    moved: State
    weights: Weights
    potential: Float[Tensor, "P K"]
    exponent: Float[Tensor, "P 1"]
    roots: Int[Tensor, "P K"]
    archive: Archive

    def draw(self, generator: torch.Generator, count: int = 1) -> Float[Tensor, "P C ..."]:
        """Particles drawn by weight, ``count`` of each population: a sample of the target.

        Raises:
            KernelError: more than there are particles.
        """
        log_w = self.weights.log_w
        if not 1 <= count <= log_w.shape[1]:
            raise KernelError(f"draw: count must be in 1..{log_w.shape[1]}, got {count}")
        chosen = multinomial(log_w, generator)[:, :count]
        rows = torch.arange(len(log_w), device=log_w.device)[:, None]
        drawn: Tensor = self.x.unflatten(0, log_w.shape)[rows, chosen]
        return drawn

    def equal(self, generator: torch.Generator, scheme: str = "systematic") -> Tensor:
        """All particles (N, ...), resampled to equal weights.

        Raises:
            KernelError: an unknown scheme.
        """
        _check_choice("resampling", scheme, tuple(RESAMPLING))
        return self.x[_flat(RESAMPLING[scheme](self.weights.log_w, generator))]


@dataclass(frozen=True)
class FeynmanKac:
    """Steers a stochastic kernel towards high reward.

    Args:
        move: a stochastic kernel.
        reward: log-potential of clean samples.
        value: estimate of V_t; the look-ahead by default.
        ess_min: resample when ESS < ess_min K (``ALWAYS``: at every step).
        tempering: lambda(t) in [0, 1] with lambda(1) = 1, or ``AdaptiveTempering``.
        resampling: a key of ``smc.RESAMPLING``.
        population: K particles each; None for one population of all.
        potential: ``"difference"`` as in (1); ``"sum"`` multiplies exp(lambda V) at every step,
            whose target p exp(sum r) moves with the number of steps (for comparison only).
        base: whose law is tilted: ``"prior"`` (the model's) or ``"move"`` (that of a guided move,
            on purpose: then the guided law times exp(reward) is the target).

    Raises:
        KernelError: a deterministic move, whose copies never part; a guided move without
            log-ratio under ``base="prior"``, where the reward would count twice; or a setting out
            of range.
    """

    move: Kernel
    reward: Potential
    value: Value | None = None
    ess_min: float = 0.5
    tempering: Callable[[float], float] | AdaptiveTempering = linear_tempering
    resampling: str = "systematic"
    population: int | None = None
    potential: str = "difference"
    base: str = "prior"
    stochastic: bool = True
    weighted: bool = False

    def __post_init__(self) -> None:
        if not self.move.stochastic:
            raise KernelError(
                "FeynmanKac: the move is deterministic, resampled copies would never part; "
                "use Glass in place of Ode"
            )
        choices = {
            "base": (self.base, ("prior", "move")),
            "resampling": (self.resampling, tuple(RESAMPLING)),
            "potential": (self.potential, ("difference", "sum")),
        }
        for name, (got, known) in choices.items():
            _check_choice(name, got, known)
        if not self.ess_min >= 0:
            raise KernelError(f"FeynmanKac: ess_min must be at least 0, got {self.ess_min}")
        if self.population is not None and self.population < 1:
            raise KernelError(f"FeynmanKac: population must be positive, got {self.population}")
        if self.move.guided and not self.move.weighted and self.base == "prior":
            raise KernelError(
                "FeynmanKac: the move is guided but has no log_ratio to the prior, so the reward "
                "would count twice; guide the proposal (Glass(guide=...)), or say base='move' to "
                "tilt the guided law on purpose"
            )

    @property
    def guided(self) -> bool:
        return self.move.guided

    def init(self, x: Tensor, t: float) -> Steered:
        size = len(x) if self.population is None else self.population
        if len(x) % size:
            raise KernelError(f"FeynmanKac: {len(x)} particles are no populations of {size}")
        weights = Weights.uniform(len(x) // size, size, x.device)
        zeros = torch.zeros_like(weights.log_w)
        moved = self.move.init(x, t)
        return Steered(
            x=moved.x,
            x_1_hat=moved.x_1_hat,
            moved=moved,
            weights=weights,
            potential=zeros,
            exponent=zeros[:, :1],
            roots=torch.arange(size, device=x.device).expand(zeros.shape),
            archive=Archive.empty(moved.x_1_hat),
        )

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[Steered, Info]:
        assert isinstance(state, Steered)
        weights, ancestors = state.weights.resample(
            generator, below=self.ess_min, scheme=RESAMPLING[self.resampling]
        )
        before = state.potential.gather(1, ancestors)
        roots = state.roots.gather(1, ancestors)
        moved, info = self.move.step(state.moved.take(_flat(ancestors)), t, t_next, generator)
        valued = (self.value or LookAhead(self.reward))(moved, t_next, generator)
        value = valued.value.double().reshape(before.shape)
        value = value if t_next >= 1.0 else _finite(value)
        if moved.log_ratio is not None and self.base == "prior":
            weights = weights.reweight(moved.log_ratio.reshape(before.shape))
        before = before if self.potential == "difference" else torch.zeros_like(before)
        exponent = self._exponent(t_next, weights.log_w, before, value, state.exponent)
        potential = exponent * value
        weights = weights.reweight(potential - before)
        steered = replace(
            state,
            x=moved.x,
            x_1_hat=moved.x_1_hat,
            moved=moved,
            weights=weights,
            potential=potential,
            exponent=exponent,
            roots=roots,
            archive=state.archive.add(valued.x_1.flatten(0, 1), valued.reward.flatten()),
        )
        return steered, {**info, **_report(steered, ancestors)}

    def _exponent(
        self, t: float, log_w: Tensor, before: Tensor, value: Tensor, exponent: Tensor
    ) -> Float[Tensor, "P 1"]:
        """lambda for the time that was reached."""
        if not isinstance(self.tempering, AdaptiveTempering):
            return torch.full_like(exponent, self.tempering(t))
        if t >= 1.0:
            return torch.ones_like(exponent)
        return temper(log_w, before, value, exponent, self.tempering.ess_min)


def _check_choice(name: str, got: str, known: tuple[str, ...]) -> None:
    if got not in known:
        raise KernelError(f"FeynmanKac: unknown {name} {got!r}{did_you_mean(got, known)}")


def _finite(value: Float[Tensor, "P K"]) -> Float[Tensor, "P K"]:
    """Values before the end, where who looks impossible counts as the worst who does not.

    A weight of nothing could not be given back to a particle that comes good after all. Any finite
    values telescope.
    """
    finite = value.isfinite()
    worst = value.masked_fill(~finite, torch.inf).amin(1, keepdim=True)
    return torch.where(finite, value, worst.nan_to_num(posinf=0.0))


def _flat(ancestors: Int[Tensor, "P K"]) -> Int[Tensor, "N"]:
    """Indices within populations as indices of the batch."""
    size = ancestors.shape[1]
    return (ancestors + size * torch.arange(len(ancestors), device=ancestors.device)[:, None]).view(
        -1
    )


def _report(state: Steered, ancestors: Int[Tensor, "P K"]) -> dict[str, Tensor | float]:
    """Numbers of a step, population by population."""
    size = ancestors.shape[1]
    own = torch.arange(size, device=ancestors.device)
    alive = torch.zeros_like(state.weights.log_w).scatter(1, state.roots, 1.0)
    return {
        "ess": state.weights.ess / size,
        "log_z": state.weights.log_z_now,
        "resampled": (ancestors != own).any(1),
        "ancestors": alive.sum(1),
        "exponent": state.exponent,
    }
