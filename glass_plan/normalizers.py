"""Per-channel normalisation between world units and the model's coordinates.

z = (f(x) - mean) / std with f = log for positive scale-like channels (a time step) and the
identity otherwise: invertible, differentiable, and saved with the model.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

MIN_STD = 1e-6
"""Smallest standard deviation a channel may have in the data."""


class Normalizer(nn.Module):
    """Affine map per column of the last axis, after a logarithm where asked.

    Args:
        mean: (D,).
        std: (D,).
        log: (D,) which columns are normalised in the log domain.
    """

    mean: Tensor
    std: Tensor
    log: Tensor

    def __init__(
        self, mean: Float[Tensor, "D"], std: Float[Tensor, "D"], log: Bool[Tensor, "D"]
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())
        self.register_buffer("log", log.bool())

    @classmethod
    def identity(cls, dim: int) -> Normalizer:
        """The map that changes nothing, to be overwritten by a state dict."""
        return cls(torch.zeros(dim), torch.ones(dim), torch.zeros(dim, dtype=torch.bool))

    @classmethod
    def fit(cls, x: Float[Tensor, "... D"], log: Bool[Tensor, "D"]) -> Normalizer:
        """Mean and standard deviation of samples (..., D)."""
        flat = torch.where(log, x.abs().clamp_min(MIN_STD).log(), x).flatten(0, -2)
        return cls(flat.mean(0), flat.std(0).clamp_min(MIN_STD), log)

    def normalize(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """World units to model coordinates."""
        logged = torch.where(self.log, x.abs().clamp_min(MIN_STD), 1.0).log()
        return (torch.where(self.log, logged, x) - self.mean) / self.std

    def denormalize(self, z: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Model coordinates to world units."""
        x = z * self.std + self.mean
        return torch.where(self.log, torch.where(self.log, x, 0.0).exp(), x)
