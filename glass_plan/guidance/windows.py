"""How strong guidance is at a time: values called as ``scale(t)``, t = 0 noise and t = 1 data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from glass_plan.errors import KernelError


@dataclass(frozen=True)
class Constant:
    """The same at all times.

    Args:
        beta: finite, >= 0.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_beta("Constant", self.beta)

    def __call__(self, t: float) -> float:
        return self.beta


@dataclass(frozen=True)
class Window:
    """beta inside [t_min, t_max], else nothing; Holderrieth et al. (2025) guide in [0.2, 0.7].

    Args:
        t_min: in [0, t_max).
        t_max: up to 1.
        beta: finite, >= 0.
    """

    t_min: float
    t_max: float
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_beta("Window", self.beta)
        _check_times("Window", self.t_min, self.t_max)

    def __call__(self, t: float) -> float:
        return self.beta if self.t_min <= t <= self.t_max else 0.0


@dataclass(frozen=True)
class Ramp:
    """From 0 at t_min linearly to beta at t_max, and beta from there on.

    Args:
        t_min: in [0, t_max).
        t_max: up to 1.
        beta: finite, >= 0.
    """

    t_min: float
    t_max: float
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check_beta("Ramp", self.beta)
        _check_times("Ramp", self.t_min, self.t_max)

    def __call__(self, t: float) -> float:
        share = (t - self.t_min) / (self.t_max - self.t_min)
        return self.beta * min(max(share, 0.0), 1.0)


def _check_beta(name: str, beta: float) -> None:
    if not 0 <= beta < math.inf:
        raise KernelError(f"{name}: beta must be finite and >= 0, got {beta}")


def _check_times(name: str, t_min: float, t_max: float) -> None:
    if not 0 <= t_min < t_max <= 1:
        raise KernelError(f"{name}: needs 0 <= t_min < t_max <= 1, got {t_min} and {t_max}")
