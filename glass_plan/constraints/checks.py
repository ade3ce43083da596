"""Numbers at the border of the constraint language: checked once, then trusted.

Each function returns plain floats or tuples, or raises a SpecError that says where. Knows nothing
of what the numbers are for.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glass_plan.errors import SpecError

Numbers = tuple[float, ...]

NAME = re.compile(r"\w[\w .-]{0,63}")
"""What a constraint may be called."""

LARGEST = 1e9
"""Largest coordinate or size [m]: its square still fits float32."""

SMALLEST = 1e-9
"""Smallest positive size [m] or speed [m/s]."""


def shown(value: object) -> str:
    """A short text of anything; huge or cyclic values, too, and integers Python will not print."""
    try:
        return reprlib.repr(value)
    except ValueError:
        return "a number too long to print"


def number(where: str, value: Any) -> float:
    """A finite float, or a SpecError."""
    real = isinstance(value, int | float | np.integer | np.floating)
    if real and not isinstance(value, bool) and abs(value) <= LARGEST:
        return float(value)
    raise SpecError(
        f"{where} must be a number within +-{LARGEST:g}, got {shown(value)}; write it like 0.5"
    )


def not_negative(where: str, value: object) -> float:
    """A float >= 0, or a SpecError."""
    checked = number(where, value)
    if checked < 0:
        raise SpecError(f"{where} must be >= 0, got {checked}; use 0 for none")
    return checked


def positive(where: str, value: object) -> float:
    """A float > 0, or a SpecError."""
    checked = number(where, value)
    if checked < SMALLEST:
        raise SpecError(f"{where} must be > 0 (at least {SMALLEST:g}), got {checked}; use 0.1, say")
    return checked


def point(where: str, value: object) -> Numbers:
    """A tuple of at least one finite float, or a SpecError."""
    coordinates = items(where, value)
    if not coordinates:
        raise SpecError(f"{where} must have coordinates, got none; write [x, y]")
    return tuple(number(f"{where}[{k}]", x) for k, x in enumerate(coordinates))


def items(where: str, value: object) -> tuple[object, ...]:
    """The elements of a list, tuple or array, or a SpecError."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
        return tuple(value)
    raise SpecError(f"{where} must be a list, got {shown(value)}; write [...]")


def check_name(where: str, value: object) -> None:
    """Raise a SpecError unless the value may name a constraint; empty means no name."""
    if not isinstance(value, str) or (value and not NAME.fullmatch(value)):
        raise SpecError(
            f"{where}: name must be up to 64 letters, digits, '_', '-', '.' or spaces, "
            f"got {shown(value)}; for example 'pillar'"
        )


@lru_cache(maxsize=256)
def constant(values: object, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Nested tuples as a tensor, made once."""
    with torch.inference_mode(False):  # a later gradient step may use it too
        return torch.tensor(values, dtype=dtype, device=device)
