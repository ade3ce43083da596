"""A planar task with everything known: three clusters, a reward that keeps one, exact samples.

Data: an equal mixture of N((8, 8), I), N((8, -8), I), N((0, 10), I), reached from N(0, I) on the
linear path. The reward is 7 times the log-probability that Bayes' classifiers of each coordinate
give to the cluster at (8, -8). The rare task asks for the tail of that cluster, 0.5 % of the data.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

CENTRES = torch.tensor([[8.0, 8.0], [8.0, -8.0], [0.0, 10.0]], dtype=torch.float64)
WANTED = 1
"""Index of the cluster that the reward keeps."""
SHARPNESS = 7.0
"""Factor of the classifiers' log-probabilities."""
TAIL = 2.1701
"""Standard deviations beyond which 1.5 % of a normal law lie: 0.5 % of the data."""
PENALTY = 20.0
"""Of the squared distance to the rare set [nat per squared unit]."""


def denoise(x: Float[Tensor, "N 2"], t: float) -> Float[Tensor, "N 2"]:
    """E[x_1 | x_t = x] of the data, exactly, on the linear path."""
    centres = CENTRES.to(x)
    variance = t**2 + (1 - t) ** 2
    away = x[:, None] - t * centres  # (N, 3, 2)
    share = (-0.5 * away.square().sum(-1) / variance).softmax(-1)
    return torch.einsum("nk,nkd->nd", share, centres + t / variance * away)


def sample_data(count: int, generator: torch.Generator) -> Float[Tensor, "N 2"]:
    """Exact samples of the data."""
    which = torch.randint(len(CENTRES), (count,), generator=generator)
    return CENTRES[which] + torch.randn(count, 2, generator=generator, dtype=torch.float64)


def classifier_of_x(x: Float[Tensor, "N 2"]) -> Float[Tensor, "N"]:
    """7 log P(the cluster's first coordinate is 8 | x)."""
    logit = 8.0 * (x[:, 0] - 4.0) + math.log(2.0)  # two clusters at 8, one at 0
    return SHARPNESS * torch.nn.functional.logsigmoid(logit)


def classifier_of_y(x: Float[Tensor, "N 2"]) -> Float[Tensor, "N"]:
    """7 log P(the cluster's second coordinate is -8 | y)."""
    y = x[:, 1]
    log_p = torch.stack([-0.5 * (y - c) ** 2 for c in CENTRES[:, 1].tolist()], -1)
    return SHARPNESS * log_p.log_softmax(-1)[:, WANTED]


def reward(x: Float[Tensor, "N 2"]) -> Float[Tensor, "N"]:
    """Both classifiers."""
    return classifier_of_x(x) + classifier_of_y(x)


def satisfied(x: Float[Tensor, "N 2"]) -> Bool[Tensor, "N"]:
    """Whether both classifiers prefer the wanted cluster."""
    half = SHARPNESS * math.log(0.5)
    return (classifier_of_x(x) > half) & (classifier_of_y(x) > half)


def sample_target(count: int, generator: torch.Generator) -> Float[Tensor, "N 2"]:
    """Exact samples of data times exp(reward), by rejection."""
    kept: list[Tensor] = []
    while sum(map(len, kept)) < count:
        x = sample_data(4 * count, generator)
        u = torch.rand(len(x), generator=generator, dtype=torch.float64)
        kept.append(x[u.log() < reward(x)])
    return torch.cat(kept)[:count]


def rare_margin(x: Float[Tensor, "N 2"]) -> Float[Tensor, "N"]:
    """Signed distance to {x > 8 + TAIL, y < 0}, from inside positive."""
    return torch.minimum(x[:, 0] - (CENTRES[WANTED, 0].item() + TAIL), -x[:, 1])


def rare_reward(x: Float[Tensor, "N 2"]) -> Float[Tensor, "N"]:
    """-PENALTY distance^2 to the rare set."""
    short = (CENTRES[WANTED, 0].item() + TAIL - x[:, 0]).clamp_min(0.0)
    return -PENALTY * (short**2 + x[:, 1].clamp_min(0.0) ** 2)


def coverage(x: Float[Tensor, "N 2"]) -> float:
    """Share within 2 standard deviations of the nearest centre; 86.5 % of exact samples are."""
    return float((torch.cdist(x, CENTRES).amin(1) < 2).double().mean())
