"""Rewards: log-potentials over trajectories, log G(x), summed and scaled.

R(x) = sum_i w_i r_i(x); steering tilts the prior by exp(R). A part may have a schedule over flow
time t, R_t(x) = sum_i w_i schedule_i(t) r_i(x), and R = R_1 is the target. Knows trajectories, not
constraints: ``constraint.soft(...)`` makes a reward from a constraint, any callable makes one by
itself.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import RequestError
from glass_plan.layout import Trajectory

LogPotential = Callable[[Trajectory], Float[Tensor, "..."]]
"""Trajectory with x (..., H, D) to log-potential (...)."""


class Timed(ABC):
    """A log-potential that may change over flow time; a plain call means t = 1."""

    @abstractmethod
    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]: ...

    @abstractmethod
    def at(self, t: float) -> LogPotential:
        """The log-potential at flow time ``t``; equal to this one if nothing changes."""


@dataclass(frozen=True)
class Reward:
    """A log-potential, one number [nat] per trajectory.

    Args:
        fn: trajectory with x (..., H, D) to log-potential (...), differentiable in x; the same at
            all flow times unless it is ``Timed``.
        name: for reports.
    """

    fn: LogPotential
    name: str = "reward"

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        """Log-potential (...) of trajectories (..., H, D) at flow time 1: the target's."""
        return self.fn(trajectory)

    def at(self, t: float) -> Reward:
        """The reward at flow time ``t`` in [0, 1] (0 noise, 1 data); itself without schedules."""
        if not isinstance(self.fn, Timed):
            return self
        fn = self.fn.at(t)
        return self if fn == self.fn else replace(self, fn=fn)

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
class _Sum(Timed):
    """r_1 + r_2; a value, so that a summed reward pickles and compares."""

    left: Reward
    right: Reward

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        return self.left(trajectory) + self.right(trajectory)

    def at(self, t: float) -> _Sum:
        return _Sum(self.left.at(t), self.right.at(t))


@dataclass(frozen=True)
class _Scaled(Timed):
    """w r."""

    reward: Reward
    factor: float

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        return self.factor * self.reward(trajectory)

    def at(self, t: float) -> _Scaled:
        return _Scaled(self.reward.at(t), self.factor)
