"""Denoising networks: x_1_hat = net(x_t, t, pinned). They know nothing of worlds or kernels."""

from __future__ import annotations

from torch import nn

from glass_plan.errors import CheckpointError, did_you_mean
from glass_plan.nets.mlp import TrajectoryMLP
from glass_plan.nets.unet import TemporalUNet

__all__ = ["TemporalUNet", "TrajectoryMLP", "build_net"]

NETS: dict[str, type[TrajectoryMLP] | type[TemporalUNet]] = {
    "mlp": TrajectoryMLP,
    "unet": TemporalUNet,
}


def build_net(
    name: str, *, horizon: int, dim: int, pinned_dim: int, width: int, depth: int
) -> nn.Module:
    """The network of a configuration.

    Raises:
        CheckpointError: unknown ``name``.
    """
    if name not in NETS:
        raise CheckpointError(f"net: unknown kind {name!r}{did_you_mean(name, NETS)}")
    return NETS[name](horizon=horizon, dim=dim, pinned_dim=pinned_dim, width=width, depth=depth)
