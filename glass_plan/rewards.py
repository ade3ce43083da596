"""Rewards: log-potentials over trajectories, log G(x), summed and scaled.

R(x) = sum_i w_i r_i(x); steering tilts the prior by exp(R). Knows trajectories, not constraints:
``constraint.soft(...)`` makes a reward from a constraint, any callable makes one by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import RequestError
from glass_plan.layout import Trajectory


@dataclass(frozen=True)
class Reward:
    """A log-potential, one number [nat] per trajectory.

    Args:
        fn: trajectory with x (..., H, D) to log-potential (...), differentiable in x.
        name: for reports.
    """

    fn: Callable[[Trajectory], Float[Tensor, "..."]]
    name: str = "reward"

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        """Log-potential (...) of trajectories (..., H, D)."""
        return self.fn(trajectory)

    def __add__(self, other: Reward) -> Reward:
        if not isinstance(other, Reward):
            return NotImplemented
        return Reward(_Sum(self, other), f"{self.name} + {other.name}")

    def __mul__(self, factor: float) -> Reward:
        if not isinstance(factor, int | float):
            return NotImplemented
        if not math.isfinite(factor):
            raise RequestError(f"reward {self.name!r}: factor must be finite, got {factor}")
        return Reward(_Scaled(self, float(factor)), f"{factor:g} * ({self.name})")

    __rmul__ = __mul__


@dataclass(frozen=True)
class _Sum:
    """r_1 + r_2; a value, so that a summed reward pickles and compares."""

    left: Reward
    right: Reward

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        return self.left(trajectory) + self.right(trajectory)


@dataclass(frozen=True)
class _Scaled:
    """w r."""

    reward: Reward
    factor: float

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        return self.factor * self.reward(trajectory)
