"""How far samples are from exact ones: kernel and transport distances, with their floors."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

DIRECTIONS = 256
"""Random projections of the sliced distance."""


@dataclass(frozen=True)
class Mmd:
    """Squared maximum mean discrepancy to exact samples (Gretton et al. 2012, V-statistic).

    The kernel is Gaussian. The V-statistic of n exact against n exact samples is about
    2 / n (1 - E k), not 0: the floor.

    Args:
        sets: of exact samples; the mean over them is given.
        width: of the kernel.
    """

    sets: tuple[Float[Tensor, "M D"], ...]
    width: float

    @classmethod
    def of(cls, *sets: Float[Tensor, "M D"]) -> Mmd:
        """With the median distance of 2000 exact samples as width."""
        return cls(sets, float(torch.pdist(sets[0][:2000]).median()))

    def __call__(self, x: Float[Tensor, "N D"]) -> float:
        across = sum(self._mean(x, exact) for exact in self.sets) / len(self.sets)
        return self._mean(x, x) + self._own - 2 * across

    @functools.cached_property
    def _own(self) -> float:
        return sum(self._mean(exact, exact) for exact in self.sets) / len(self.sets)

    def _mean(self, a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> float:
        """Mean kernel value, in blocks that stay in the cache; sums in float64."""
        middle = self.sets[0].mean(0)
        a, b = ((v - middle).float() / self.width for v in (a, b))
        squares, total = 0.5 * b.square().sum(1), 0.0
        for block in a.split(200):
            log_k = block @ b.T - squares - 0.5 * block.square().sum(1, keepdim=True)
            total += float(log_k.exp_().sum(dtype=torch.float64))
        return total / (len(a) * len(b))


@dataclass(frozen=True)
class SlicedWasserstein:
    """Root mean square transport distance over random directions (Bonneel et al. 2015).

    Args:
        exact: (M, D) samples.
        directions: (D, K) unit vectors.
    """

    exact: Float[Tensor, "M D"]
    directions: Float[Tensor, "D K"]

    @classmethod
    def of(cls, exact: Float[Tensor, "M D"], seed: int = 0) -> SlicedWasserstein:
        """With ``DIRECTIONS`` directions of a seed."""
        drawn = torch.randn(
            exact.shape[1], DIRECTIONS, generator=torch.Generator().manual_seed(seed)
        )
        return cls(exact, (drawn / drawn.norm(dim=0)).to(exact))

    def __call__(self, x: Float[Tensor, "M D"]) -> float:
        """Of as many samples as there are exact ones."""
        ours, theirs = ((v @ self.directions).sort(dim=0).values for v in (x, self.exact))
        return float((ours - theirs).square().mean().sqrt())
