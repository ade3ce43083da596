"""The best end points seen, and the choice of the best among several."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import KernelError
from glass_plan.kernels.base import Info, State, Wrapped
from glass_plan.kernels.value import Potential


@dataclass(frozen=True)
class Archive:
    """The best end points seen so far, by reward.

    Args:
        x_1: (A, ...), A <= size.
        reward: (A,) decreasing.
        size: how many are kept.
    """

    x_1: Float[Tensor, "A ..."]
    reward: Float[Tensor, "A"]
    size: int

    @classmethod
    def empty(cls, like: Float[Tensor, "N ..."]) -> Archive:
        """An archive for N end points of this shape."""
        return cls(like[:0], like.new_zeros(0), len(like))

    def add(self, x_1: Float[Tensor, "N ..."], reward: Float[Tensor, "N"]) -> Archive:
        """Keep the best of both."""
        rewards = torch.cat([self.reward, _ranked(reward).to(self.reward)])
        best = rewards.topk(min(self.size, len(rewards)))
        return replace(self, x_1=torch.cat([self.x_1, x_1])[best.indices], reward=best.values)


@dataclass(frozen=True)
class Chosen(State):
    """Particles with the best of them.

    Args:
        archive: end points by reward, the best first.
    """

    archive: Archive | None = None


@dataclass(frozen=True)
class BestOf(Wrapped):
    """Independent samples; the archive ranks their end points by reward.

    Args:
        move: any kernel.
        reward: log-potential of clean samples.
    """

    reward: Potential

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        moved, info = self.move.step(state, t, t_next, generator)
        if t_next < 1.0:
            return moved, info
        archive = Archive.empty(moved.x).add(moved.x, self.reward(moved.x))
        return Chosen(moved.x, moved.x_1_hat, moved.log_ratio, archive), info


def best_of(
    x_1: Float[Tensor, "N ..."], reward: Float[Tensor, "N"], population: int
) -> Float[Tensor, "P ..."]:
    """The best of every ``population`` neighbours.

    Raises:
        KernelError: the samples are no populations of that size.
    """
    if population < 1 or len(x_1) % population:
        raise KernelError(f"best_of: {len(x_1)} samples are no populations of {population}")
    grouped = _ranked(reward).reshape(-1, population)
    rows = torch.arange(len(grouped), device=x_1.device)
    best: Tensor = x_1.unflatten(0, grouped.shape)[rows, grouped.argmax(1)]
    return best


def _ranked(reward: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Rewards to choose by: what is not a number is the worst."""
    return reward.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
