"""Smooth extrema: bounds of the exact ones from below, at every temperature.

soft_min = -T log sum exp(-x / T) <= min, soft_max = T log mean exp(x / T) <= max.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import RequestError

NEGLIGIBLE = 16.0
"""What lies this many temperatures behind the extremum has a share of 1e-7 of it, or less."""


@dataclass(frozen=True)
class Instants:
    """What a constraint is worth at the instants of each stretch between waypoints.

    Args:
        low: not above the value at any instant of the stretch, (..., K).
        high: not above the value at some instant of it, (..., K).
    """

    low: Float[Tensor, "... K"]
    high: Float[Tensor, "... K"]


def soft_min(x: Float[Tensor, "... K"], temperature: float) -> Float[Tensor, "..."]:
    """-T log sum exp(-x / T) <= min x over the last axis; the minimum itself at T = 0."""
    if temperature == 0:
        return x.amin(-1)
    return -temperature * torch.logsumexp(-x / _positive(temperature), dim=-1)


def soft_max(x: Float[Tensor, "... K"], temperature: float) -> Float[Tensor, "..."]:
    """T log mean exp(x / T) <= max x over the last axis; the maximum itself at T = 0."""
    if temperature == 0:
        return x.amax(-1)
    total = torch.logsumexp(x / _positive(temperature), dim=-1)
    return temperature * (total - math.log(x.shape[-1]))


def _positive(temperature: float) -> float:
    if not 0 < temperature < math.inf:
        raise RequestError(f"margin: temperature must be >= 0 and finite, got {temperature}")
    return temperature


def all_instants(terms: list[Instants], temperature: float) -> Instants:
    """Of a conjunction: low is the least, high one term's high beside the others' lows."""
    low = torch.stack([term.low for term in terms], dim=-1)
    high = torch.stack([term.high for term in terms], dim=-1)
    least = soft_min(low, temperature)
    if len(terms) == 1:
        return Instants(least, high[..., 0])
    two, index = low.topk(2, dim=-1, largest=False)
    is_least = torch.arange(len(terms), device=low.device) == index[..., :1]
    others = torch.where(is_least, two[..., 1:], two[..., :1])
    return Instants(least, torch.maximum(least, torch.minimum(high, others).amax(-1)))


def any_instants(terms: list[Instants], temperature: float) -> Instants:
    """Of a disjunction: the largest."""
    low, high = (torch.stack([getattr(t, name) for t in terms], -1) for name in ("low", "high"))
    return Instants(soft_max(low, temperature), soft_max(high, temperature))
