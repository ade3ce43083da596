"""The reverse SDE by Gaussian steps, as DDPM and DDIM take them.

    x_t' = gbar x_t + abar D_t(x_t) + sbar eps                                                  (1)

with gbar, abar, sbar as for a GLASS transition of correlation rho (``inner``): DDPM's rho by
default (Ho et al. 2020), any other is a DDIM step (Song et al. 2021, eq. 12). The spread of the
clean sample is left out: of fixed correlations only 1 (the ODE) nears the data with many steps,
DDPM's does too. A guide aims at D^r in D's place:

    log p / q = (|m|^2 - 2 <sbar eps + m, m>) / (2 sbar^2),  m = abar (D^r - D).                (2)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from glass_plan.denoisers import Denoiser
from glass_plan.errors import KernelError
from glass_plan.kernels.base import Info, State, is_guided, like_noise, look_ahead
from glass_plan.kernels.glass import Guide, ddpm_rho
from glass_plan.schedules import Linear, Schedule


@dataclass(frozen=True)
class Sde:
    """Gaussian steps of the reverse SDE; one network call each.

    Args:
        denoise: D_t(x).
        schedule: the path it was trained on.
        rho: noise correlation in [-1, 1]; None for DDPM's.
        guide: shifts the proposal; the state then carries its log-ratio.

    Raises:
        KernelError: ``rho`` out of range.
    """

    denoise: Denoiser
    schedule: Schedule = Linear()
    rho: float | None = None
    guide: Guide | None = None

    def __post_init__(self) -> None:
        if self.rho is not None and not -1 <= self.rho <= 1:
            raise KernelError(f"Sde: rho must be in [-1, 1] or None (DDPM), got {self.rho}")

    @property
    def stochastic(self) -> bool:
        return self.rho is None or abs(self.rho) < 1

    @property
    def guided(self) -> bool:
        return self.guide is not None or is_guided(self.denoise)

    @property
    def weighted(self) -> bool:
        return self.guide is not None and not is_guided(self.denoise)

    def init(self, x: Tensor, t: float) -> State:
        return look_ahead(self.denoise, x, t)

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        rho = ddpm_rho(self.schedule, t, t_next) if self.rho is None else self.rho
        gbar = rho * self.schedule.sigma(t_next) / self.schedule.sigma(t)
        abar = self.schedule.alpha(t_next) - gbar * self.schedule.alpha(t)
        sbar = self.schedule.sigma(t_next) * math.sqrt(1 - rho**2)
        noise, log_ratio = sbar * like_noise(state.x, generator), None
        if self.guide is not None:
            shift = abar * (self.guide(state.x, t, state.x_1_hat) - state.x_1_hat)
            if sbar == 0:  # a point: nothing is proposed, nothing shifts
                shift = torch.zeros_like(shift)
            noise = noise + shift
            product = (shift * (shift - 2 * noise)).flatten(1).sum(1, dtype=torch.float64)
            log_ratio = product / (2 * sbar**2) if sbar > 0 else torch.zeros_like(product)
        moved = look_ahead(self.denoise, gbar * state.x + abar * state.x_1_hat + noise, t_next)
        return State(moved.x, moved.x_1_hat, log_ratio), {}
