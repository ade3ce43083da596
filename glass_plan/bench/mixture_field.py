"""A small trained field of the planar task: what a network's error adds to a sampler's.

An MLP predicts E[x_1 | x_t] by flow matching on the linear path; trained once, kept as a file.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from glass_plan.bench.mixture_task import sample_data
from glass_plan.errors import DataError

WIDTH, DEPTH = 128, 3
SCALE = 8.0
"""Typical size of a coordinate of the data."""
BATCH, RATE, DECAY = 2048, 2e-3, 0.999
"""Samples a step, peak learning rate, decay of the weights' moving average."""
STEPS = 12_000


class Field(nn.Module):
    """E[x_1 | x_t] by an MLP; callable as a denoiser on (N, 2) of any float type."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (4, *[WIDTH] * DEPTH)
        layers = [(nn.Linear(a, b), nn.SiLU()) for a, b in itertools.pairwise(sizes)]
        self.net = nn.Sequential(*(part for pair in layers for part in pair), nn.Linear(WIDTH, 2))

    def forward(self, x: Float[Tensor, "N 2"], t: Float[Tensor, "N"]) -> Float[Tensor, "N 2"]:
        """What the network says, given one time per row."""
        # At small t the clusters are a fraction of a unit apart: x over t tells them apart there.
        shown = torch.stack([t, (1 - t).square()], 1)
        out: Tensor = SCALE * self.net(torch.cat([x / (1 + (SCALE - 1) * t[:, None]), shown], 1))
        return out

    def denoise(self, x: Float[Tensor, "N 2"], t: float) -> Float[Tensor, "N 2"]:
        """D_t(x); a graph is kept only for an x that asks for its gradient."""
        with torch.set_grad_enabled(x.requires_grad):
            out: Tensor = self(x.float(), x.new_full((len(x),), t).float())
        return out.to(x.dtype)


def train(seed: int, steps: int) -> Field:
    """A trained field; the same for the same seed and number of steps."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # nn.Linear's initialisation takes no generator
        field, averaged = Field(), Field()
    averaged.load_state_dict(field.state_dict())
    optimizer = torch.optim.Adam(field.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for step in range(steps):
        loss = _loss(field, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        keep = min(DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), field.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
    return averaged.requires_grad_(False)


def _loss(field: Field, generator: torch.Generator) -> Tensor:
    x_1 = sample_data(BATCH, generator).float()
    t = torch.rand(BATCH, generator=generator)
    noise = torch.randn(BATCH, 2, generator=generator)
    x_t = t[:, None] * x_1 + (1 - t[:, None]) * noise
    error: Tensor = field(x_t, t) - x_1
    return error.square().mean()


def trained_field(path: Path, *, steps: int = STEPS) -> Field:
    """The field kept at ``path``, trained and written there if there is none.

    Raises:
        DataError: the file is no field.
    """
    if not path.exists():
        field = train(0, steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".partial")
        save_file(field.state_dict(), unfinished)
        unfinished.replace(path)
        return field
    field = Field()
    try:
        field.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise DataError(f"{path}: no trained field ({error}); delete the file") from error
    return field.requires_grad_(False)
