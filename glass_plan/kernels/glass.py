"""GLASS transitions: a flow inside the flow (Holderrieth et al. 2025, arXiv 2509.25170).

A stochastic transition x_t -> x_t' with noise correlation rho keeps the marginals; it is sampled by
an ODE over the *pretrained* denoiser. Scalar form, with y_s = xbar_s - gbar x_t:

    gbar = rho sigma' / sigma,  abar = alpha' - gbar alpha,  sbar^2 = sigma'^2 (1 - rho^2)
    Lambda = (alpha / sigma)^2 + (abar_s / sbar_s)^2
    network input  alpha_t* [ (alpha / sigma^2) x_t + (abar_s / sbar_s^2) y_s ] / Lambda, at t*
    exact-in-D step  y_s' = r y_s + (abar_s' - r abar_s) D,  r = sbar_s' / sbar_s
    x_t' = y_1 + gbar x_t

with abar_s = s abar, sbar_s = (1 - s) + s sbar. At s = 0 the network input is x_t itself at time t,
so a transition of M inner steps costs M network calls, the denoised look-ahead included.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from glass_plan.errors import KernelError
from glass_plan.kernels.base import Info, State, is_guided, like_noise, look_ahead
from glass_plan.prior import Denoiser
from glass_plan.schedules import Linear, Schedule


@dataclass(frozen=True)
class InnerStep:
    """One inner step: input = from_x x_t + from_y y at time t_star, then y <- r y + gain D."""

    t_star: float
    from_x: float
    from_y: float
    r: float
    gain: float


@dataclass(frozen=True)
class Table:
    """All scalars of a transition, computed once in float64."""

    gbar: float
    steps: tuple[InnerStep, ...]


@functools.lru_cache(maxsize=4096)
def transition_table(
    schedule: Schedule, t: float, t_next: float, rho: float | None, inner_steps: int
) -> Table:
    """Scalars of the transition t -> t_next.

    Args:
        schedule: of the model.
        t: in [0, 1).
        t_next: in (t, 1].
        rho: correlation of the noise before and after, in [-1, 1]; None for DDPM's
            alpha_t sigma_t' / (sigma_t alpha_t').
        inner_steps: M.
    """
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    alpha_next, sigma_next = schedule.alpha(t_next), schedule.sigma(t_next)
    if rho is None:
        rho = alpha * sigma_next / (sigma * alpha_next)
    gbar = rho * sigma_next / sigma
    abar = alpha_next - gbar * alpha
    sbar = sigma_next * math.sqrt(1 - rho**2)
    snr_x = alpha / sigma
    steps = []
    for k in range(inner_steps):
        s, s_next = k / inner_steps, (k + 1) / inner_steps
        a, a_next = s * abar, s_next * abar
        b, b_next = (1 - s) + s * sbar, (1 - s_next) + s_next * sbar
        if k == 0:  # no signal in y yet: the network sees x_t at t
            t_star, from_x, from_y = t, 1.0, 0.0
        else:
            precision = snr_x**2 + (a / b) ** 2
            t_star = schedule.t_of_snr(math.sqrt(precision))
            scale = schedule.alpha(t_star) / precision
            from_x, from_y = scale * alpha / sigma**2, scale * a / b**2
        r = b_next / b
        steps.append(InnerStep(t_star, from_x, from_y, r, a_next - r * a))
    return Table(gbar, tuple(steps))


@dataclass(frozen=True)
class Glass:
    """Stochastic transitions at the price of ODE steps.

    Args:
        denoise: D_t(x).
        schedule: the path it was trained on.
        inner_steps: M network calls per transition.
        rho: noise correlation in [-1, 1] of every transition; None for DDPM's.

    Raises:
        KernelError: ``rho`` or ``inner_steps`` out of range.
    """

    denoise: Denoiser
    schedule: Schedule = Linear()
    inner_steps: int = 2
    rho: float | None = None
    stochastic: bool = True

    def __post_init__(self) -> None:
        if self.inner_steps < 1:
            raise KernelError(f"Glass: inner_steps must be at least 1, got {self.inner_steps}")
        if self.rho is not None and not -1 <= self.rho <= 1:
            raise KernelError(f"Glass: rho must be in [-1, 1] or None (DDPM), got {self.rho}")

    @property
    def guided(self) -> bool:
        return is_guided(self.denoise)

    def init(self, x: Tensor, t: float) -> State:
        return look_ahead(self.denoise, x, t)

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        table = transition_table(self.schedule, t, t_next, self.rho, self.inner_steps)
        y = like_noise(state.x, generator)
        for k, inner in enumerate(table.steps):
            x_1_hat = (
                state.x_1_hat
                if k == 0
                else self.denoise(inner.from_x * state.x + inner.from_y * y, inner.t_star)
            )
            y = inner.r * y + inner.gain * x_1_hat
        return look_ahead(self.denoise, y + table.gbar * state.x, t_next), {}
