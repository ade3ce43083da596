"""Weighted particles: effective sample size, systematic resampling, log-mean-exp.

Everything on the log scale, in float64. Knows neither flows nor robots (Chopin & Papaspiliopoulos
2020, chapters 8-10).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ess(log_w: Float[Tensor, "N"]) -> float:
    """Effective sample size (sum w)^2 / sum w^2, between 1 and N (Kong et al. 1994)."""
    return float((2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp())


def log_mean_exp(log_w: Float[Tensor, "N"]) -> float:
    """log of the mean of exp(log_w)."""
    return float(log_w.logsumexp(0)) - math.log(len(log_w))


def systematic(log_w: Float[Tensor, "N"], generator: torch.Generator) -> Int[Tensor, "N"]:
    """Ancestors by systematic resampling: copies within 1 of N w (Carpenter et al. 1999)."""
    count = len(log_w)
    u = torch.rand((), dtype=torch.float64, generator=generator)
    edges = log_w.double().softmax(0).cumsum(0).cpu()
    edges[-1] = 1.0  # rounding must not lose the last particle
    return torch.searchsorted(edges, (torch.arange(count) + u) / count).to(log_w.device)


@dataclass(frozen=True)
class Weights:
    """State of a weighted population.

    Args:
        log_w: (N,) unnormalised weights since the last resampling, float64.
        log_z: log of the normalising constant up to the last resampling.
    """

    log_w: Float[Tensor, "N"]
    log_z: float = 0.0

    @classmethod
    def uniform(cls, count: int, device: torch.device) -> Weights:
        """N particles of weight one."""
        return cls(torch.zeros(count, dtype=torch.float64, device=device))

    @property
    def log_z_now(self) -> float:
        """log of the normalising constant estimate up to now."""
        return self.log_z + log_mean_exp(self.log_w)

    def reweight(self, log_g: Float[Tensor, "N"]) -> Weights:
        """Multiply the weights by the increments exp(log_g)."""
        return Weights(self.log_w + log_g.double(), self.log_z)

    def resample(
        self, generator: torch.Generator, *, below: float
    ) -> tuple[Weights, Int[Tensor, "N"] | None]:
        """Resample if ESS < ``below`` N; returns the new weights and the ancestors, or None."""
        if ess(self.log_w) >= below * len(self.log_w):
            return self, None
        fresh = Weights(torch.zeros_like(self.log_w), self.log_z_now)
        return fresh, systematic(self.log_w, generator)
