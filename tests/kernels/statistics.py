"""Agreement of samples with a law, with tolerances computed from both."""

from __future__ import annotations

import math

import ot
import torch
from torch import Tensor

from tests.kernels.targets import Mixture

REPEATS = 12
"""Pairs of exact sample sets that say how far two sets of the same law lie apart."""


def within_five_standard_errors(drawn: Tensor, expected: float, bias: float = 0.0) -> bool:
    """Whether the mean of independent draws is the expected one, up to a stated bias."""
    error = float(drawn.double().std()) / math.sqrt(len(drawn))
    return abs(float(drawn.double().mean()) - expected) < 5 * error + bias


def has_moments_of(drawn: Tensor, law: Mixture, bias: float = 0.0) -> bool:
    """Whether mean and variance are the law's, both within five standard errors."""
    squares = (drawn - law.mean) ** 2
    return within_five_standard_errors(drawn, law.mean, bias) and within_five_standard_errors(
        squares, law.variance, bias
    )


def transport_is_as_of(drawn: Tensor, law: Mixture, generator: torch.Generator) -> bool:
    """Whether exact samples are as near as to each other: within 5 times their rms distance."""

    def distance(a: Tensor) -> float:
        return float(ot.wasserstein_1d(a.numpy(), law.sample(len(a), generator).numpy())[0])

    usual = torch.tensor([distance(law.sample(len(drawn), generator)) for _ in range(REPEATS)])
    return distance(drawn) < 5 * float(usual.square().mean().sqrt())
