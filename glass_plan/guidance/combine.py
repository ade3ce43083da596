"""How gradients of several rewards, which may conflict, become one direction.

Every function takes the flow's own direction (N, ...) and the gradients (K, N, ...), sample by
sample; two gradients conflict where their inner product is negative.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Combiner = Callable[[Tensor, Tensor], Tensor]
"""(base (N, ...), gradients (K, N, ...)) -> direction (N, ...)."""
TINY = 1e-12
"""Squared norm below which a gradient has no direction."""


def total(base: Float[Tensor, "N ..."], gradients: Float[Tensor, "K N ..."]) -> Tensor:
    """The sum, conflicts and all."""
    return gradients.sum(0)


def pcgrad(base: Float[Tensor, "N ..."], gradients: Float[Tensor, "K N ..."]) -> Tensor:
    """Gradient surgery (Yu et al. 2020, Algorithm 1), the others visited in the order given.

        g_i <- g_i - min(<g_i, g_j>, 0) / |g_j|^2 g_j  for every j != i                         (6)

    Then the sum. The paper visits them in random order; a fixed one keeps the direction a function
    of x.
    """
    flat = gradients.flatten(2)  # (K, N, F)
    squares = (flat**2).sum(-1, keepdim=True).clamp_min(TINY)
    surgery = []
    for i, own in enumerate(flat):
        for j, other in enumerate(flat):
            if j != i:
                inner = (own * other).sum(-1, keepdim=True).clamp_max(0.0)
                own = own - inner / squares[j] * other
        surgery.append(own)
    return torch.stack(surgery).sum(0).reshape(gradients.shape[1:])


def conflict_gate(base: Float[Tensor, "N ..."], gradients: Float[Tensor, "K N ..."]) -> Tensor:
    """The sum where gradients agree, surgery where they oppose, by a gate on their worst cosine.

        g = total + gate (pcgrad - total),  gate = max(0, -min_ij cos(g_i, g_j))                (7)

    In the manner of conflict-aware additive guidance (Yu et al. 2026, arXiv 2605.20758), which
    detects conflicts and adds a correction; theirs is a residual network trained per task, this one
    is closed form.
    """
    flat = gradients.flatten(2)
    unit = flat / (flat**2).sum(-1, keepdim=True).clamp_min(TINY).sqrt()
    cosines = torch.einsum("inf,jnf->nij", unit, unit)
    gate = (-cosines.flatten(1).amin(1)).clamp_min(0.0)  # (N,)
    gate = gate.reshape(-1, *[1] * (base.ndim - 1))
    summed = total(base, gradients)
    return summed + gate * (pcgrad(base, gradients) - summed)


COMBINERS: dict[str, Combiner] = {"total": total, "pcgrad": pcgrad, "conflict-gate": conflict_gate}
"""By name, for benchmarks and settings."""
