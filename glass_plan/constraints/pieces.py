"""Segments between waypoints, cut into pieces; samples in the order of waypoints, then middles.

Knows nothing of regions, nor of what moves along a segment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

PIECE = 0.02
"""Longest piece of a segment [m]; the bound is within half of it."""

MAX_PIECES = 64
"""Most pieces of a segment; one longer than 1.28 m gets longer pieces and a looser bound."""


@dataclass(frozen=True)
class Segments:
    """Straight drives.

    Args:
        start: (..., d) [m], or of all that a body's frames follow, in their units.
        step: (..., d) to the end.
        begin: (...) plan time [s].
        lapse: (...) [s] to the end.
    """

    start: Float[Tensor, "... d"]
    step: Float[Tensor, "... d"]
    begin: Float[Tensor, "..."]
    lapse: Float[Tensor, "..."]

    def __getitem__(self, where: tuple[Tensor, ...]) -> Self:
        return replace(
            self,
            start=self.start[where],
            step=self.step[where],
            begin=self.begin[where],
            lapse=self.lapse[where],
        )


def pieces(travel: Float[Tensor, "..."]) -> Float[Tensor, "... P+1"]:
    """Where to cut segments of such lengths [m] into pieces of 2 cm, from 0 to 1.

    A short segment's last pieces are empty, so that its cuts do not depend on the others.
    """
    own = (travel / PIECE).ceil().nan_to_num(1.0).clamp(1, MAX_PIECES)[..., None]
    most = int(own.max()) if own.numel() else 1
    count = torch.arange(most + 1, dtype=travel.dtype, device=travel.device)
    return (count / own).clamp_max(1)


def with_middles(x: Tensor, dim: int) -> Tensor:
    """The entries along an axis, then the means of neighbours: H to 2 H - 1."""
    count = x.shape[dim] - 1
    return torch.cat([x, torch.lerp(x.narrow(dim, 0, count), x.narrow(dim, 1, count), 0.5)], dim)


def sum_by_row(
    costs: Float[Tensor, "A"], where: Int[Tensor, "A"], like: Float[Tensor, "... K"]
) -> Float[Tensor, "..."]:
    """Sum over the last axis of costs given at some of the flat indices of a tensor."""
    row = where.div(like.shape[-1], rounding_mode="floor")
    total = costs.new_zeros(like[..., 0].numel()).index_add(0, row, costs)
    return total.view(like.shape[:-1])
