"""Feynman-Kac steering: weigh, resample, move, so that the last law is p(x_1) exp(reward(x_1)).

The increments telescope, G_k = exp(r_k - r_{k-1}) with r_k = lambda_k reward(D_{t_k}(x)), so the
target does not depend on the number of steps (Singhal et al. 2025 with difference potentials;
Chopin & Papaspiliopoulos 2020, chapter 10). Resampling happens only when the effective sample size
falls below a share of the particles. The best end points seen are kept in an archive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glass_plan.errors import KernelError
from glass_plan.kernels.base import Archive, Info, Kernel, State
from glass_plan.smc import Weights, ess

Potential = Callable[[Tensor], Tensor]
"""Log-potential of clean samples (N, ...) -> (N,)."""


def linear_tempering(t: float) -> float:
    """lambda(t) = t: the reward comes in as the look-ahead becomes trustworthy."""
    return t


@dataclass(frozen=True)
class FeynmanKac:
    """Steers a stochastic kernel towards high reward.

    Args:
        move: a stochastic kernel.
        reward: log-potential of clean samples.
        ess_min: resample when ESS < ess_min N.
        tempering: lambda(t) in [0, 1], with lambda(1) = 1.
        base: whose law is tilted: ``"prior"`` (the model's) or ``"move"`` (that of a guided move,
            on purpose: then the guided law times exp(reward) is the target).

    Raises:
        KernelError: a deterministic move, whose copies never part; or a guided move under
            ``base="prior"``, where the reward would count twice.
    """

    move: Kernel
    reward: Potential
    ess_min: float = 0.5
    tempering: Callable[[float], float] = linear_tempering
    base: str = "prior"
    stochastic: bool = True

    def __post_init__(self) -> None:
        if not self.move.stochastic:
            raise KernelError(
                "FeynmanKac: the move is deterministic, resampled copies would never part; "
                "use Glass in place of Ode"
            )
        if self.base not in ("prior", "move"):
            raise KernelError(f"FeynmanKac: base must be 'prior' or 'move', got {self.base!r}")
        if self.move.guided and self.base == "prior":
            raise KernelError(
                "FeynmanKac: the move is guided but has no log_ratio to the prior, so the reward "
                "would count twice; say base='move' to tilt the guided law on purpose"
            )

    @property
    def guided(self) -> bool:
        return self.move.guided

    def init(self, x: Tensor, t: float) -> State:
        state = self.move.init(x, t)
        reward = self.reward(state.x_1_hat)
        tempered = self.tempering(t) * reward
        return replace(
            state,
            weights=Weights.uniform(len(x), x.device).reweight(tempered),
            reward=tempered,
            archive=Archive(state.x_1_hat, reward),
        )

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        assert state.weights is not None
        assert state.reward is not None
        assert state.archive is not None
        weights, ancestors = state.weights.resample(generator, below=self.ess_min)
        before, archive = state.reward, state.archive
        if ancestors is not None:
            state, before = state.take(ancestors), before[ancestors]
        moved, info = self.move.step(state, t, t_next, generator)
        reward = self.reward(moved.x_1_hat)
        tempered = self.tempering(t_next) * reward
        weights = weights.reweight(tempered - before)
        info |= {
            "ess": ess(weights.log_w) / len(weights.log_w),
            "log_z": weights.log_z_now,
            "resampled": float(ancestors is not None),
            "ancestors": float(
                len(weights.log_w) if ancestors is None else ancestors.unique().numel()
            ),
        }
        kept = archive.add(moved.x_1_hat, reward)
        return replace(moved, weights=weights, reward=tempered, archive=kept), info
