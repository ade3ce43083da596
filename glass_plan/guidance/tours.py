"""The shortest tour of regions that have to be visited, by the lengths of ways through free space.

Of all orders that keep each sequence's own, the one of least

    g_1(start) + g_2(p_1) + ... + g_end(p_n),

g_k the length of the shortest way to the k-th region (``roads``) and p_k where that way comes to
it. Knows the map of the walls and what must be avoided and stays; nothing of motion and models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glass_plan.constraints import Grid, Region
from glass_plan.guidance.visits import SPACING, Roads, about, roads

Array = NDArray[np.float64]

BLOCKED = 1e3
"""Length that stands for the way to where none leads [m]."""
ASIDE = np.array(sorted(np.ndindex(7, 7), key=lambda k: (k[0] - 3) ** 2 + (k[1] - 3) ** 2)) - 3
"""Cells (49, 2) about one, the nearest first: a way may begin beside a place that has none."""


@dataclass(frozen=True)
class Stop:
    """A region on a tour, and where the way from the stop before comes to it.

    Args:
        region: to be visited.
        place: (2,) [m].
    """

    region: Region
    place: Array


@dataclass(frozen=True)
class Map:
    """Where ways can lead.

    Args:
        walls: the map.
        avoid: what else is in the way and stays.
        radius: of the body [m].
    """

    walls: Grid
    avoid: tuple[Region, ...]
    radius: float

    def to(self, region: Region) -> Roads:
        """Shortest ways to a region."""
        return roads(region, self.walls, self.avoid, self.radius)

    def about(self, place: Array) -> Roads:
        """Shortest ways to a place (2,) [m]."""
        return self.to(about(place))


def shortest_tour(
    start: Array, end: Array, tours: Sequence[tuple[Region, ...]], chart: Map
) -> tuple[Stop, ...]:
    """The stops between two places, in the best order; a region that no way leads to is left out.

    Args:
        start: (2,) [m].
        end: (2,) [m].
        tours: to be made, in any order; the regions of each in their order.
        chart: the map.
    """
    home = chart.about(end)
    asked = [tour for tour in tours if tour]

    def cost(found: tuple[float, tuple[Stop, ...]]) -> float:
        gone, stops = found
        return gone + _first(home, stops[-1].place if stops else start)[1]

    return min(_orders(start, asked, chart), key=cost)[1]


def _orders(
    place: Array, tours: Sequence[tuple[Region, ...]], chart: Map
) -> Iterator[tuple[float, tuple[Stop, ...]]]:
    """Every order of what is left: the way to its last stop [m], and its stops."""
    if not tours:
        yield 0.0, ()
    for k, (region, *later) in enumerate(tours):
        ways = chart.to(region)
        at, length = _first(ways, place)
        stops = (Stop(region, ways.way(at)[-1]),) if length < BLOCKED else ()
        rest = [*tours[:k], *([tuple(later)] if later else []), *tours[k + 1 :]]
        for gone, others in _orders(stops[0].place if stops else place, rest, chart):
            yield length + gone, stops + others


def _first(ways: Roads, place: Array) -> tuple[Array, float]:
    """A place (2,), or the nearest beside it from which a way leads, and its length [m]."""
    around = place + SPACING * ASIDE
    lengths = ways.lengths(around)
    leads = np.flatnonzero(np.isfinite(lengths))
    return (around[leads[0]], float(lengths[leads[0]])) if len(leads) else (place, BLOCKED)
