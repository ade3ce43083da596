"""What every denoising network is told besides x_t: the time and the pinned entries."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

TIME_FREQUENCIES = 16
POSITION_OCTAVES = 5
"""Sines of the pinned values at 1, 2, 4 ... times pi / 2 per standard deviation."""


class Conditioning(nn.Module):
    """Embeds t in [0, 1] and the pinned values (start, goal) into one vector.

    Args:
        pinned_dim: P, number of pinned values (normalised).
        dim: E, size of the embedding.
    """

    time_frequency: Tensor
    position_frequency: Tensor

    def __init__(self, pinned_dim: int, dim: int) -> None:
        super().__init__()
        features = 2 * TIME_FREQUENCIES + 1 + pinned_dim * (1 + 2 * POSITION_OCTAVES)
        self.mlp = nn.Sequential(
            nn.Linear(features, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, dim), nn.SiLU()
        )
        self.register_buffer(
            "time_frequency", torch.linspace(0.0, math.log(64.0), TIME_FREQUENCIES).exp()
        )
        octaves = 2.0 ** torch.arange(POSITION_OCTAVES) * math.pi / 2
        self.register_buffer("position_frequency", octaves)

    def forward(self, t: Float[Tensor, "N"], pinned: Float[Tensor, "N P"]) -> Float[Tensor, "N E"]:
        phase_t = t[:, None] * self.time_frequency
        phase_p = (pinned[:, :, None] * self.position_frequency).flatten(1)
        waves = [phase_t.sin(), phase_t.cos(), phase_p.sin(), phase_p.cos()]
        embedding: Tensor = self.mlp(torch.cat([t[:, None], pinned, *waves], dim=1))
        return embedding
