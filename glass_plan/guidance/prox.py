"""The prox in the denoiser's place: a nearby end point with more reward, all constraints at once.

    D^r = argmax_z beta r(z) - |z - D|^2 / (2 C),  C = sigma^2 / (alpha^2 + sigma^2)            (4)

by K steps of gradient ascent on r, each followed by the exact prox of the quadratic. With m = z - D
and h = ``step_size``,

    m <- (m + h C beta grad r(D + m)) / (1 + h).                                                (5)

It is the mode of the tilted posterior N(D, C I), and its mean where r is at most quadratic. With
``subspace`` the displacement stays among smooth ones (raw waypoints become jagged and jump through
walls).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import KernelError
from glass_plan.guidance.gradient import gradient
from glass_plan.kernels.value import Potential
from glass_plan.schedules import Linear, Schedule
from glass_plan.strengths import Constant


@dataclass(frozen=True)
class ProxGuide:
    """Replaces the end point by its prox under the reward.

    Args:
        reward: log-potential of clean samples, differentiable.
        schedule: of the model.
        scale: beta(t).
        steps: K of the ascent; no network call.
        step_size: h of the ascent, as a share of C; stable while h (beta C |r''| - 1) < 2.
        subspace: (H, H) orthogonal projector on the second to last axis; None for all of space.

    Raises:
        KernelError: no steps, or a step size that is not positive.
    """

    reward: Potential
    schedule: Schedule = Linear()
    scale: Callable[[float], float] = Constant(1.0)
    steps: int = 10
    step_size: float = 0.5
    subspace: Float[Tensor, "H H"] | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.step_size > 0:
            got = f"steps {self.steps}, step_size {self.step_size}"
            raise KernelError(f"ProxGuide: steps and step_size must be positive, got {got}")

    def __call__(
        self, x_t: Float[Tensor, "N ..."], t: float, x_1_hat: Float[Tensor, "N ..."]
    ) -> Float[Tensor, "N ..."]:
        beta = self.scale(t)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        spread = sigma**2 / (alpha**2 + sigma**2)
        moved = torch.zeros_like(x_1_hat)
        if beta == 0 or spread == 0:
            return x_1_hat
        for _ in range(self.steps):
            uphill = self._gradient(x_1_hat + moved)
            moved = (moved + self.step_size * spread * beta * uphill) / (1 + self.step_size)
        return x_1_hat + moved

    def _gradient(self, z: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
        with torch.enable_grad():
            variable = z.detach().requires_grad_()
            uphill = gradient(self.reward(variable), variable)
        return uphill if self.subspace is None else self.subspace.to(uphill) @ uphill


def sine_subspace(horizon: int, modes: int) -> Float[Tensor, "H H"]:
    """Projector on the first sine modes of the horizon: smooth, and zero at both ends.

    Args:
        horizon: H waypoints.
        modes: of them, below H - 1.

    Raises:
        KernelError: more modes than there are.
    """
    if not 0 < modes <= horizon - 2:
        raise KernelError(f"sine_subspace: modes must be in 1..{horizon - 2}, got {modes}")
    place = torch.arange(horizon, dtype=torch.float64) / (horizon - 1)
    waves = torch.sin(torch.pi * place[:, None] * torch.arange(1, modes + 1))
    basis = waves * (2 / (horizon - 1)) ** 0.5  # orthonormal columns
    projector: Tensor = basis @ basis.T
    return projector
