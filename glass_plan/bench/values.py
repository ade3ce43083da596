"""What estimates of V_t(x) = log E[exp r(x_1) | x_t = x] are worth, on a trained prior.

Steering compares particles of one request. So for several held-out requests, each with a disc on
its demonstrated way, particles of the prior are noised to x_t, and the estimates are correlated
within each request with a reference of many posterior samples by many small SDE steps, from noises
that no estimate sees. Every method gives the particles of a request the same noises (as
``kernels.PosteriorMean`` does).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan import kernels
from glass_plan.constraints import Avoid, Ball
from glass_plan.planner import Planner
from glass_plan.prior import ConditionedPrior
from glass_plan.tables import Entry
from glass_plan.windows import Windows

TIMES = (0.1, 0.25, 0.5, 0.75)
ESTIMATES: dict[str, tuple[str, int, int]] = {
    "look-ahead": ("look-ahead", 1, 1),
    **{
        f"{method}, {count} samples x {steps}": (method, count, steps)
        for count, steps in ((8, 4), (16, 2))
        for method in ("glass", "sde")
    },
}
"""By name: method, posterior samples, and network calls of each."""
PARTICLES = 8
"""Of a request."""
RADIUS, LONGEST_DT = 0.2, 0.045
"""Radius of a disc [m]; a waypoint that holds the goal has a longer time step [s]."""
STEPS = 20
"""Of the ODE samples that are noised."""


@dataclass(frozen=True)
class ValueTest:
    """Noised particles of several requests with the values of their posteriors.

    Args:
        planner: of the model, whose sampling weighs the penalty.
        held_out: trips that the model was not trained on.
        requests: Q.
        reference: posterior samples and SDE steps.
        seed: of windows and noise.
    """

    planner: Planner
    held_out: Windows
    requests: int
    reference: tuple[int, int]
    seed: int

    def correlation(self, t: float, name: str) -> Entry:
        """Correlation of an estimate with the reference, request by request."""
        method, samples, steps = ESTIMATES[name]
        estimate = self._estimate(t, method, samples, steps, seed=self.seed + 1)
        reference = self._reference(t)
        error = (estimate - reference).square().mean().sqrt()
        return {
            "rows": 1 if method == "look-ahead" else samples * steps,
            "correlations": within(estimate.numpy(), reference.numpy()),
            "rms error": float(error),
        }

    @functools.cached_property
    def _reference(self) -> Callable[[float], Float[Tensor, "Q K"]]:
        """Of a time; the last one is kept, for the estimates of one time come together."""

        @functools.lru_cache(maxsize=1)
        def reference(t: float) -> Tensor:
            return self._estimate(t, "sde", *self.reference, seed=self.seed + 2)

        return reference

    def _estimate(
        self, t: float, method: str, samples: int, steps: int, *, seed: int
    ) -> Float[Tensor, "Q K"]:
        """Particle by particle from one seed: those of a request get the same noises."""
        asked = (t, method, samples, steps)
        found = [
            self._value(x_t, *asked, torch.Generator().manual_seed(seed)) for x_t in self._noised(t)
        ]
        return torch.stack(found, 1)

    def _value(
        self,
        x_t: Float[Tensor, "Q H D"],
        t: float,
        method: str,
        samples: int,
        steps: int,
        generator: torch.Generator,
    ) -> Float[Tensor, "Q"]:
        schedule, denoise = self.planner.prior.schedule, self._denoise
        if method == "look-ahead":
            return self._rewards(denoise(x_t, t))[0]
        if method == "glass":
            posterior = kernels.Posterior(denoise, schedule, steps)
            y_0 = kernels.noise(samples, x_t.shape, generator)
            x_1 = posterior.sample(x_t, t, denoise(x_t, t), y_0).flatten(0, 1)
        else:
            grid = np.linspace(t, 1.0, steps + 1).tolist()
            whole = x_t.repeat(samples, 1, 1)
            x_1 = kernels.run(kernels.Sde(denoise, schedule), grid, whole, generator).state.x
        return self._rewards(x_1).logsumexp(0) - math.log(samples)

    def _noised(self, t: float) -> Float[Tensor, "K Q H D"]:
        """Samples of the prior at time t, particle by particle."""
        prior, generator = self.planner.prior, torch.Generator().manual_seed(self.seed)
        count = PARTICLES * self.requests
        ode, grid = kernels.Ode(self._denoise, prior.schedule, "2m"), kernels.uniform_grid(STEPS)
        x_0 = kernels.noise(count, prior.shape, generator)
        x_1 = kernels.run(ode, grid, x_0, generator).state.x
        noise = kernels.noise(count, prior.shape, generator)
        x_t = prior.schedule.alpha(t) * x_1 + prior.schedule.sigma(t) * noise
        by_particle: Tensor = x_t.unflatten(0, (PARTICLES, self.requests))
        return by_particle

    @functools.cached_property
    def _windows(self) -> Float[Tensor, "Q H D"]:
        return self.held_out.sample(self.requests, torch.Generator().manual_seed(self.seed))

    @functools.cached_property
    def _denoise(self) -> ConditionedPrior:
        prior = self.planner.prior
        return ConditionedPrior(prior, prior.pinned_of(prior.normalizer.normalize(self._windows)))

    @functools.cached_property
    def _discs(self) -> list[Avoid]:
        """A disc for each request, in the middle of the window's way."""
        prior = self.planner.prior
        dt, place = (prior.layout.slice(name) for name in ("dt", "position"))
        moving = (self._windows[..., dt].squeeze(-1) < LONGEST_DT).sum(1).clamp_min(2)
        middle = self._windows[torch.arange(self.requests), moving // 2, place]
        return [Avoid(Ball(tuple(centre), RADIUS)) for centre in middle.tolist()]

    def _rewards(self, x_1: Float[Tensor, "N H D"]) -> Float[Tensor, "S Q"]:
        """Log-potentials of samples, each with its request's disc."""
        grouped, to_world = x_1.unflatten(0, (-1, self.requests)), self.planner.prior.to_world
        weight = self.planner.sampling.weight
        rewards = [disc.soft(weight)(to_world(grouped[:, q])) for q, disc in enumerate(self._discs)]
        return torch.stack(rewards, 1).double()


def within(a: Float[np.ndarray, "Q K"], b: Float[np.ndarray, "Q K"]) -> list[float | None]:
    """Pearson correlation of each row; None where a row is constant."""
    found = []
    for ours, theirs in zip(a, b, strict=True):
        constant = np.ptp(ours) == 0 or np.ptp(theirs) == 0
        found.append(None if constant else float(np.corrcoef(ours, theirs)[0, 1]))
    return found
