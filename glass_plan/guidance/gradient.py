"""Gradient guidance: the end point moved up the reward's gradient.

The tilted denoiser is

    D^r = D + (sigma^2 / alpha) grad_x V_t(x).                                                  (1)

With V taken as r(D_t(x)) and C = (sigma^2 / alpha) dD/dx the covariance of p(x_1 | x_t) (Tweedie's
second moment),

    D^r ~ D + beta C grad r(D).                                                                 (2)

``through`` a network C comes from one backward pass (g_cov-G of Feng et al. 2025); otherwise C is
that of data of unit variance, sigma^2 / (alpha^2 + sigma^2), and nothing is asked of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.denoisers import Denoiser
from glass_plan.guidance.combine import Combiner, total
from glass_plan.kernels.value import Potential
from glass_plan.schedules import Linear, Schedule
from glass_plan.strengths import Constant

ALPHA_MIN = 1e-3
"""Below this signal D does not depend on x, and alpha in a denominator is held."""


@dataclass(frozen=True)
class GradientGuide:
    """Moves the end point up the gradients of rewards.

    Args:
        rewards: log-potentials of clean samples; their gradients are combined.
        schedule: of the model.
        scale: beta(t), e.g. a ``Window``.
        through: a differentiable D_t(x) for the gradient through the network (one more call with a
            backward pass); None leaves the network alone.
        combine: how gradients that may conflict become one direction.
    """

    rewards: Sequence[Potential]
    schedule: Schedule = Linear()
    scale: Callable[[float], float] = Constant(1.0)
    through: Denoiser | None = None
    combine: Combiner = total

    def __call__(
        self, x_t: Float[Tensor, "N ..."], t: float, x_1_hat: Float[Tensor, "N ..."]
    ) -> Float[Tensor, "N ..."]:
        beta = self.scale(t)
        if beta == 0:
            return x_1_hat
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        if self.through is None:
            gradients = _gradients(self.rewards, x_1_hat, lambda z: z)
            spread = sigma**2 / (alpha**2 + sigma**2)
        else:
            denoise = self.through
            gradients = _gradients(self.rewards, x_t, lambda x: denoise(x, t))
            spread = sigma**2 / max(alpha, ALPHA_MIN)
        return x_1_hat + beta * spread * self.combine(x_1_hat - x_t, gradients)


def _gradients(
    rewards: Sequence[Potential],
    x: Float[Tensor, "N ..."],
    end_point: Callable[[Tensor], Tensor],
) -> Float[Tensor, "K N ..."]:
    """Gradients of each reward of the end point with respect to x; zero where it has none."""
    with torch.enable_grad():
        variable = x.detach().requires_grad_()
        z = end_point(variable)
        found = [gradient(reward(z), variable, keep=True) for reward in rewards]
    return torch.stack(found)


def gradient(value: Tensor, variable: Tensor, *, keep: bool = False) -> Tensor:
    """Gradient of the sum of ``value``; zero where it does not depend on ``variable``.

    Args:
        value: of a graph in which ``variable`` may stand.
        variable: a leaf that asks for its gradient.
        keep: the graph, for another value.
    """
    if not value.requires_grad:
        return torch.zeros_like(variable)
    found: Tensor
    (found,) = torch.autograd.grad(value.sum(), variable, retain_graph=keep, materialize_grads=True)
    return found
