"""Closed-form targets: a Gaussian and an asymmetric two-component mixture, with their denoisers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glass_plan.schedules import Linear, Schedule


@dataclass(frozen=True)
class Mixture:
    """One-dimensional mixture of Gaussians, as a (N, 1) target in float64.

    Args:
        weights: of the components.
        means: of the components.
        stds: of the components.
    """

    weights: tuple[float, ...] = (1.0,)
    means: tuple[float, ...] = (0.0,)
    stds: tuple[float, ...] = (1.0,)
    schedule: Schedule = Linear()

    def denoise(self, x: Tensor, t: float) -> Tensor:
        """E[x_1 | x_t = x], exactly."""
        a, s = self.schedule.alpha(t), self.schedule.sigma(t)
        w, m, d = (torch.tensor(v, dtype=x.dtype) for v in (self.weights, self.means, self.stds))
        var = a**2 * d**2 + s**2
        log_p = w.log() - 0.5 * var.log() - 0.5 * (x - a * m) ** 2 / var
        return (log_p.softmax(-1) * (m + a * d**2 / var * (x - a * m))).sum(-1, keepdim=True)

    @property
    def mean(self) -> float:
        return sum(w * m for w, m in zip(self.weights, self.means, strict=True))

    @property
    def variance(self) -> float:
        rows = zip(self.weights, self.means, self.stds, strict=True)
        return sum(w * (s**2 + m**2) for w, m, s in rows) - self.mean**2

    def tilted(self, slope: float) -> tuple[float, float]:
        """Mean of p(x) exp(slope x) / Z, and log Z."""
        w, m, d = (
            torch.tensor(v, dtype=torch.float64) for v in (self.weights, self.means, self.stds)
        )
        log_terms = w.log() + slope * m + 0.5 * (slope * d) ** 2
        return float((log_terms.softmax(0) * (m + slope * d**2)).sum()), float(
            log_terms.logsumexp(0)
        )


ASYMMETRIC = Mixture((0.3, 0.7), (-2.0, 1.0), (0.5, 0.8))
