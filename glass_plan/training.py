"""Flow-matching training of a trajectory prior, resumable to the bit.

Loss: |D_theta(x_t, t) - x_1|^2 / max(1 - t, t_floor)^2 with x_t = t x_1 + (1 - t) x_0, which is the
conditional flow-matching loss |u_theta - (x_1 - x_0)|^2 (Lipman et al. 2023) of a network that
predicts the clean sample (Li & He 2025); pinned entries are given, and carry no loss.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from glass_plan.checkpoint import PriorConfig, build_prior
from glass_plan.errors import CheckpointError
from glass_plan.normalizers import Normalizer
from glass_plan.prior import FlowPrior
from glass_plan.windows import Windows

VELOCITY_FLOOR = 0.2
"""Smallest 1 - t in the loss weight."""
CHANNEL_WEIGHT = {
    "position": 1.0,
    "velocity": 0.1,
    "action": 0.02,
    "joints": 1.0,
    "gripper": 0.5,
    "object": 0.5,
    "dt": 0.1,
}
"""The way matters most: speeds and actions are made consistent with it after sampling."""
FIT_WINDOWS = 20_000


@dataclass(frozen=True)
class TrainConfig:
    """How a prior is trained.

    Args:
        steps: optimiser steps of the whole run (the learning rate falls to zero over them).
        batch: windows per step.
        learning_rate: peak, after a linear warm-up.
        warmup: steps.
        weight_decay: AdamW's.
        ema: decay of the averaged weights, which are the ones that ship.
        clip: largest gradient norm.
        seed: of weights, windows and noise.
        save_every: steps between saves of the exact state.
        log_every: steps between scalars.
    """

    steps: int = 20_000
    batch: int = 256
    learning_rate: float = 1.5e-3
    warmup: int = 300
    weight_decay: float = 1e-4
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    save_every: int = 1000
    log_every: int = 100


class Trainer:
    """One training run: model, averaged model, optimiser, scheduler and random state.

    Args:
        prior_config: what to build.
        windows: training data.
        config: how to train.
        device: where the model is; windows and noise are drawn on the CPU, alike everywhere.
    """

    def __init__(
        self,
        prior_config: PriorConfig,
        windows: Windows,
        config: TrainConfig,
        *,
        device: str | torch.device = "cpu",
    ) -> None:
        self.config, self.windows, self.device = config, windows, torch.device(device)
        self.generator = torch.Generator().manual_seed(config.seed)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.prior = build_prior(prior_config)
        self.prior.normalizer = fit_normalizer(windows, self.generator)
        self.prior.to(self.device)
        self.averaged = copy.deepcopy(self.prior).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            self.prior.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.step = 0

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.config.warmup)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.config.steps)))

    def train_step(self) -> float:
        """One optimiser step; returns the loss."""
        x_1 = self.prior.normalizer.normalize(
            self.windows.sample(self.config.batch, self.generator).to(self.device)
        )
        loss = flow_matching_loss(self.prior, x_1, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.prior.parameters(), self.config.clip)
        self.optimizer.step()
        self.scheduler.step()
        self.step += 1
        decay = min(self.config.ema, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.averaged.parameters()), list(self.prior.parameters()), 1 - decay
            )
        return loss.item()

    def state_dict(self) -> dict[str, object]:
        """All that the next step depends on."""
        return {
            "step": self.step,
            "prior": self.prior.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "generator": self.generator.get_state(),
        }

    def save(self, path: Path) -> None:
        """Write the exact state; a killed write leaves the old file whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(self.state_dict(), partial)
        os.replace(partial, path)

    def load(self, path: Path) -> None:
        """Take up a saved run.

        Raises:
            CheckpointError: the state does not fit this model.
        """
        state = torch.load(path, weights_only=True, map_location=self.device)
        try:
            self.prior.load_state_dict(state["prior"])
            self.averaged.load_state_dict(state["averaged"])
        except RuntimeError as error:
            raise CheckpointError(f"train: {path} is of another model: {error}") from error
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.generator.set_state(state["generator"].cpu())
        self.step = state["step"]


def fit_normalizer(windows: Windows, generator: torch.Generator) -> Normalizer:
    """Statistics of a sample of windows; the time step is normalised in the log domain."""
    layout = windows.layout
    log = torch.zeros(layout.dim, dtype=torch.bool)
    log[layout.slice("dt")] = True
    return Normalizer.fit(windows.sample(FIT_WINDOWS, generator), log)


def flow_matching_loss(
    prior: FlowPrior, x_1: Float[Tensor, "B H D"], generator: torch.Generator
) -> Float[Tensor, ""]:
    """Mean weighted squared error of the denoiser at random times (linear path)."""
    x_0 = torch.randn(x_1.shape, generator=generator).to(x_1)
    t = torch.sigmoid(torch.randn(len(x_1), generator=generator)).to(x_1)
    x_t = torch.lerp(x_0, x_1, t[:, None, None])
    error = (prior.denoise(x_t, t, prior.pinned_of(x_1)) - x_1).square()
    columns = [CHANNEL_WEIGHT[c.name] for c in prior.layout.channels for _ in range(c.size)]
    weight = 1 / (1 - t).clamp_min(VELOCITY_FLOOR).square()
    return (error * error.new_tensor(columns) * weight[:, None, None]).mean()


def train(
    trainer: Trainer,
    folder: Path,
    *,
    on_step: Callable[[int, float], None] | None = None,
    stop_at: int | None = None,
) -> Iterator[int]:
    """Run or resume to the end; yields the step after every save.

    Args:
        trainer: the run.
        folder: of the exact state (``state.pt``) and the TensorBoard scalars.
        on_step: progress callback (step, loss).
        stop_at: last step of this call; the whole run by default.
    """
    state, config = folder / "state.pt", trainer.config
    if state.is_file():
        trainer.load(state)
    last = config.steps if stop_at is None else stop_at
    began = time.perf_counter()
    with SummaryWriter(str(folder), purge_step=trainer.step) as writer:
        while trainer.step < last:
            loss = trainer.train_step()
            if on_step is not None:
                on_step(trainer.step, loss)
            if trainer.step % config.log_every == 0:
                writer.add_scalar("loss", loss, trainer.step)
                writer.add_scalar("learning_rate", trainer.scheduler.get_last_lr()[0], trainer.step)
                writer.add_scalar("wall_time", time.perf_counter() - began, trainer.step)
            if trainer.step % config.save_every == 0 or trainer.step == last:
                trainer.save(state)
                yield trainer.step
