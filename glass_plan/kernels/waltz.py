"""Renoise and accept: Metropolis moves of clean samples that leave p(x_1) exp(r(x_1)) as it is.

    x_t ~ p(x_t | x_1),  x_1' ~ p(x_1 | x_t),  accept with min(1, exp(r(x_1') - r(x_1)))        (1)

The proposal is reversible for the prior (both ways through the same x_t), so the prior's density
cancels. Exact where the posterior sampler is. Repairs a sample, warms up a replan, and refreshes
the copies that resampling has made; no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import KernelError
from glass_plan.kernels.base import like_noise
from glass_plan.kernels.glass import Posterior
from glass_plan.kernels.value import Potential


@dataclass(frozen=True)
class Danced:
    """The outcome of ``waltz``.

    Args:
        x_1: (N, ...) samples.
        reward: (N,) of them.
        accepted: share of accepted proposals per move.
    """

    x_1: Float[Tensor, "N ..."]
    reward: Float[Tensor, "N"]
    accepted: tuple[float, ...]


def waltz(
    x_1: Float[Tensor, "N ..."],
    reward: Potential,
    posterior: Posterior,
    times: Sequence[float],
    generator: torch.Generator,
) -> Danced:
    """Renoise-and-accept moves, one after the other.

    Args:
        x_1: clean samples.
        reward: log-potential of clean samples.
        posterior: sampler of p(x_1 | x_t).
        times: t in (0, 1) of each move; small ones move far and are rarely accepted.
        generator: source of all randomness.

    Raises:
        KernelError: a time outside (0, 1).
    """
    if not all(0 < t < 1 for t in times):
        raise KernelError(f"waltz: times must be inside (0, 1), got {list(times)}")
    schedule, value = posterior.schedule, reward(x_1)
    shares = []
    for t in times:
        x_t = schedule.alpha(t) * x_1 + schedule.sigma(t) * like_noise(x_1, generator)
        y_0 = like_noise(x_1, generator)[None]
        proposed = posterior.sample(x_t, t, posterior.denoise(x_t, t), y_0)[0]
        worth = reward(proposed)
        u = torch.rand(len(x_1), generator=generator, device=generator.device).to(x_1.device)
        accept = u.log() < worth - value
        x_1 = torch.where(accept.view(-1, *[1] * (x_1.ndim - 1)), proposed, x_1)
        value = torch.where(accept, worth, value)
        shares.append(accept.double().mean())
    return Danced(x_1, value, tuple(float(share) for share in shares))
