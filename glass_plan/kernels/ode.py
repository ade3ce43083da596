"""The probability-flow ODE by steps that are exact while the denoiser is constant.

    d(x / sigma) = D d(snr),  snr = alpha / sigma                                               (1)
    x_t' = r x_t + (alpha_t' - r alpha_t) D,  r = sigma' / sigma                                (2)

Each solver says which D stands for the step:

    euler     D_t(x_t): DDIM (Song et al. 2021, eq. 12 with no noise), first order
    midpoint  D halfway in time, after an Euler step: second order, two calls
    heun      D + c (D_t' - D) with D_t' after an Euler step: second order, two calls
    2m        D + c (D - D_before): second order, one call

c makes a D that is linear in w = alpha / sqrt(alpha^2 + sigma^2) exact, as in ``inner`` (7):

    c = (wbar - w) / (w' - w) for heun,  (wbar - w) / (w - w_before) for 2m                     (3)

with wbar the mean of w over the step, by snr. To t' = 1 ``heun`` takes Euler's step: there D is the
sample itself and says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glass_plan.denoisers import Denoiser
from glass_plan.errors import KernelError, did_you_mean
from glass_plan.kernels.base import Info, State, is_guided, look_ahead
from glass_plan.kernels.inner import extrapolation
from glass_plan.schedules import Linear, Schedule

ODE_SOLVERS = ("euler", "midpoint", "heun", "2m")


@dataclass(frozen=True)
class OdeState(State):
    """Particles with what a multistep solver remembers.

    Args:
        before: (N, ...) look-ahead one step ago.
        t_before: its time.
    """

    before: Float[Tensor, "N ..."] | None = None
    t_before: float = 0.0

    def take(self, ancestors: Int[Tensor, "N"]) -> Self:
        taken = super().take(ancestors)
        return replace(taken, before=None if self.before is None else self.before[ancestors])


@dataclass(frozen=True)
class Ode:
    """Deterministic moves along the flow.

    Args:
        denoise: D_t(x).
        schedule: the path it was trained on.
        solver: of ``ODE_SOLVERS``.

    Raises:
        KernelError: an unknown solver.
    """

    denoise: Denoiser
    schedule: Schedule = Linear()
    solver: str = "euler"
    stochastic: bool = False
    weighted: bool = False

    def __post_init__(self) -> None:
        if self.solver not in ODE_SOLVERS:
            hint = did_you_mean(self.solver, ODE_SOLVERS)
            raise KernelError(f"Ode: unknown solver {self.solver!r}{hint}")

    @property
    def guided(self) -> bool:
        return is_guided(self.denoise)

    def init(self, x: Tensor, t: float) -> State:
        return look_ahead(self.denoise, x, t)

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        aim = self._aim(state, t, t_next)
        moved = look_ahead(self.denoise, self._move(state.x, aim, t, t_next), t_next)
        return OdeState(moved.x, moved.x_1_hat, before=state.x_1_hat, t_before=t), {}

    def _move(self, x: Tensor, x_1_hat: Tensor, t: float, t_next: float) -> Tensor:
        """The exact step for a constant denoiser."""
        r = self.schedule.sigma(t_next) / self.schedule.sigma(t)
        return r * x + (self.schedule.alpha(t_next) - r * self.schedule.alpha(t)) * x_1_hat

    def _aim(self, state: State, t: float, t_next: float) -> Tensor:
        """The D that stands for the whole step."""
        x_1_hat = state.x_1_hat
        if self.solver == "midpoint":
            middle = 0.5 * (t + t_next)
            return self.denoise(self._move(state.x, x_1_hat, t, middle), middle)
        if self.solver == "heun" and t_next < 1.0:
            end = self.denoise(self._move(state.x, x_1_hat, t, t_next), t_next)
            return x_1_hat + self._c(t_next, t, t_next) * (x_1_hat - end)
        if self.solver == "2m" and isinstance(state, OdeState) and state.before is not None:
            c = self._c(state.t_before, t, t_next)
            return x_1_hat + c * (x_1_hat - state.before)
        return x_1_hat

    def _c(self, t_other: float, t: float, t_next: float) -> float:
        """Weight of D - D_other, so that D linear in w stands for the step."""
        points = [(self.schedule.alpha(s), self.schedule.sigma(s)) for s in (t_other, t, t_next)]
        return extrapolation(points[0], points[1], points[2])
