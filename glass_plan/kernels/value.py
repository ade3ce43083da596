"""What a particle at time t is worth, estimated. The numbers go on from ``feynman_kac`` (1).

    V_t(x) = log E[exp r(x_1) | x_t = x]                                                        (2)
    r_t(D_t(x)), the look-ahead, for any r_t with r_1 = r                                       (3)
    log mean_j exp r(z_j),  z_j ~ p(x_1 | x_t = x)                                              (4)

The look-ahead is free and biased where p(x_1 | x_t) is wide; the mean over posterior
samples costs network rows. Both end in r(x_1) at t = 1, which is all that steering needs to be
exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import KernelError
from glass_plan.kernels.base import State, noise
from glass_plan.kernels.glass import Posterior

Potential = Callable[[Tensor], Tensor]
"""Log-potential of clean samples (N, ...) -> (N,)."""


@dataclass(frozen=True)
class Valued:
    """Values of particles, and the clean samples that were looked at on the way.

    Args:
        value: (N,) estimate of V_t(x).
        x_1: (K, N, ...) clean samples.
        reward: (K, N) of them.
    """

    value: Float[Tensor, "N"]
    x_1: Float[Tensor, "K N ..."]
    reward: Float[Tensor, "K N"]


class Value(Protocol):
    """An estimate of V_t, with V_1 = r."""

    def __call__(self, state: State, t: float, generator: torch.Generator) -> Valued: ...


@dataclass(frozen=True)
class LookAhead:
    """r_t(D_t(x)): no network call at all.

    Args:
        reward: log-potential r of clean samples: the target's, by which they are ranked, too.
        at: log-potential r_t to value by at flow time t < 1; None, or r itself, for r.
    """

    reward: Potential
    at: Callable[[float], Potential] | None = None

    def __call__(self, state: State, t: float, generator: torch.Generator) -> Valued:
        reward = self.reward(state.x_1_hat)
        now = self.reward if self.at is None or t >= 1.0 else self.at(t)
        value = reward if now is self.reward else now(state.x_1_hat)
        return Valued(value, state.x_1_hat[None], reward[None])


@dataclass(frozen=True)
class PosteriorMean:
    """log mean exp r over posterior samples: consistent, and below V_t on average (Jensen).

    Args:
        reward: log-potential of clean samples.
        posterior: the sampler; each sample costs ``inner_steps - 1`` rows.
        samples: K per particle.
        common_noise: give all particles the same noises (common random numbers, Glasserman 2003,
            section 4.2), so that values differ by what the particles are, not by what they drew.
            Populations side by side then depend on each other; each is as valid as alone.

    Raises:
        KernelError: no samples.
    """

    reward: Potential
    posterior: Posterior
    samples: int = 8
    common_noise: bool = True

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise KernelError(f"PosteriorMean: samples must be at least 1, got {self.samples}")

    def __call__(self, state: State, t: float, generator: torch.Generator) -> Valued:
        if t >= 1.0:
            return LookAhead(self.reward)(state, t, generator)
        shape = state.x.shape
        drawn = (1, *shape[1:]) if self.common_noise else shape
        y_0 = noise(self.samples, drawn, generator, dtype=state.x.dtype, device=state.x.device)
        y_0 = y_0.expand(-1, *shape)  # (K, N, ...)
        x_1 = self.posterior.sample(state.x, t, state.x_1_hat, y_0)
        reward = self.reward(x_1.flatten(0, 1)).reshape(self.samples, shape[0])
        value = reward.double().logsumexp(0) - math.log(self.samples)
        return Valued(value, x_1, reward)
