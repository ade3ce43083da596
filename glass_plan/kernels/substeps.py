"""A kernel in small steps: what happens between two resampling times."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import torch

from glass_plan.errors import KernelError
from glass_plan.kernels.base import Info, State, Wrapped


@dataclass(frozen=True)
class Substeps(Wrapped):
    """Takes every step of the grid in equal smaller ones; their log-ratios add up.

    Args:
        move: any kernel.
        count: steps in place of one.

    Raises:
        KernelError: no steps.
    """

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise KernelError(f"Substeps: count must be at least 1, got {self.count}")

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        inner = (t + (t_next - t) * k / self.count for k in range(self.count))
        info: Info = {}
        log_ratio = None
        for now, then in itertools.pairwise((*inner, t_next)):
            state, info = self.move.step(state, now, then, generator)
            if state.log_ratio is not None:
                log_ratio = state.log_ratio if log_ratio is None else log_ratio + state.log_ratio
        return replace(state, log_ratio=log_ratio), info
