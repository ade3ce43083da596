"""Windows of time over the segments and samples of a trajectory, and extrema within them.

A window of plan time becomes a range of indices by bisection. One window is a mask. For one at
every instant, the exact extremum is searched without gradients and then read: blocks as long as
the shortest range (van Herk, 1992; Gil & Werman, 1993) take O(H) while time steps are alike.
Smooth extrema add over powers of two up to the longest range, O(H log L) for L values: blocks take
twice as long up to H = 4096, with the logarithm of a sum at every value. Knows no constraints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from glass_plan.constraints.checks import LARGEST, items, number
from glass_plan.constraints.smooth import soft_max, soft_min
from glass_plan.errors import SpecError

Window = tuple[float, ...]
"""(start, end) [s]; empty for all the time there is."""

Largest = tuple[Tensor, Tensor]
"""Values (..., K) and their indices (..., K)."""


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
    if temperature == 0:
        best = values.gather(-1, _index_of_largest(values.detach(), where))
    else:
        total, counted = _log_total(values / temperature, where)
        best = temperature * (total - counted.to(total.dtype).log())
    return torch.where(where.is_empty, -LARGEST, best)


def smallest_in(
    values: Float[Tensor, "... K"], where: Range, temperature: float
) -> Float[Tensor, "... Q"]:
    """(Smooth) minimum of the values in each range; LARGEST where that is empty."""
    if where.first.shape[-1] == 1:
        inside = mask(where, values.shape[-1])
        least = soft_min(torch.where(inside, values, LARGEST), temperature)[..., None]
    elif temperature == 0:
        least = values.gather(-1, _index_of_largest(-values.detach(), where))
    else:
        least = -temperature * _log_total(-values / temperature, where)[0]
    return torch.where(where.is_empty, LARGEST, least)


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


def _index_of_largest(values: Float[Tensor, "... K"], where: Range) -> Int[Tensor, "... Q"]:
    """Which value is the largest in each range.

    Two ranges of equal length cover any other that is up to twice as long. That length is the
    shortest range's, and as often doubled as the longest asks for. Ranges up to the last value may
    be shorter: nothing comes after it. What is not a number counts as the largest.
    """
    if not where.first.numel():
        return where.first
    count = values.shape[-1]
    first = where.first.clamp_max(count - 1)
    last = torch.maximum(first, where.last)
    length = last - first + 1
    shortest = int(torch.where((last == count - 1) | where.is_empty, count, length).amin())
    doublings = max(int(length.amax()) // shortest, 1).bit_length() - 1
    values = torch.where(values.isnan(), math.inf, values)
    table = [_largest_of(values, shortest)]  # (values, indices), of ranges twice as long each time
    if shortest == count:
        return table[0][1].gather(-1, first)
    for k in range(doublings):
        table.append(_larger(table[-1], _later(table[-1], shortest * 2**k)))
    offset: Tensor | int = 0
    size: Tensor | int = shortest
    if doublings:
        level = _floor_log2((length.double() / shortest).clamp_min(1))
        offset, size = level * count, shortest * _powers(doublings, level)
    index = torch.cat([i for _, i in table], dim=-1)
    ends = torch.maximum(first, last + 1 - size)
    one, other = (index.gather(-1, offset + at) for at in (first, ends))
    return torch.where(values.gather(-1, other) > values.gather(-1, one), other, one)


def _largest_of(values: Float[Tensor, "... K"], size: int) -> Largest:
    """Largest of ``size`` values from each on, and where it is, (..., K).

    It is in the rest of this block of ``size``, or in what is left to take from the next.
    """
    count = values.shape[-1]
    if size == 1:
        return values, torch.arange(count, device=values.device).expand_as(values)
    blocks = pad(values, (0, -count % size), value=-math.inf).unflatten(-1, (-1, size))
    begins = torch.arange(0, count, size, device=values.device)[:, None]
    rest = blocks.flip(-1).cummax(-1)
    index = begins + (size - 1) - rest.indices.flip(-1)
    best = rest.values.flip(-1).flatten(-2), index.flatten(-2)
    if size < count:
        taken = blocks.cummax(-1)
        following = taken.values.flatten(-2), (begins + taken.indices).flatten(-2)
        best = _larger(best, _later(following, size - 1))
    return best[0][..., :count], best[1][..., :count]


def _larger(one: Largest, other: Largest) -> Largest:
    takes = other[0] > one[0]
    return torch.where(takes, other[0], one[0]), torch.where(takes, other[1], one[1])


def _later(x: Largest, by: int) -> Largest:
    """x[k + by] at each k, and beyond the last value nothing that is larger."""
    return pad(x[0][..., by:], (0, by), value=-math.inf), pad(x[1][..., by:], (0, by))


def _log_total(values: Float[Tensor, "... K"], where: Range) -> tuple[Tensor, Tensor]:
    """log sum exp over each range by two that cover it, and how many values that counts.

    Some count twice, which keeps a mean a mean and a sum above the largest.
    """
    count = values.shape[-1]
    length = (where.last - where.first + 1).clamp_min(1)
    first = where.first.clamp_max(count - 1)
    if bool((where.last == count - 1).all()):
        return values.flip(-1).logcumsumexp(-1).flip(-1).gather(-1, first), length
    table = [values]
    for k in range(int(length.amax()).bit_length() - 1):
        later = pad(table[-1][..., 2**k :], (0, 2**k), value=-math.inf)
        table.append(torch.logaddexp(table[-1], later))
    flat, level = torch.stack(table, dim=-2).flatten(-2), _floor_log2(length.double())
    size = _powers(len(table) - 1, level)
    ends = torch.maximum(first, where.last + 1 - size)
    one, other = (flat.gather(-1, level * count + at) for at in (first, ends))
    return torch.logaddexp(one, other), 2 * size


def _floor_log2(ratio: Float[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The largest k with 2^k <= ratio, exactly."""
    return torch.frexp(ratio).exponent.long() - 1


def _powers(top: int, level: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """2^level, looked up, for levels up to ``top``: integer powers are slow."""
    return (2 ** torch.arange(top + 1, device=level.device))[level]
