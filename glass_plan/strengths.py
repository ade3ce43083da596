"""How strong something is over flow time: values called as ``schedule(t)``, t = 0 noise, 1 data.

Guides and the soft parts of a specification take them. Knows neither; nothing here is about plan
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glass_plan.errors import SpecError

MAX_BETA = 1e9
"""Largest strength: its square still fits float32."""


@dataclass(frozen=True)
class Constant:
    """The same at all times.

    Args:
        beta: from 0 to ``MAX_BETA``.

    Raises:
        SpecError: out of range.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "beta")

    def __call__(self, t: float) -> float:
        return self.beta


@dataclass(frozen=True)
class Window:
    """beta inside [t_min, t_max], else nothing; Holderrieth et al. (2025) guide in [0.2, 0.7].

    Args:
        t_min: in [0, t_max).
        t_max: up to 1.
        beta: from 0 to ``MAX_BETA``.

    Raises:
        SpecError: out of range.
    """

    t_min: float
    t_max: float
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "t_min", "t_max", "beta")
        _check_times(self)

    def __call__(self, t: float) -> float:
        return self.beta if self.t_min <= t <= self.t_max else 0.0


@dataclass(frozen=True)
class Ramp:
    """From 0 at t_min linearly to beta at t_max, and beta from there on.

    Args:
        t_min: in [0, t_max).
        t_max: up to 1.
        beta: from 0 to ``MAX_BETA``.

    Raises:
        SpecError: out of range.
    """

    t_min: float
    t_max: float
    beta: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "t_min", "t_max", "beta")
        _check_times(self)

    def __call__(self, t: float) -> float:
        share = (t - self.t_min) / (self.t_max - self.t_min)
        return self.beta * min(max(share, 0.0), 1.0)


Strength = Constant | Window | Ramp
"""All there are, so that a specification can be written down."""


def _check(value: Strength, *names: str) -> None:
    """Make the fields floats, or raise a SpecError."""
    for name in names:
        got: Any = getattr(value, name)
        real = isinstance(got, int | float | np.integer | np.floating)
        if isinstance(got, bool) or not real or not 0 <= got <= MAX_BETA:
            raise SpecError(
                f"{type(value).__name__}: {name} must be a number from 0 to {MAX_BETA:g}, "
                f"got {got!r:.80}; use 0.5, say"
            )
        object.__setattr__(value, name, float(got))


def _check_times(value: Window | Ramp) -> None:
    if not value.t_min < value.t_max <= 1:
        raise SpecError(
            f"{type(value).__name__}: needs 0 <= t_min < t_max <= 1, got {value.t_min:g} and "
            f"{value.t_max:g}; flow time goes from 0 (noise) to 1 (data)"
        )


FULL = Constant()
"""The whole strength at all times."""
