"""Closed-form targets: a Gaussian and an asymmetric mixture, with every law a sampler may have."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glass_plan.kernels.glass import ddpm_rho
from glass_plan.schedules import Linear, Schedule


@dataclass(frozen=True)
class Mixture:
    """One-dimensional mixture of Gaussians, as a (N, 1) target in float64.

    Args:
        weights: of the components.
        means: of the components.
        stds: of the components.
        schedule: the path on which it is the law at t = 1.
    """

    weights: tuple[float, ...] = (1.0,)
    means: tuple[float, ...] = (0.0,)
    stds: tuple[float, ...] = (1.0,)
    schedule: Schedule = Linear()

    @property
    def mean(self) -> float:
        return sum(w * m for w, m in zip(self.weights, self.means, strict=True))

    @property
    def variance(self) -> float:
        rows = zip(self.weights, self.means, self.stds, strict=True)
        return sum(w * (s**2 + m**2) for w, m, s in rows) - self.mean**2

    def cdf(self, x: Tensor) -> Tensor:
        """P(x_1 < x)."""
        w, m, d = self._parts(x)
        return (w * torch.special.ndtr((x - m) / d)).sum(-1, keepdim=True)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 1) independent samples."""
        w, m, d = self._parts(torch.zeros((), dtype=torch.float64))
        of = torch.multinomial(w, count, replacement=True, generator=generator)
        noise = torch.randn(count, generator=generator, dtype=torch.float64)
        return (m[of] + d[of] * noise)[:, None]

    def on(self, schedule: Schedule) -> Mixture:
        """The same law on another path."""
        return replace(self, schedule=schedule)

    def denoise(self, x: Tensor, t: float) -> Tensor:
        """E[x_1 | x_t = x], exactly."""
        share, mean, _ = self._posterior(x, t)
        return (share * mean).sum(-1, keepdim=True)

    def at(self, t: float) -> Mixture:
        """The law of x_t."""
        return self.image(0.0, self.schedule.alpha(t), self.schedule.sigma(t))

    def posterior(self, x_t: float, t: float) -> Mixture:
        """p(x_1 | x_t)."""
        parts = self._posterior(torch.tensor([x_t], dtype=torch.float64), t)
        share, mean, std = (tuple(part.tolist()) for part in parts)
        return Mixture(share, mean, std, self.schedule)

    def transition(self, x_t: float, t: float, t_next: float, rho: float | None) -> Mixture:
        """p(x_t' | x_t) of noise correlation rho; None for DDPM's."""
        rho = ddpm_rho(self.schedule, t, t_next) if rho is None else rho
        gbar = rho * self.schedule.sigma(t_next) / self.schedule.sigma(t)
        abar = self.schedule.alpha(t_next) - gbar * self.schedule.alpha(t)
        sbar = self.schedule.sigma(t_next) * math.sqrt(1 - rho**2)
        return self.posterior(x_t, t).image(gbar * x_t, abar, sbar)

    def image(self, shift: float, scale: float, noise: float) -> Mixture:
        """The law of shift + scale x + noise eps."""
        means = tuple(shift + scale * m for m in self.means)
        stds = tuple(math.hypot(scale * d, noise) for d in self.stds)
        return replace(self, means=means, stds=stds)

    def tilted(self, slope: float) -> tuple[Mixture, float]:
        """The law p(x) exp(slope x) / Z, and log Z."""
        w, m, d = self._parts(torch.zeros((), dtype=torch.float64))
        log_terms = w.log() + slope * m + 0.5 * (slope * d) ** 2
        weights, means = log_terms.softmax(0), m + slope * d**2
        law = replace(self, weights=tuple(weights.tolist()), means=tuple(means.tolist()))
        return law, float(log_terms.logsumexp(0))

    def _parts(self, like: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            torch.tensor(v, dtype=like.dtype) for v in (self.weights, self.means, self.stds)
        )

    def _posterior(self, x: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, means and standard deviations of the components of p(x_1 | x_t = x)."""
        a, s = self.schedule.alpha(t), self.schedule.sigma(t)
        w, m, d = self._parts(x)
        var = a**2 * d**2 + s**2
        log_p = w.log() - 0.5 * var.log() - 0.5 * (x - a * m) ** 2 / var
        return log_p.softmax(-1), m + a * d**2 / var * (x - a * m), d * s / var.sqrt()


GAUSSIAN = Mixture((1.0,), (1.5,), (0.7,))
ASYMMETRIC = Mixture((0.3, 0.7), (-2.0, 1.0), (0.5, 0.8))
