"""What a sampler is: ``init`` and ``step`` that return ``(state, info)``; the one loop over them.

A state holds the particles at time t together with their denoised look-ahead D_t(x_t): every move
needs it first, so whoever looks at the end point (steering, guidance, an archive) pays nothing for
it. Kernels know no trajectories: any tensor shape, any denoiser D_t(x).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glass_plan.denoisers import Count, Denoiser
from glass_plan.errors import KernelError


@dataclass(frozen=True)
class State:
    """Particles at one time.

    Args:
        x: (N, ...) particles x_t.
        x_1_hat: (N, ...) their denoised look-ahead D_t(x_t); x itself at t = 1.
        log_ratio: (N,) of the last step: log of the model's transition density over that of the
            proposal it was drawn from; None where the two are the same.
    """

    x: Float[Tensor, "N ..."]
    x_1_hat: Float[Tensor, "N ..."]
    log_ratio: Float[Tensor, "N"] | None = None

    def take(self, ancestors: Int[Tensor, "N"]) -> Self:
        """The particles of the given ancestors."""
        return replace(self, x=self.x[ancestors], x_1_hat=self.x_1_hat[ancestors], log_ratio=None)


Info = Mapping[str, Tensor | float]
"""What a step has to tell, e.g. ``ess``; of tensors the mean is read when the run is over."""


class Kernel(Protocol):
    """A sampler as two pure functions of the state.

    ``stochastic`` says whether equal particles part in a step (what resampling relies on);
    ``guided`` whether its steps leave the model's own law; ``weighted`` whether the state then
    carries the ``log_ratio`` back to it.
    """

    @property
    def stochastic(self) -> bool: ...

    @property
    def guided(self) -> bool: ...

    @property
    def weighted(self) -> bool: ...

    def init(self, x: Tensor, t: float) -> State:
        """State of particles x at time t."""
        ...

    def step(
        self, state: State, t: float, t_next: float, generator: torch.Generator
    ) -> tuple[State, Info]:
        """Move all particles from t to t_next > t."""
        ...


@dataclass(frozen=True)
class Wrapped:
    """What a kernel around another one is by that.

    Args:
        move: any kernel.
    """

    move: Kernel

    @property
    def stochastic(self) -> bool:
        return self.move.stochastic

    @property
    def guided(self) -> bool:
        return self.move.guided

    @property
    def weighted(self) -> bool:
        return self.move.weighted

    def init(self, x: Tensor, t: float) -> State:
        return self.move.init(x, t)


def look_ahead(denoise: Denoiser, x: Float[Tensor, "N ..."], t: float) -> State:
    """The state of particles at time t."""
    return State(x, x if t >= 1.0 else denoise(x, t))


def is_guided(denoise: Denoiser) -> bool:
    """Whether a denoiser has been changed by guidance."""
    return bool(getattr(denoise, "guided", False))


@dataclass(frozen=True)
class Run:
    """The outcome of a sampling run.

    Args:
        state: at the last time of the grid.
        infos: one per step, with its ``wall_time`` [s] and, where rows were counted, its ``nfe``.
        finished: False if the deadline stopped it before the last time.
    """

    state: State
    infos: tuple[dict[str, float], ...] = field(default=())
    finished: bool = True


def run(
    kernel: Kernel,
    t_grid: Sequence[float],
    x: Float[Tensor, "N ..."],
    generator: torch.Generator,
    *,
    expired: Callable[[], bool] | None = None,
    count: Count | None = None,
) -> Run:
    """The only sampling loop: from particles x at ``t_grid[0]`` to ``t_grid[-1]``.

    Args:
        kernel: the sampler.
        t_grid: increasing times in [0, 1]; the only way to say the steps.
        x: (N, ...) particles at the first time (standard normal noise at t = 0).
        generator: source of all randomness.
        expired: asked before each step; True ends the run unfinished.
        count: of the network's rows, for ``nfe`` per step.

    Raises:
        KernelError: the grid does not increase within [0, 1].
    """
    pairs = list(itertools.pairwise(t_grid))
    if not pairs or t_grid[0] < 0 or t_grid[-1] > 1 or any(b <= a for a, b in pairs):
        raise KernelError(f"run: t_grid must increase within [0, 1], got {list(t_grid)}")
    rows, began = count.rows if count else 0, time.perf_counter()
    state = kernel.init(x, t_grid[0])
    infos: list[dict[str, Tensor | float]] = []
    for t, t_next in pairs:
        if expired is not None and expired():
            break
        state, told = kernel.step(state, t, t_next, generator)
        ended = time.perf_counter()
        infos.append({**told, "wall_time": ended - began})
        began = ended
        if count is not None:
            infos[-1]["nfe"] = float(count.rows - rows)
            rows = count.rows
    return Run(state, _read(infos), finished=len(infos) == len(pairs))


def _read(infos: list[dict[str, Tensor | float]]) -> tuple[dict[str, float], ...]:
    """Numbers in place of tensors, means where there are several.

    The one place that waits for the device, once for each name.
    """
    read: list[dict[str, float]] = [{} for _ in infos]
    for name in dict.fromkeys(name for info in infos for name in info):
        told = {step: info[name] for step, info in enumerate(infos) if name in info}
        tensors = [value for value in told.values() if isinstance(value, Tensor)]
        if len(tensors) == len(told):
            means = torch.stack(tensors).reshape(len(told), -1).double().mean(1)
            told = dict(zip(told, means.tolist(), strict=True))
        for step, value in told.items():
            read[step][name] = float(value)
    return tuple(read)


def uniform_grid(steps: int, t_start: float = 0.0) -> tuple[float, ...]:
    """``steps`` equal steps from t_start to 1."""
    return (*(t_start + (1 - t_start) * k / steps for k in range(steps)), 1.0)


def noise(
    count: int,
    shape: Sequence[int],
    generator: torch.Generator,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "N ..."]:
    """Standard normal particles, drawn on the generator's device."""
    drawn = torch.randn(count, *shape, generator=generator, dtype=dtype, device=generator.device)
    return drawn.to(device)


def like_noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise of the shape, type and device of x."""
    return noise(len(x), x.shape[1:], generator, dtype=x.dtype, device=x.device)
