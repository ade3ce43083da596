"""Whether and how a maze scene can be solved, independently of any model: grids and flooding.

Ways are sought on a fine grid of places with some clearance, lengths by Dijkstra's method, motion
among moving regions by flooding places in steps of time at a bounded speed. Both ask for more
clearance than safety does, so that a scene that passes can be driven.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from glass_envs.collect import clearance
from glass_envs.mazes import ROBOT_RADIUS, Array, Maze
from glass_plan.constraints import Region

SPACING = 0.05
"""Of the grid [m]."""
CLEARANCE = 0.07
"""Between the robot's surface and everything, along a way [m]."""
NEAR = 0.1
"""From a place to the nearest point of the grid with that clearance [m]."""
TICK = 0.1
"""Step of time of the flood [s]."""
SPEED = 1.5
"""Of the flood [m/s]: a third of what the robot can drive."""


@dataclass(frozen=True)
class Task:
    """What a scene asks for.

    Args:
        start: (2,) [m].
        goal: (2,) [m].
        avoid: regions that the body keeps out of.
        visit: regions for the body's centre, in any order, before the goal.
        speed: limit [m/s].
    """

    start: Array
    goal: Array
    avoid: Sequence[Region] = ()
    visit: Sequence[Region] = ()
    speed: float = SPEED


class FreeSpace:
    """The grid of one maze."""

    def __init__(self, maze: Maze) -> None:
        x_low, x_high, y_low, y_high = maze.extent
        axes = np.arange(x_low, x_high, SPACING), np.arange(y_low, y_high, SPACING)
        self.points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)  # (X, Y, 2)
        self.shape = self.points.shape[:2]
        walls = clearance(maze, self.points.reshape(-1, 2)).reshape(self.shape)
        self._walls = walls >= CLEARANCE

    def shortest(self, task: Task) -> float:
        """Length [m] of the shortest way by all visits to the goal, past what stays; inf if none.

        Regions that move are left out, and the order of the visits is the best.
        """
        still = [region for region in task.avoid if region.top_speed == 0]
        free = self._free(still, 0.0)
        graph = self._graph(free)
        stops = [self._index(task.start, free), *(None for _ in task.visit)]
        goal = self._index(task.goal, free)
        if stops[0] is None or goal is None:
            return float("inf")
        visits = [self._inside(region, free) for region in task.visit]
        return min(
            self._tour(graph, stops[0], [visits[k] for k in order], goal)
            for order in itertools.permutations(range(len(visits)))
        )

    def connected(self, task: Task) -> bool:
        """Whether a way leads from start to goal, past what stays, without cutting corners."""
        free = self._free([region for region in task.avoid if region.top_speed == 0], 0.0)
        ends = self._index(task.start, free), self._index(task.goal, free)
        if None in ends:
            return False
        parts, _ = label(free)
        return bool(parts.flat[ends[0]] == parts.flat[ends[1]])

    def passable(self, task: Task, duration: float) -> bool:
        """Whether the goal can be reached within a time [s], among regions that move."""
        reached = np.zeros((2 ** len(task.visit), *self.shape), dtype=bool)
        free = self._free(task.avoid, 0.0)
        begin, end = (self._index(place, self._walls) for place in (task.start, task.goal))
        if begin is None or end is None or not free.flat[begin]:
            return False
        reached[0].flat[begin] = True
        inside = [self._inside(region, self._walls) for region in task.visit]
        reach = min(task.speed, SPEED) * TICK / SPACING
        disc = np.hypot(*np.meshgrid(*[np.arange(-int(reach), int(reach) + 1)] * 2)) <= reach
        for tick in range(1, round(duration / TICK) + 1):
            free = self._free(task.avoid, tick * TICK)
            for layer in range(len(reached)):
                if reached[layer].any():
                    reached[layer] = binary_dilation(reached[layer], disc) & free
            for layer, (k, region) in itertools.product(range(len(reached)), enumerate(inside)):
                if not layer >> k & 1:
                    reached[layer | 1 << k] |= reached[layer] & region
            if reached[-1].flat[end]:
                return True
        return False

    def _free(self, avoid: Sequence[Region], time: float) -> NDArray[np.bool_]:
        free = self._walls.copy()
        points = torch.from_numpy(self.points)
        times = torch.full(self.shape, time, dtype=torch.float64)
        for region in avoid:
            away = region.signed_distance(points, times).numpy() - ROBOT_RADIUS
            free &= away >= CLEARANCE
        return free

    def _inside(self, region: Region, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
        times = torch.zeros(self.shape, dtype=torch.float64)
        inside: NDArray[np.bool_] = (
            region.signed_distance(torch.from_numpy(self.points), times).numpy() < -NEAR
        )
        return inside & free

    def _index(self, place: Array, free: NDArray[np.bool_]) -> int | None:
        away = np.where(free, np.linalg.norm(self.points - place, axis=-1), np.inf)
        return int(away.argmin()) if away.min() < NEAR else None

    @functools.cached_property
    def _links(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], float]]:
        """Pairs of neighbours on the grid and their distance [m]."""
        number = np.arange(np.prod(self.shape)).reshape(self.shape)
        return [
            (number[:-1].ravel(), number[1:].ravel(), SPACING),
            (number[:, :-1].ravel(), number[:, 1:].ravel(), SPACING),
            (number[:-1, :-1].ravel(), number[1:, 1:].ravel(), SPACING * 2**0.5),
            (number[1:, :-1].ravel(), number[:-1, 1:].ravel(), SPACING * 2**0.5),
        ]

    def _graph(self, free: NDArray[np.bool_]) -> csr_array:
        flat = free.ravel()
        rows, columns, lengths = [], [], []
        for a, b, length in self._links:
            both = flat[a] & flat[b]
            rows.append(a[both])
            columns.append(b[both])
            lengths.append(np.full(both.sum(), length))
        data, row, column = (np.concatenate(part) for part in (lengths, rows, columns))
        return csr_array((data, (row, column)), shape=(flat.size, flat.size))

    def _tour(
        self, graph: csr_array, start: int, visits: Sequence[NDArray[np.bool_]], goal: int
    ) -> float:
        """Shortest way through one place of each visit in turn."""
        place, gone = start, 0.0
        for region in visits:
            reached = dijkstra(graph, directed=False, indices=place)
            away = np.where(region.ravel(), reached, np.inf)
            place = int(away.argmin())
            gone += float(away[place])
        if not np.isfinite(gone):
            return float("inf")
        return gone + float(dijkstra(graph, directed=False, indices=place)[goal])


@functools.lru_cache(maxsize=4)
def free_space(maze: Maze) -> FreeSpace:
    """The grid of a maze, made once."""
    return FreeSpace(maze)
