"""GLASS transitions: stochastic moves at the price of ODE steps (Holderrieth et al. 2025).

The equations are in ``inner``. A guide may shift the noise that the inner flow starts from: the
flow itself stays the model's, so the proposal's density is known exactly. With the shift
m = abar (D^r - D), where D^r is the guided and D the model's end point,

    log p / q = (|m|^2 - 2 <y_0, m>) / (2 b_0^2).                                             (8)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.denoisers import Denoiser
from glass_plan.errors import KernelError
from glass_plan.kernels.base import Info, State, is_guided, like_noise, look_ahead
from glass_plan.kernels.inner import (
    Table,
    check_inner,
    early_stop_table,
    integrate,
    transition_table,
)
from glass_plan.schedules import Linear, Schedule

Guide = Callable[[Tensor, float, Tensor], Tensor]
"""(x_t, t, D_t(x_t)) -> the end point to aim at instead."""
Rho = float | Callable[[float], float] | None
"""Noise correlation: a number, a function of DDPM's one, or None for DDPM's."""


def ddpm_rho(schedule: Schedule, t: float, t_next: float) -> float:
    """rho of the reverse SDE's transition: alpha_t sigma_t' / (sigma_t alpha_t')."""
    ratio = schedule.alpha(t) * schedule.sigma(t_next)
    return ratio / (schedule.sigma(t) * schedule.alpha(t_next))


@dataclass(frozen=True)
class DdpmPower:
    """rho = (DDPM's rho) ** power: between independent noise (large) and frozen noise (0).

    Args:
        power: > 0.
    """

    power: float

    def __call__(self, rho: float) -> float:
        return float(rho**self.power)


@dataclass(frozen=True)
class Glass:
    """Stochastic transitions at the price of ODE steps.

    Args:
        denoise: D_t(x).
        schedule: the path it was trained on.
        inner_steps: M network calls per transition.
        rho: noise correlation in [-1, 1] of every transition; None for DDPM's, or a function of
            DDPM's (``DdpmPower``).
        solver: of the inner flow, ``"2m"`` or ``"euler"``.
        early_stop: go along the posterior flow and stop (DDPM's transition only).
        guide: shifts the proposal; the state then carries its log-ratio.

    Raises:
        KernelError: a setting out of range.
    """

    denoise: Denoiser
    schedule: Schedule = Linear()
    inner_steps: int = 2
    rho: Rho = None
    solver: str = "2m"
    early_stop: bool = False
    guide: Guide | None = None

    def __post_init__(self) -> None:
        check_inner("Glass", self.inner_steps, self.solver)
        if isinstance(self.rho, int | float) and not -1 <= self.rho <= 1:
            raise KernelError(f"Glass: rho must be in [-1, 1] or None (DDPM), got {self.rho}")
        if self.early_stop and self.rho is not None:
            raise KernelError(
                f"Glass: early_stop makes DDPM's transition; leave rho None, got {self.rho}"
            )

    @property
    def stochastic(self) -> bool:
        frozen = isinstance(self.rho, int | float) and abs(self.rho) == 1
        return self.inner_steps > 1 or not frozen

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
        table = self._table(t, t_next)
        y_0 = table.b_0 * like_noise(state.x, generator)
        log_ratio = None
        if self.guide is not None:
            y_0, log_ratio = _shifted(y_0, self.guide(state.x, t, state.x_1_hat), state, table)
        x = integrate(self.denoise, table, state.x, state.x_1_hat, y_0)
        moved = look_ahead(self.denoise, x, t_next)
        return State(moved.x, moved.x_1_hat, log_ratio), {}

    def _table(self, t: float, t_next: float) -> Table:
        if self.early_stop:
            return early_stop_table(self.schedule, t, t_next, self.inner_steps, self.solver)
        ddpm = ddpm_rho(self.schedule, t, t_next)
        rho = ddpm if self.rho is None else self.rho
        rho = rho(ddpm) if callable(rho) else rho
        return transition_table(self.schedule, t, t_next, rho, self.inner_steps, self.solver)


def _shifted(
    y_0: Float[Tensor, "N ..."], aim: Float[Tensor, "N ..."], state: State, table: Table
) -> tuple[Float[Tensor, "N ..."], Float[Tensor, "N"]]:
    """Noise shifted towards the aim, and its log-ratio (8)."""
    if table.is_deterministic:
        return y_0, y_0.new_zeros(len(y_0), dtype=torch.float64)
    shift = table.abar * (aim - state.x_1_hat)
    y_0 = y_0 + shift
    product = (shift * (shift - 2 * y_0)).flatten(1).sum(1, dtype=torch.float64)
    return y_0, product / (2 * table.b_0**2)


@dataclass(frozen=True)
class Posterior:
    """Samples of p(x_1 | x_t): the GLASS transition to t' = 1.

    Args:
        denoise: D_t(x).
        schedule: the path it was trained on.
        inner_steps: M network calls per sample, one of which all samples of a particle share.
        solver: of the inner flow.
    """

    denoise: Denoiser
    schedule: Schedule = Linear()
    inner_steps: int = 4
    solver: str = "2m"

    def __post_init__(self) -> None:
        check_inner("Posterior", self.inner_steps, self.solver)

    def sample(
        self,
        x_t: Float[Tensor, "N ..."],
        t: float,
        x_1_hat: Float[Tensor, "N ..."],
        y_0: Float[Tensor, "K N ..."],
    ) -> Float[Tensor, "K N ..."]:
        """K samples for each particle, all in one batch.

        Args:
            x_t: particles at time t < 1.
            t: their time.
            x_1_hat: their D_t(x_t).
            y_0: standard normal noise; what is drawn is a function of it.
        """
        table = transition_table(self.schedule, t, 1.0, 0.0, self.inner_steps, self.solver)
        rows = y_0.flatten(0, 1)
        whole = torch.broadcast_to(x_t, y_0.shape).reshape(rows.shape)
        ahead = torch.broadcast_to(x_1_hat, y_0.shape).reshape(rows.shape)
        return integrate(self.denoise, table, whole, ahead, table.b_0 * rows).reshape(y_0.shape)
