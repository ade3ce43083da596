"""Windows of time over the segments and samples of a trajectory, and extrema within them.

A window of plan time becomes a range of indices by bisection; one window is a mask, O(H), and one
for every instant a table of extrema over powers of two, O(H log H). Knows no constraints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glass_plan.constraints.checks import LARGEST, items, number
from glass_plan.constraints.smooth import soft_max
from glass_plan.errors import SpecError

Window = tuple[float, ...]
"""(start, end) [s]; empty for all the time there is."""


def window(where: str, value: object) -> Window:
    """A window, or a SpecError."""
    given = tuple(number(f"{where}: window", x) for x in items(f"{where}: window", value))
    if given and (len(given) != 2 or not 0 <= given[0] <= given[1]):
        raise SpecError(
            f"{where}: window must be [start, end] with 0 <= start <= end in s, got {given}"
        )
    return given


@dataclass(frozen=True)
class Range:
    """Indices from first to last for each of Q windows; last < first if there are none.

    Args:
        first: (..., Q).
        last: (..., Q).
    """

    first: Int[Tensor, "... Q"]
    last: Int[Tensor, "... Q"]

    @property
    def is_empty(self) -> Bool[Tensor, "... Q"]:
        """Whether there are none."""
        return self.last < self.first


def touched(
    stretches: tuple[Tensor, Tensor], start: Float[Tensor, "... Q"], end: Float[Tensor, "... Q"]
) -> Range:
    """The stretches with an instant in [start, end]; at a border, the later one of two."""
    begins, ends = stretches
    first = torch.searchsorted(ends, start, right=True).clamp_max(ends.shape[-1] - 1)
    last = torch.searchsorted(begins, end) - 1
    meets = (start <= ends[..., -1:]) & (end >= begins[..., :1])
    return Range(first, torch.where(meets, torch.maximum(last, first), first - 1))


def contained(
    stretches: tuple[Tensor, Tensor], start: Float[Tensor, "... Q"], end: Float[Tensor, "... Q"]
) -> Range:
    """The stretches that lie in [start, end] as a whole."""
    begins, ends = stretches
    return Range(torch.searchsorted(begins, start), torch.searchsorted(ends, end, right=True) - 1)


def largest_in(
    values: Float[Tensor, "... K"], where: Range, temperature: float
) -> Float[Tensor, "... Q"]:
    """(Smooth) maximum of the values in each range; -LARGEST where that is empty."""
    if where.first.shape[-1] == 1:
        inside = mask(where, values.shape[-1])
        return soft_max(torch.where(inside, values, -LARGEST), temperature)[..., None]
    table = _table(values, temperature)  # (..., J, K)
    length = (where.last - where.first + 1).clamp_min(1)
    level = _floor_log2(length)
    size = 2**level
    index = torch.stack([where.first, where.last + 1 - size], dim=-1)
    flat = level[..., None] * values.shape[-1] + index.clamp(0, values.shape[-1] - 1)
    picked = table.flatten(-2).gather(-1, flat.flatten(-2)).unflatten(-1, flat.shape[-2:])
    if temperature == 0:
        best = picked.amax(-1)
    else:  # the two overlap, so that some count twice: still a weighted mean
        total = torch.logsumexp(picked / temperature, dim=-1)
        best = temperature * (total - (2 * size).to(total.dtype).log())
    return torch.where(where.is_empty, -LARGEST, best)


def smallest_in(
    values: Float[Tensor, "... K"], where: Range, temperature: float
) -> Float[Tensor, "... Q"]:
    """(Smooth) minimum of the values in each range; LARGEST where that is empty."""
    if temperature == 0:
        return -largest_in(-values, where, 0.0)
    if where.first.shape[-1] == 1:
        inside = mask(where, values.shape[-1])
        total = torch.logsumexp(torch.where(inside, -values / temperature, -LARGEST), dim=-1)
        return torch.where(where.is_empty, LARGEST, -temperature * total[..., None])
    length = (where.last - where.first + 1).clamp_min(1)
    mean = -largest_in(-values, where, temperature)  # >= the minimum, by T log 2 size at most
    counted = 2 * 2 ** _floor_log2(length)  # values, some of them twice
    bound = mean - temperature * counted.to(mean.dtype).log()
    return torch.where(where.is_empty, LARGEST, bound)


def running_smallest(values: Float[Tensor, "... K"], temperature: float) -> Float[Tensor, "... K"]:
    """(Smooth) minimum of all values up to each."""
    if temperature == 0:
        return values.cummin(-1).values
    return -temperature * torch.logcumsumexp(-values / temperature, dim=-1)


def running_largest(values: Float[Tensor, "... K"], temperature: float) -> Float[Tensor, "... K"]:
    """(Smooth) maximum of all values up to each."""
    if temperature == 0:
        return values.cummax(-1).values
    count = torch.arange(1, values.shape[-1] + 1, dtype=values.dtype, device=values.device)
    total = torch.logcumsumexp(values / temperature, dim=-1)
    return temperature * (total - count.log())


def mask(where: Range, count: int) -> Bool[Tensor, "... K"]:
    """Which of ``count`` indices lie in the only range."""
    index = torch.arange(count, device=where.first.device)
    return (where.first <= index) & (index <= where.last)


def _table(values: Float[Tensor, "... K"], temperature: float) -> Float[Tensor, "... J K"]:
    """Level j: (T log sum exp of) the 2^j values from each on."""
    levels = [values]
    while 2 ** len(levels) <= values.shape[-1]:
        shift = 2 ** (len(levels) - 1)
        last = levels[-1]
        later = torch.nn.functional.pad(last[..., shift:], (0, shift), value=-LARGEST)
        if temperature == 0:
            levels.append(torch.maximum(last, later))
        else:
            levels.append(temperature * torch.logaddexp(last / temperature, later / temperature))
    return torch.stack(levels, dim=-2)


def _floor_log2(length: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The largest k with 2^k <= length, exactly."""
    powers = 2 ** torch.arange(1, 1 + math.ceil(math.log2(2**31)), device=length.device)
    return torch.bucketize(length, powers, right=True)
