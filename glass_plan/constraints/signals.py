"""What holds always or once within a window: margins on segments, penalties on samples.

``Instants`` bound a constraint's margin on each segment from below; the functions here turn them
into those of an operator around it. A window of always takes all segments that it touches, a
window of eventually those inside it, and of those it touches what holds throughout. Knows values
only: which constraint they belong to is formulas.py's.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glass_plan.constraints import windows
from glass_plan.constraints.checks import LARGEST
from glass_plan.constraints.leaf import soft_least
from glass_plan.constraints.smooth import Instants
from glass_plan.constraints.windows import Range, Window, largest_in, smallest_in
from glass_plan.layout import Trajectory

Span = tuple[Tensor, Tensor]
"""Starts and ends (..., Q) [s]."""


def stretches(trajectory: Trajectory) -> Span:
    """When each segment begins and ends, without gradients."""
    begins, ends = trajectory.stretches
    return begins.detach().contiguous(), ends.detach().contiguous()


def from_zero(window: Window, times: Float[Tensor, "... K"]) -> Span:
    """The window counted from plan time 0, (..., 1) each."""
    start, end = window or (-LARGEST, LARGEST)
    return torch.full_like(times[..., :1], start), torch.full_like(times[..., :1], end)


def span(window: Window, begin: Float[Tensor, "... Q"], end: Float[Tensor, "... Q"]) -> Span:
    """From the start of the window at one instant to its end at another."""
    if not window:
        return begin, torch.full_like(end, LARGEST)
    return begin + window[0], end + window[1]


def always_from_zero(
    low: Float[Tensor, "... K"], trajectory: Trajectory, window: Window, temperature: float
) -> Float[Tensor, "..."]:
    """Least low in the window counted from plan time 0."""
    pieces = stretches(trajectory)
    where = windows.touched(pieces, *from_zero(window, pieces[0]))
    return smallest_in(low, where, temperature)[..., 0]


def eventually_from_zero(
    inner: Instants, trajectory: Trajectory, window: Window, temperature: float
) -> Float[Tensor, "..."]:
    """Largest value attained in the window counted from plan time 0."""
    pieces = stretches(trajectory)
    return _attained(inner, pieces, from_zero(window, pieces[0]), temperature)[..., 0]


def always_within(
    low: Float[Tensor, "... K"], trajectory: Trajectory, window: Window, temperature: float
) -> Instants:
    """What holds throughout the window from each instant on."""
    pieces, times = stretches(trajectory), trajectory.times.detach()
    throughout = windows.touched(pieces, *span(window, *pieces))
    at_ends = smallest_in(low, windows.touched(pieces, *span(window, times, times)), temperature)
    high = at_ends
    if at_ends.shape[-1] > 1:
        high = torch.maximum(at_ends[..., 1:], at_ends[..., :-1])
    return Instants(smallest_in(low, throughout, temperature), high)


def eventually_within(
    inner: Instants, trajectory: Trajectory, window: Window, temperature: float
) -> Instants:
    """What holds once in the window from each instant on."""
    pieces = stretches(trajectory)
    whole, common = span(window, *pieces), span(window, pieces[1], pieces[0])
    touched = windows.touched(pieces, *whole)
    least = smallest_in(inner.low, touched, temperature)
    leaves = common[0] > pieces[1][..., -1:]  # nothing to hold in, from some instant on
    least = torch.where(touched.is_empty | leaves, -LARGEST, least)
    shared = _attained(inner, pieces, common, temperature)  # by windows of all of its instants
    low = torch.where(common[0] <= common[1], shared, least)
    return Instants(low, torch.maximum(low, _attained(inner, pieces, whole, temperature)))


def in_window(trajectory: Trajectory, window: Window) -> Bool[Tensor, "... 2*H-1"]:
    """Which samples lie in the window counted from plan time 0."""
    times = trajectory.sample_times.detach()
    start, end = from_zero(window, times)
    return (start <= times) & (times <= end)


def sum_within(
    penalty: Float[Tensor, "... S"],
    trajectory: Trajectory,
    window: Window,
    *,
    with_end: bool = True,
) -> Float[Tensor, "... S"]:
    """Sum over the samples in the window from each sample on, with or without one at its end."""
    where = _samples(trajectory, window, with_end=with_end)
    passed = torch.nn.functional.pad(penalty.cumsum(-1), (1, 0))
    after = torch.maximum(where.last + 1, where.first)
    return (passed.gather(-1, after) - passed.gather(-1, where.first)).clamp_min(0)


def least_within(
    penalty: Float[Tensor, "... S"],
    trajectory: Trajectory,
    window: Window,
    *,
    with_end: bool = True,
) -> Float[Tensor, "... S"]:
    """Least over the samples in the window from each sample on; the nearest one's if none are."""
    where = _samples(trajectory, window, with_end=with_end)
    return smallest_in(penalty, Range(where.first, torch.maximum(where.first, where.last)), 0.0)


def least_of(
    penalty: Float[Tensor, "... S"], inside: Bool[Tensor, "... S"]
) -> Float[Tensor, "..."]:
    """Soft least of the penalties inside; of all where that is nowhere."""
    inside = inside | ~inside.any(-1, keepdim=True)
    root = torch.where(penalty > 0, penalty, 1.0).sqrt()  # whose slope at 0 is infinite
    shortfall = torch.where(penalty > 0, root, 0.0)
    return soft_least(torch.where(inside, shortfall, LARGEST)).square()


def _samples(trajectory: Trajectory, window: Window, *, with_end: bool) -> Range:
    """The samples in the window from each sample on."""
    times = trajectory.sample_times.detach().contiguous()
    start, end = (bound.contiguous() for bound in span(window, times, times))
    first = torch.searchsorted(times, start).clamp_max(times.shape[-1] - 1)
    return Range(first, torch.searchsorted(times, end, right=with_end) - 1)


def _attained(inner: Instants, pieces: Span, where: Span, temperature: float) -> Tensor:
    """A value attained in each span: highs of segments inside, lows of those it touches."""
    high = largest_in(inner.high, windows.contained(pieces, *where), temperature)
    low = largest_in(inner.low, windows.touched(pieces, *where), temperature)
    return torch.maximum(high, low)
