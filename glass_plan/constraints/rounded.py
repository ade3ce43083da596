"""Avoiding many balls and upright boxes at once, in the few operations of one.

Both are boxes rounded by a radius: d = |max(q, 0)| + min(max_i q_i, 0) - radius, where q is
|p - middle| - half the sides. A first look without gradients finds the few pairs of sample and
shape that are near; only they are differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import Numbers, constant
from glass_plan.constraints.geometry import Ball, Box, Region
from glass_plan.constraints.pieces import sum_by_row, with_middles
from glass_plan.layout import Trajectory

Rounded = tuple[Numbers, Numbers, float]
"""Middle and half sides of an upright box, and by how much it is rounded and grown [m]."""


def rounded(shape: Region, grow: float) -> Rounded | None:
    """A ball or an upright box as a rounded box; None for anything else."""
    if isinstance(shape, Ball):
        return shape.center, (0.0,) * shape.dim, shape.radius + grow
    if isinstance(shape, Box) and not shape.rotation:
        corners = list(zip(shape.low, shape.high, strict=True))
        middle, half = ([(b + sign * a) / 2 for a, b in corners] for sign in (1, -1))
        return tuple(middle), tuple(half), grow
    return None


@dataclass(frozen=True)
class AvoidRounded:
    """The violation of avoiding several rounded boxes, see ``Constraint.violation``.

    Args:
        middles: a coordinate of all boxes after the other [m].
        halves: likewise, of their sides [m].
        growths: of each [m].
    """

    middles: tuple[Numbers, ...]
    halves: tuple[Numbers, ...]
    growths: Numbers

    @classmethod
    def of(cls, shapes: Sequence[Rounded]) -> Self:
        """Of one or more of the same dimension."""
        middles, halves, growths = zip(*shapes, strict=True)
        return cls(tuple(zip(*middles, strict=True)), tuple(zip(*halves, strict=True)), growths)

    def __call__(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]:
        position = trajectory.channel("position").movedim(-1, 0).contiguous()
        points = with_middles(position, dim=-1)  # (d, ..., K): a coordinate lies in one piece
        asked = points.dtype, points.device
        middles, halves = (constant(v, *asked) for v in (self.middles, self.halves))  # (d, M)
        reach = constant(self.growths, *asked) + (trajectory.layout.radius + buffer)  # (M,)
        flat = points.flatten(1)  # (d, S)
        with torch.no_grad():
            excess = (flat[:, None] - middles[..., None]).abs_() - halves[..., None]  # (d, M, S)
            square = excess.clamp_min_(0).square_().sum(0)
            shape, sample = (square < reach[:, None].square()).nonzero(as_tuple=True)  # (A,) each
        excess = (flat[:, sample] - middles[:, shape]).abs() - halves[:, shape]  # (d, A)
        square = excess.clamp_min(0).square().sum(0).clamp_min(torch.finfo(flat.dtype).tiny)
        distance = square.sqrt() + excess.amax(0).clamp_max(0)
        costs = torch.relu(reach[shape] - distance).square()
        return sum_by_row(costs, sample, points[0])
