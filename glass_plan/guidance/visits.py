"""Detours: the part of guidance that a gradient cannot do.

Behind walls the gradient of a distance points into them. Here a trajectory that misses a region is
led there by the shortest way through free space, from one waypoint and back to another,

    min_{i <= j}  g(x_i) + g(x_j) - |x_i .. x_j|,

where g is the length of the shortest way to the region (Dijkstra's method on a grid) and the last
term the part of the trajectory that is left out. And where something that must be avoided closes
the way that a trajectory takes, so that the shortest one from before it does not come by behind it,
the trajectory goes on by that shortest way. The flow then makes a motion of it. Knows the map of
the walls and what must be avoided and stays; nothing of models.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from glass_plan.constraints import Ball, Grid, Region

Array = NDArray[np.float64]

SPACING = 0.1
"""Of the grid [m]."""
CLEARANCE = 0.05
"""Between the body and everything, along a detour [m]."""
SHY, SHY_LENGTH = 1.0, 0.1
"""Places close to something cost up to this much more; it falls off over this length [m]."""
DEPTH = 0.1
"""How far into a region a detour leads [m], if it is that deep."""
END_RADIUS = 0.15
"""Of the region about a place that a way leads to [m]."""
BACK = 8
"""Points of a path before an obstacle, ``SPACING`` apart, from one of which a way has to lead."""
SAME = 0.4
"""A way that soon comes so near [m] to a place passes by it."""


@dataclass(frozen=True)
class Roads:
    """Shortest ways from anywhere to a region.

    Args:
        low: corner of the grid [m].
        length: (X, Y) of the way from each place [m]; inf if there is none.
        following: (X, Y) flat index of the next place on the way; negative at its end.
    """

    low: Array
    length: Array
    following: NDArray[np.int64]

    def lengths(self, points: Array) -> Array:
        """(K,) of the ways from points (K, 2) [m]."""
        found: Array = self.length.ravel()[self._index(points)]
        return found

    def way(self, point: Array) -> Array:
        """(M, 2) from a point (2,) to the region [m]."""
        index = int(self._index(point[None])[0])
        places = []
        while index >= 0:
            places.append(index)
            index = int(self.following.flat[index])
        cells = np.stack(np.unravel_index(places, self.length.shape), axis=-1)
        return self.low + SPACING * (cells + 0.5)

    def _index(self, points: Array) -> NDArray[np.int64]:
        cells = np.floor((points - self.low) / SPACING).astype(np.int64)
        rows, columns = np.clip(cells, 0, np.array(self.length.shape) - 1).T
        flat: NDArray[np.int64] = rows * self.length.shape[1] + columns
        return flat


@functools.lru_cache(maxsize=64)
def roads(target: Region, walls: Grid, avoid: tuple[Region, ...], radius: float) -> Roads:
    """Shortest ways for a body of some radius [m] through free space to a region of the plane."""
    height, width = len(walls.occupancy), len(walls.occupancy[0])
    low = -0.5 * walls.cell * np.array([width, height])
    shape = (round(width * walls.cell / SPACING), round(height * walls.cell / SPACING))
    cells = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    points = torch.from_numpy(low + SPACING * (cells + 0.5))

    def away(region: Region) -> Array:
        found: Array = region.signed_distance(points, points[..., 0]).numpy()
        return found

    clear = np.min([away(region) for region in (walls, *avoid)], axis=0) - radius - CLEARANCE
    inside = away(target)
    goal = inside <= max(-DEPTH, inside.min())
    number = np.arange(clear.size).reshape(shape)
    price = 1 + SHY * np.exp(-np.maximum(clear, 0) / SHY_LENGTH)
    rows, columns, costs = [], [], []
    for (a, b), length in _neighbours():
        one, two = number[a].ravel(), number[b].ravel()
        both = (clear.flat[one] > 0) & (clear.flat[two] > 0)
        one, two = one[both], two[both]
        rows.append(one)
        columns.append(two)
        costs.append(length * (price.flat[one] + price.flat[two]) / 2)
    joined = np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))
    graph = csr_array(joined, shape=(clear.size, clear.size))
    ends = np.flatnonzero(goal & (clear > 0))
    if not len(ends):
        return Roads(low, np.full(shape, np.inf), np.full(shape, -1))
    length, following, _ = dijkstra(
        graph, directed=False, indices=ends, return_predecessors=True, min_only=True
    )
    return Roads(low, length.reshape(shape), following.astype(np.int64).reshape(shape))


def about(place: Array) -> Ball:
    """The region about a place (2,) [m] that ways lead to."""
    x, y = (round(float(value), 3) for value in place)
    return Ball((x, y), END_RADIUS)


@dataclass(frozen=True)
class Visits:
    """Leads trajectories to the regions they miss, and round what closes their way.

    Args:
        tours: to be made, in any order; the regions of each in their order.
        walls: the map.
        avoid: what else is in the way and stays.
        radius: of the body [m].
    """

    tours: Sequence[tuple[Region, ...]]
    walls: Grid
    avoid: tuple[Region, ...]
    radius: float

    def __call__(self, position: Float[Tensor, "N H 2"], spacing: float) -> Float[Tensor, "N H 2"]:
        """Positions by all regions, ``spacing`` [m] apart as the prior's are, if they fit."""
        led = [self.led(path, spacing) for path in position.detach().double().cpu().numpy()]
        return torch.from_numpy(np.stack(led)).to(position)

    def led(self, path: Array, spacing: float) -> Array:
        """One path (H, 2) led where it has to be, resampled; itself if nothing has to be done."""
        found = self._round(path)
        for tour in self.tours:
            after = 0
            for region in tour:
                if not _passes(region, found)[after:].any():
                    found = self._by(found, region, after)
                after += int(_passes(region, found)[after:].argmax())
        return path if found is path else resampled(found, len(path), spacing)

    def _round(self, path: Array) -> Array:
        """The path; where its way is closed, on by the shortest way to its end, if there is one."""
        if not self.avoid:
            return path
        fine = resampled(path, 4 * len(path), SPACING)
        away = np.min([_away(region, fine) for region in self.avoid], axis=0) - self.radius
        for first, last in _runs(away < 0):
            if first == 0 or last == len(fine):
                continue
            ways = roads(about(path[-1]), self.walls, self.avoid, self.radius)
            begin = max(0, first - BACK)
            leads = begin + np.flatnonzero(np.isfinite(ways.lengths(fine[begin:first])))
            if not len(leads):
                continue
            way = ways.way(fine[leads[-1]])
            beside = way[: 2 * (last - leads[-1]) + 10]  # as far as a way past it would take
            if np.linalg.norm(beside - fine[last], axis=1).min() > SAME:
                return np.concatenate([fine[: leads[-1] + 1], way, path[-1:]])
        return path

    def _by(self, path: Array, region: Region, after: int) -> Array:
        """The path by one more region, left no sooner than at waypoint ``after``."""
        ways = roads(region, self.walls, self.avoid, self.radius)
        length = ways.lengths(path)
        gone = np.concatenate([[0.0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
        price = length[:, None] + length[None, :] - (gone[None, :] - gone[:, None])
        price[np.tril_indices(len(path), -1)] = np.inf  # it does not go back in time
        price[:after] = np.inf
        for other in itertools.chain.from_iterable(self.tours):
            for k in np.flatnonzero(_passes(other, path)):  # what is visited is not left out
                price[:k, k + 1 :] = np.inf
        leaves, returns = np.unravel_index(int(price.argmin()), price.shape)
        if not np.isfinite(price[leaves, returns]):
            return path
        there, back = ways.way(path[leaves]), ways.way(path[returns])
        return np.concatenate([path[: leaves + 1], there, back[::-1], path[returns:]])


def _neighbours() -> list[tuple[tuple[tuple[slice, slice], tuple[slice, slice]], float]]:
    """Slices of pairs of neighbours on the grid, and how far they are apart [m]."""
    every, first, rest = slice(None), slice(None, -1), slice(1, None)
    return [
        (((first, every), (rest, every)), SPACING),
        (((every, first), (every, rest)), SPACING),
        (((first, first), (rest, rest)), SPACING * 2**0.5),
        (((rest, first), (first, rest)), SPACING * 2**0.5),
    ]


def _away(region: Region, path: Array) -> Array:
    """Distance of each waypoint to a region that stays [m]."""
    points = torch.from_numpy(path)
    found: Array = region.signed_distance(points, points[:, 0]).numpy()
    return found


def _passes(region: Region, path: Array) -> NDArray[np.bool_]:
    """Which waypoints are in a region."""
    return _away(region, path) < 0


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index of each run of True, and the first one after it."""
    edges = np.flatnonzero(np.diff(np.pad(flags, 1).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def resampled(path: Array, count: int, spacing: float) -> Array:
    """A path by ``count`` points ``spacing`` [m] apart, farther if it is long; the end is held."""
    step = np.linalg.norm(np.diff(path, axis=0), axis=1)
    kept = np.concatenate([[True], step > 1e-9])
    path = path[kept]
    gone = np.concatenate([[0.0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    asked = np.minimum(max(spacing, gone[-1] / (count - 1)) * np.arange(count), gone[-1])
    return np.stack([np.interp(asked, gone, path[:, k]) for k in range(2)], axis=-1)
