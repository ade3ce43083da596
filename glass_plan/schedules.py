"""Gaussian probability paths, with t = 0 noise and t = 1 data, and what is affine in what.

    x_t = alpha x_1 + sigma x_0,  x_0 ~ N(0, I)                                                 (1)
    D = (sigma u - d_sigma x) / (d_alpha sigma - alpha d_sigma),  u the velocity                (2)
    D = (x + sigma^2 score) / alpha                                                             (3)
    D = (x - sigma eps) / alpha,  eps the expected noise                                        (4)

Gives alpha, sigma, their derivatives, snr = alpha / sigma, whose inverse is ``t_of_snr``, and the
conversions. Scalars are float64: schedule algebra is done once per grid. Knows nothing of networks
or kernels.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor


class Schedule(ABC):
    """A Gaussian path: alpha_0 near 0, sigma_0 = 1 (noise); alpha_1 = 1, sigma_1 = 0 (data)."""

    @abstractmethod
    def alpha(self, t: float) -> float:
        """Signal scale alpha_t."""

    @abstractmethod
    def sigma(self, t: float) -> float:
        """Noise scale sigma_t."""

    @abstractmethod
    def d_alpha(self, t: float) -> float:
        """Time derivative of alpha."""

    @abstractmethod
    def d_sigma(self, t: float) -> float:
        """Time derivative of sigma."""

    @abstractmethod
    def t_of_snr(self, snr: float) -> float:
        """Time t at which alpha_t / sigma_t = snr; g^-1(y) = t_of_snr(y ** -0.5)."""

    def denoiser(
        self, velocity: Float[Tensor, "..."], x_t: Float[Tensor, "..."], t: float
    ) -> Float[Tensor, "..."]:
        """D_t(x) = E[x_1 | x_t = x] from the marginal velocity (Lipman et al. 2023)."""
        a, s, da, ds = self.alpha(t), self.sigma(t), self.d_alpha(t), self.d_sigma(t)
        return (s * velocity - ds * x_t) / (da * s - a * ds)

    def velocity(
        self, x_1_hat: Float[Tensor, "..."], x_t: Float[Tensor, "..."], t: float
    ) -> Float[Tensor, "..."]:
        """Marginal velocity from the denoiser; t < 1."""
        a, s, da, ds = self.alpha(t), self.sigma(t), self.d_alpha(t), self.d_sigma(t)
        return ((da * s - a * ds) * x_1_hat + ds * x_t) / s

    def score(
        self, x_1_hat: Float[Tensor, "..."], x_t: Float[Tensor, "..."], t: float
    ) -> Float[Tensor, "..."]:
        """Gradient of log p_t from the denoiser (Tweedie); t < 1."""
        return (self.alpha(t) * x_1_hat - x_t) / self.sigma(t) ** 2


@dataclass(frozen=True)
class Linear(Schedule):
    """alpha_t = t, sigma_t = 1 - t (conditional optimal transport, Lipman et al. 2023)."""

    def alpha(self, t: float) -> float:
        return t

    def sigma(self, t: float) -> float:
        return 1.0 - t

    def d_alpha(self, t: float) -> float:
        return 1.0

    def d_sigma(self, t: float) -> float:
        return -1.0

    def t_of_snr(self, snr: float) -> float:
        return 1.0 if math.isinf(snr) else snr / (1.0 + snr)


@dataclass(frozen=True)
class Cosine(Schedule):
    """alpha_t = sin(pi t / 2), sigma_t = cos(pi t / 2) (Nichol & Dhariwal 2021)."""

    def alpha(self, t: float) -> float:
        return math.sin(math.pi * t / 2)

    def sigma(self, t: float) -> float:
        return 0.0 if t >= 1.0 else math.cos(math.pi * t / 2)

    def d_alpha(self, t: float) -> float:
        return math.pi / 2 * math.cos(math.pi * t / 2)

    def d_sigma(self, t: float) -> float:
        return -math.pi / 2 * math.sin(math.pi * t / 2)

    def t_of_snr(self, snr: float) -> float:
        return 2 / math.pi * math.atan(snr)


@dataclass(frozen=True)
class VariancePreserving(Schedule):
    """alpha_t = exp(-B(1 - t) / 2) with B(u) = b_0 u + (b_1 - b_0) u^2 / 2 (Song et al. 2021, VP).

    The usual diffusion path, with time turned round: alpha_0 = exp(-B(1) / 2) is small, not 0.
    """

    B_0: ClassVar[float] = 0.1
    B_1: ClassVar[float] = 20.0

    def alpha(self, t: float) -> float:
        return math.exp(-0.5 * self._integral(1.0 - t))

    def sigma(self, t: float) -> float:
        return math.sqrt(-math.expm1(-self._integral(1.0 - t)))

    def d_alpha(self, t: float) -> float:
        return 0.5 * self._rate(1.0 - t) * self.alpha(t)

    def d_sigma(self, t: float) -> float:
        if t >= 1.0:
            return -math.inf  # sigma is a square root there
        return -0.5 * self._rate(1.0 - t) * self.alpha(t) ** 2 / self.sigma(t)

    def t_of_snr(self, snr: float) -> float:
        wanted = math.log1p(snr**-2) if snr > 0 else math.inf  # B(1 - t) = -log alpha^2
        slope = self.B_1 - self.B_0
        u = 2 * wanted / (self.B_0 + math.sqrt(self.B_0**2 + 2 * slope * wanted))
        return max(1.0 - u, 0.0) if math.isfinite(u) else 0.0

    def _rate(self, u: float) -> float:
        return self.B_0 + (self.B_1 - self.B_0) * u

    def _integral(self, u: float) -> float:
        return self.B_0 * u + 0.5 * (self.B_1 - self.B_0) * u**2


SCHEDULES: dict[str, Schedule] = {
    "linear": Linear(),
    "vp": VariancePreserving(),
    "cosine": Cosine(),
}
