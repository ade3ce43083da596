"""The probability-flow ODE: x_t' = r x_t + (alpha_t' - r alpha_t) D_t(x_t), r = sigma_t' / sigma_t.

Exact where D is constant over the step (DDIM, Song et al. 2021); first order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from glass_plan.kernels.base import Info, State, is_guided, look_ahead
from glass_plan.prior import Denoiser
from glass_plan.schedules import Linear, Schedule


@dataclass(frozen=True)
class Ode:
    """Deterministic moves along the flow.

    Args:
        denoise: D_t(x).
        schedule: the path it was trained on.
    """

    denoise: Denoiser
    schedule: Schedule = Linear()
    stochastic: bool = False

    @property
    def guided(self) -> bool:
        return is_guided(self.denoise)

    def init(self, x: Tensor, t: float) -> State:
        return look_ahead(self.denoise, x, t)

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        ratio = self.schedule.sigma(t_next) / self.schedule.sigma(t)
        gain = self.schedule.alpha(t_next) - ratio * self.schedule.alpha(t)
        return look_ahead(self.denoise, ratio * state.x + gain * state.x_1_hat, t_next), {}
