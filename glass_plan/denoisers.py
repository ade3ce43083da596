"""Any pretrained flow or diffusion model as a denoiser D_t(x) = E[x_1 | x_t = x].

A model may predict the velocity, the noise or the score; on a Gaussian path all are affine in the
denoiser. ``Counted`` counts the rows that a network is asked for, where it is asked. Time runs from
noise (t = 0) to data (t = 1); a model with another clock gets it from its caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from glass_plan.schedules import Linear, Schedule

Denoiser = Callable[[Tensor, float], Tensor]
"""D_t(x): a batch (N, ...) at one time t in [0, 1] -> the expected clean sample, same shape."""


@dataclass
class Count:
    """What the network was asked for: ``rows`` (a plan's NFE) in ``calls`` sequential calls."""

    rows: int = 0
    calls: int = 0


@dataclass(frozen=True)
class Counted:
    """A denoiser that counts.

    Args:
        denoise: D_t(x).
        count: what it was asked for so far.
    """

    denoise: Denoiser
    count: Count = field(default_factory=Count)

    def __call__(self, x_t: Float[Tensor, "N ..."], t: float) -> Float[Tensor, "N ..."]:
        self.count.rows += len(x_t)
        self.count.calls += 1
        return self.denoise(x_t, t)


@dataclass(frozen=True)
class FromVelocity:
    """The denoiser of a flow model, by (2) of ``schedules``.

    Args:
        velocity: u_t(x), the marginal velocity towards the data (Lipman et al. 2023).
        schedule: the path it was trained on.
    """

    velocity: Denoiser
    schedule: Schedule = Linear()

    def __call__(self, x_t: Float[Tensor, "N ..."], t: float) -> Float[Tensor, "N ..."]:
        return self.schedule.denoiser(self.velocity(x_t, t), x_t, t)


@dataclass(frozen=True)
class FromNoise:
    """The denoiser of a diffusion model that predicts the noise, by (4) of ``schedules``.

    Args:
        predict_noise: eps_t(x) (Ho et al. 2020).
        schedule: the path it was trained on; its alpha must not be 0 where it is asked.
    """

    predict_noise: Denoiser
    schedule: Schedule

    def __call__(self, x_t: Float[Tensor, "N ..."], t: float) -> Float[Tensor, "N ..."]:
        noise = self.predict_noise(x_t, t)
        return (x_t - self.schedule.sigma(t) * noise) / self.schedule.alpha(t)


@dataclass(frozen=True)
class FromScore:
    """The denoiser of a score model, by (3) of ``schedules`` (Tweedie).

    Args:
        score: grad log p_t(x) (Song et al. 2021).
        schedule: the path it was trained on; its alpha must not be 0 where it is asked.
    """

    score: Denoiser
    schedule: Schedule

    def __call__(self, x_t: Float[Tensor, "N ..."], t: float) -> Float[Tensor, "N ..."]:
        score = self.score(x_t, t)
        return (x_t + self.schedule.sigma(t) ** 2 * score) / self.schedule.alpha(t)
