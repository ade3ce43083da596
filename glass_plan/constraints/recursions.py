"""Recursions from the last instant to the first, without a loop over instants.

u_k = min(h_k, max(g_k, u_{k+1})) and u_k = min(g_k, h_k + u_{k+1}), both in O(H). The first is a
clamp, and of two clamps one after the other is a clamp: neighbours are joined by twos until one is
left, then the others are filled in (Blelloch, 1990). The second is, with sums C_k of h before k,
u_k = min_{j >= k} (g_j + C_j) - C_k. Knows no constraints.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad


def held_up_to(
    hold: Float[Tensor, "... K"], goal: Float[Tensor, "... K"], last: float
) -> Float[Tensor, "... K"]:
    """u_k = min(hold_k, max(goal_k, u_{k+1})) with u_K = last, (..., K).

    Every u is one of the numbers given: which one is searched without gradients, and read.
    """
    count = hold.shape[-1]
    with torch.no_grad():
        spare = (0, 2 ** (count - 1).bit_length() - count)  # clamps that change nothing
        low = pad(torch.minimum(hold, goal), spare, value=-math.inf)
        high = pad(hold, spare, value=math.inf)
        u = _clamped(torch.stack([low, high]), last)[..., :count]
        is_hold = (u == hold) | hold.isnan()
        is_own = is_hold | (u == goal) | goal.isnan()
        index = torch.arange(count, device=u.device)
        owner = pad(torch.where(is_own, index, count), (0, 1), value=count)  # or later
        owner = owner.flip(-1).cummin(-1).values.flip(-1)[..., :count]
        place = pad(torch.where(is_hold, index, count + index), (0, 1), value=2 * count)
        place = place.gather(-1, owner)
    given = torch.cat([hold, goal, torch.full_like(hold[..., :1], last)], dim=-1)
    return given.gather(-1, place)


def least_sum_up_to(
    hold: Float[Tensor, "... K"], goal: Float[Tensor, "... K"], last: float
) -> Float[Tensor, "... K"]:
    """u_k = min(goal_k, hold_k + u_{k+1}) with u_K = last and hold >= 0, (..., K).

    In float64, so that small sums are not lost beside the large one that they are part of.
    """
    passed = pad(hold.double().cumsum(-1), (1, 0))
    ends = torch.cat([goal + passed[..., :-1], passed[..., -1:] + last], dim=-1)
    least = ends.flip(-1).cummin(-1).values.flip(-1)
    return (least - passed)[..., :-1].clamp_min(0).to(hold.dtype)


def _clamped(bounds: Float[Tensor, "2 ... K"], last: float) -> Float[Tensor, "... K"]:
    """u_k = min(high_k, max(low_k, u_{k+1})) for (low, high) with low <= high, K a power of two."""
    if bounds.shape[-1] == 1:
        return _clamp(torch.full_like(bounds[0], last), bounds)
    here, after = bounds[..., ::2], bounds[..., 1::2]
    even = _clamped(_clamp(after, here), last)
    odd = _clamp(pad(even[..., 1:], (0, 1), value=last), after)
    return torch.stack([even, odd], dim=-1).flatten(-2)


def _clamp(x: Tensor, bounds: Tensor) -> Tensor:
    return torch.minimum(bounds[1], torch.maximum(bounds[0], x))
