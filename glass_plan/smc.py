"""Weighted populations: effective sample size, resampling schemes, adaptive tempering.

The numbers go on from ``kernels.value`` (4):

    ESS = (sum w)^2 / sum w^2                                                                   (5)
    Z = product over the resamplings, and the end, of mean w                                    (6)

Everything on the log scale, in float64, over the last axis: (P, K) holds P populations of K
particles. Nothing here waits for the device. Knows neither flows nor robots (Chopin &
Papaspiliopoulos 2020, chapters 8-10 and 17).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BISECTIONS = 40
"""Of the tempering exponent: its error is below 1e-12."""
ROUNDING = 1e-9
"""By which an expected number of copies may miss the integer that it is."""


def ess(log_w: Float[Tensor, "... K"]) -> Float[Tensor, "..."]:
    """Effective sample size (sum w)^2 / sum w^2, between 1 and K (Kong et al. 1994).

    0 where no particle has any weight.
    """
    return log_w.softmax(-1).square().sum(-1).reciprocal().nan_to_num(nan=0.0)


def shares(log_w: Float[Tensor, "... K"]) -> Float[Tensor, "... K"]:
    """Normalised weights; equal ones where no particle has any."""
    return log_w.double().softmax(-1).nan_to_num(nan=1.0 / log_w.shape[-1])


def log_mean_exp(log_w: Float[Tensor, "... K"]) -> Float[Tensor, "..."]:
    """log of the mean of exp(log_w)."""
    return log_w.logsumexp(-1) - math.log(log_w.shape[-1])


def systematic(log_w: Float[Tensor, "P K"], generator: torch.Generator) -> Int[Tensor, "P K"]:
    """Ancestors by one uniform and equal steps: copies within 1 of K w (Carpenter et al. 1999)."""
    count = log_w.shape[-1]
    u = _uniform(log_w[:, :1], generator)
    return _at(log_w, (torch.arange(count, device=log_w.device) + u) / count)


def multinomial(log_w: Float[Tensor, "P K"], generator: torch.Generator) -> Int[Tensor, "P K"]:
    """Independent ancestors (Gordon et al. 1993); the noisiest."""
    return _at(log_w, _uniform(log_w, generator))


def residual(log_w: Float[Tensor, "P K"], generator: torch.Generator) -> Int[Tensor, "P K"]:
    """floor(K w) copies, the rest multinomial by the fractions (Liu & Chen 1998)."""
    expected = log_w.shape[-1] * shares(log_w)
    copies = (expected + ROUNDING).floor()
    rest = log_w.shape[-1] - copies.sum(-1, keepdim=True)  # still to draw
    drawn = _at((expected - copies).clamp_min(0.0).log(), _uniform(log_w, generator))
    wanted = torch.arange(log_w.shape[-1], device=log_w.device) < rest
    return _repeated(copies.scatter_add(-1, drawn, wanted.to(copies)))


def ssp(log_w: Float[Tensor, "P K"], generator: torch.Generator) -> Int[Tensor, "P K"]:
    """Srinivasan sampling process: floor or ceil of K w copies, unbiased (Gerber et al. 2019).

    Two fractions at a time are settled until one is an integer; consistent in any order, unlike
    systematic resampling.
    """
    expected = (log_w.shape[-1] * shares(log_w)).cpu()
    copies = expected.floor()
    fraction = expected - copies
    u = _uniform(fraction, generator)
    rows = torch.arange(len(fraction))
    open_, p = torch.zeros(len(fraction), dtype=torch.long), fraction[:, 0].clone()
    for k in range(1, log_w.shape[-1]):
        both = p + fraction[:, k]
        one_is_done = both >= 1
        stays_open = torch.where(one_is_done, 1 - p, p) / torch.where(one_is_done, 2 - both, both)
        keep = u[:, k] < stays_open.nan_to_num(nan=1.0)
        other = torch.full_like(open_, k)
        copies[rows, torch.where(keep, other, open_)] += one_is_done.to(copies)
        open_, p = torch.where(keep, open_, other), torch.where(one_is_done, both - 1, both)
    copies[rows, open_] += p.round()  # what is left is 0 or 1, up to rounding
    return _repeated(copies.to(log_w.device))


Resampling = Callable[[Tensor, torch.Generator], Tensor]
RESAMPLING: dict[str, Resampling] = {
    "systematic": systematic,
    "ssp": ssp,
    "residual": residual,
    "multinomial": multinomial,
}
"""Log-weights (P, K) and a generator -> ancestors (P, K), indices within each population."""


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(
        like.shape, dtype=torch.float64, generator=generator, device=generator.device
    )
    return drawn.to(like.device)


def _at(log_w: Float[Tensor, "P K"], u: Float[Tensor, "P K"]) -> Int[Tensor, "P K"]:
    """Where uniforms fall among the cumulated weights."""
    edges = shares(log_w).cumsum(-1)
    found = torch.searchsorted(edges / edges[:, -1:], u.contiguous(), right=True)
    return found.clamp_max(log_w.shape[-1] - 1)


def _repeated(copies: Float[Tensor, "P K"]) -> Int[Tensor, "P K"]:
    """Indices, each as often as its number of copies; every row sums to K."""
    ends = copies.cumsum(-1)
    places = torch.arange(copies.shape[-1], device=copies.device).expand(copies.shape)
    found = torch.searchsorted(ends, places.to(ends).contiguous(), right=True)
    return found.clamp_max(copies.shape[-1] - 1)


def temper(
    log_w: Float[Tensor, "P K"],
    before: Float[Tensor, "P K"],
    value: Float[Tensor, "P K"],
    exponent: Float[Tensor, "P 1"],
    ess_min: float,
) -> Float[Tensor, "P 1"]:
    """Largest exponent in [``exponent``, 1] that leaves ESS >= ess_min K, by bisection.

    The largest where the ESS falls steadily, else one that leaves enough.
    The weights would be log_w - before + exponent value (Jasra et al. 2011). If none does, the
    exponent stays.
    """
    low, high = exponent, torch.ones_like(exponent)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        enough = ess(log_w - before + middle * value) >= ess_min * log_w.shape[-1]
        low = torch.where(enough[:, None], middle, low)
        high = torch.where(enough[:, None], high, middle)
    whole = ess(log_w - before + value) >= ess_min * log_w.shape[-1]
    return torch.where(whole[:, None], torch.ones_like(low), low)


@dataclass(frozen=True)
class Weights:
    """Weights of P populations.

    Args:
        log_w: (P, K) unnormalised weights since the last resampling, float64.
        log_z: (P,) log of the normalising constants up to the last resampling.
    """

    log_w: Float[Tensor, "P K"]
    log_z: Float[Tensor, "P"]

    @classmethod
    def uniform(cls, populations: int, size: int, device: torch.device | str = "cpu") -> Weights:
        """Particles of weight one."""
        zeros = torch.zeros(populations, size, dtype=torch.float64, device=device)
        return cls(zeros, zeros[:, 0])

    @functools.cached_property
    def ess(self) -> Float[Tensor, "P"]:
        """Effective sample sizes (5)."""
        return ess(self.log_w)

    @functools.cached_property
    def log_z_now(self) -> Float[Tensor, "P"]:
        """log of the normalising constant estimates up to now."""
        return self.log_z + log_mean_exp(self.log_w)

    def reweight(self, log_g: Float[Tensor, "P K"]) -> Weights:
        """Multiply the weights by the increments exp(log_g)."""
        return Weights(self.log_w + log_g.double(), self.log_z)

    def resample(
        self, generator: torch.Generator, *, below: float, scheme: Resampling = systematic
    ) -> tuple[Weights, Int[Tensor, "P K"]]:
        """Resample the populations whose ESS < ``below`` K; the new weights and the ancestors.

        The randomness drawn does not depend on who is resampled.
        """
        poor = (self.ess < below * self.log_w.shape[-1])[:, None]
        own = torch.arange(self.log_w.shape[-1], device=self.log_w.device)
        ancestors = torch.where(poor, scheme(self.log_w, generator), own)
        log_w = torch.where(poor, torch.zeros_like(self.log_w), self.log_w)
        return Weights(log_w, torch.where(poor[:, 0], self.log_z_now, self.log_z)), ancestors
