"""Diffuser's temporal U-Net: convolutions along the horizon (Janner et al. 2022)."""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glass_plan.nets.embedding import Conditioning

EMBEDDING = 128
KERNEL, GROUPS = 5, 8


class _Residual(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        pad = KERNEL // 2
        self.first = nn.Sequential(
            nn.Conv1d(inside, outside, KERNEL, padding=pad),
            nn.GroupNorm(GROUPS, outside),
            nn.SiLU(),
        )
        self.second = nn.Sequential(
            nn.Conv1d(outside, outside, KERNEL, padding=pad),
            nn.GroupNorm(GROUPS, outside),
            nn.SiLU(),
        )
        self.film = nn.Linear(EMBEDDING, outside)
        self.skip = nn.Conv1d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        out: Tensor = self.second(self.first(h) + self.film(embedding)[:, :, None]) + self.skip(h)
        return out


class TemporalUNet(nn.Module):
    """Predicts the clean trajectory from the noisy one.

    Args:
        horizon: H waypoints; a multiple of ``2 ** (depth - 1)``.
        dim: D numbers per waypoint.
        pinned_dim: P pinned values.
        width: channels of the finest level, doubled at each coarser one.
        depth: levels.
    """

    def __init__(self, *, horizon: int, dim: int, pinned_dim: int, width: int, depth: int) -> None:
        super().__init__()
        if horizon % 2 ** (depth - 1):
            raise ValueError(
                f"TemporalUNet: horizon {horizon} is no multiple of {2 ** (depth - 1)}"
            )
        widths = [width * 2**level for level in range(depth)]
        self.conditioning = Conditioning(pinned_dim, EMBEDDING)
        self.inlet = nn.Conv1d(dim, width, 1)
        self.down = nn.ModuleList(
            nn.ModuleList([_Residual(a, b), _Residual(b, b)])
            for a, b in itertools.pairwise([width, *widths])
        )
        self.shrink = nn.ModuleList(nn.Conv1d(w, w, 3, 2, 1) for w in widths[:-1])
        self.middle = nn.ModuleList([_Residual(widths[-1], widths[-1]) for _ in range(2)])
        self.grow = nn.ModuleList(
            nn.ConvTranspose1d(b, a, 4, 2, 1) for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ModuleList([_Residual(2 * w, w), _Residual(w, w)]) for w in widths[:-1]
        )
        self.outlet = nn.Sequential(_outlet_norm(width), nn.Conv1d(width, dim, 1))

    def forward(
        self, x_t: Float[Tensor, "N H D"], t: Float[Tensor, "N"], pinned: Float[Tensor, "N P"]
    ) -> Float[Tensor, "N H D"]:
        embedding = self.conditioning(t, pinned)
        h = self.inlet(x_t.transpose(1, 2))  # (N, W, H)
        skips = []
        for level, pair in enumerate(self.down):
            h = pair[1](pair[0](h, embedding), embedding)  # type: ignore[index]
            if level < len(self.shrink):
                skips.append(h)
                h = self.shrink[level](h)
        for block in self.middle:
            h = block(h, embedding)
        for level in reversed(range(len(self.up))):
            pair = self.up[level]
            h = torch.cat([self.grow[level](h), skips[level]], dim=1)
            h = pair[1](pair[0](h, embedding), embedding)  # type: ignore[index]
        out: Tensor = self.outlet(h)
        return out.transpose(1, 2)


def _outlet_norm(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2), nn.GroupNorm(GROUPS, width), nn.SiLU()
    )
