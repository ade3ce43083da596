"""A residual MLP over the whole flattened trajectory.

A strided trajectory is a few hundred numbers: dense layers see all of it at once, cost one large
matrix product each, and at the small batches of a planner run several times faster on a CPU than
a convolutional net. Layer norm with conditional scale, shift and gate (adaLN, Peebles & Xie 2023).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glass_plan.nets.embedding import Conditioning

EMBEDDING = 128


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(EMBEDDING, 3 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        scale, shift, gate = self.modulation(embedding).chunk(3, dim=-1)
        change: Tensor = self.mlp(self.norm(h) * (1 + scale) + shift)
        out: Tensor = h + (1 + gate) * change
        return out


class TrajectoryMLP(nn.Module):
    """Predicts the clean trajectory from the noisy one.

    Args:
        horizon: H waypoints.
        dim: D numbers per waypoint.
        pinned_dim: P pinned values.
        width: of the residual stream.
        depth: residual blocks.
    """

    def __init__(self, *, horizon: int, dim: int, pinned_dim: int, width: int, depth: int) -> None:
        super().__init__()
        self.shape = (horizon, dim)
        self.conditioning = Conditioning(pinned_dim, EMBEDDING)
        self.inlet = nn.Linear(horizon * dim + EMBEDDING, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.outlet = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, horizon * dim))

    def forward(
        self, x_t: Float[Tensor, "N H D"], t: Float[Tensor, "N"], pinned: Float[Tensor, "N P"]
    ) -> Float[Tensor, "N H D"]:
        embedding = self.conditioning(t, pinned)
        h = self.inlet(torch.cat([x_t.flatten(1), embedding], dim=1))
        for block in self.blocks:
            h = block(h, embedding)
        out: Tensor = self.outlet(h)
        return out.view(-1, *self.shape)
