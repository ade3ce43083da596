"""Multipliers of a least-squares problem under linear inequalities, for a batch at once.

Knows nothing of what the rows mean.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

STEPS = 20
"""Most steps; each divides what is amiss by about ten, far more at the end."""
CLOSED = 1e-16
"""Mean product of multiplier and row, both 1 at the start, at which the multipliers are found."""
BOUNDARY = 0.99
"""Share of the way to the nearest bound that a step may go."""
TINY = 1e-30
"""Stands for 0 in a denominator."""


def multipliers(
    gram: Float[Tensor, "N W W"], demand: Float[Tensor, "N W"], softness: float
) -> Float[Tensor, "N W"]:
    """argmin_{l >= 0} l^T (gram + eps I) l / 2 - demand^T l by a primal-dual interior point method.

    l >= 0 and v = (gram + eps I) l - demand >= 0 are led along equal products l v to 0, with
    Mehrotra's corrector. No factorisation raises, whatever the rows.

    Args:
        gram: positive semi-definite, float64.
        demand: of each row.
        softness: eps > 0 as a share of the largest entry of gram.

    Source: Mehrotra 1992, SIAM Journal on Optimization 2.
    """
    largest = gram.diagonal(dim1=-2, dim2=-1).amax(-1, keepdim=True).clamp_min(TINY)
    unit = demand.abs().amax(-1, keepdim=True).clamp_min(TINY)
    matrix = gram / largest[..., None] + softness * torch.eye(gram.shape[-1]).to(gram)
    demand = demand / unit
    dual, value = torch.ones_like(demand), torch.ones_like(demand)
    for _ in range(STEPS):
        gap = (dual * value).mean(-1, keepdim=True)
        if bool((gap < CLOSED).all()):
            break
        factor = torch.linalg.cholesky_ex(matrix + torch.diag_embed(value / dual))[0]
        lack = demand + value - times(matrix, dual)
        d_dual, d_value = _direction(factor, lack, dual, value, torch.zeros_like(gap))
        reach = _reach(dual, value, d_dual, d_value).clamp_max(1.0)
        left = ((dual + reach * d_dual) * (value + reach * d_value)).mean(-1, keepdim=True)
        aim = (left / gap) ** 3 * gap - d_dual * d_value
        d_dual, d_value = _direction(factor, lack, dual, value, aim)
        reach = (BOUNDARY * _reach(dual, value, d_dual, d_value)).clamp_max(1.0)
        dual, value = dual + reach * d_dual, value + reach * d_value
    return dual * unit / largest


def times(matrix: Float[Tensor, "N W W"], x: Float[Tensor, "N W"]) -> Float[Tensor, "N W"]:
    """Matrix times vector."""
    return (matrix @ x[..., None])[..., 0]


def _direction(
    factor: Float[Tensor, "N W W"],
    lack: Float[Tensor, "N W"],
    dual: Float[Tensor, "N W"],
    value: Float[Tensor, "N W"],
    aim: Float[Tensor, "N #W"],
) -> tuple[Float[Tensor, "N W"], Float[Tensor, "N W"]]:
    """Newton's step towards (gram + eps I) l - demand = v and l v = aim."""
    right = lack + aim / dual - value
    d_dual: Tensor = torch.cholesky_solve(right[..., None], factor)[..., 0]
    return d_dual, (aim - value * d_dual) / dual - value


def _reach(dual: Tensor, value: Tensor, d_dual: Tensor, d_value: Tensor) -> Float[Tensor, "N 1"]:
    """How many such steps lead to the nearest bound."""
    shrink = torch.maximum(-d_dual / dual, -d_value / value).amax(-1, keepdim=True)
    return 1 / shrink.clamp_min(TINY)
