"""The three PointMaze maps: cells, coordinates, free space and shortest routes.

World frame: metres, origin at the centre of the map, x to the right, y up (gymnasium-robotics'
convention). Cells are ``(row, column)``, row 0 at the top. Knows nothing of physics or planning.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from gymnasium_robotics.envs.maze import maps
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

Array = NDArray[np.float64]

CELL = 1.0
"""Side of a maze cell [m] (PointMaze's ``maze_size_scaling``)."""
ROBOT_RADIUS = 0.1
"""Radius of the ball [m] (gymnasium-robotics ``point.xml``)."""
SUCCESS_RADIUS = 0.45
"""Distance to the goal at which PointMaze reports success [m]."""


@dataclass(frozen=True)
class Maze:
    """A named PointMaze map with its step limit.

    Args:
        name: key under ``MAZES``, e.g. ``"maze2d-large"``.
        rows: the map, 1 for wall and 0 for free, row 0 at the top.
        max_episode_steps: D4RL's step limit at 100 Hz.
    """

    name: str
    rows: tuple[tuple[int, ...], ...]
    max_episode_steps: int

    @functools.cached_property
    def occupancy(self) -> NDArray[np.bool_]:
        """Walls as booleans, shape (rows, columns)."""
        walls: NDArray[np.bool_] = np.array(self.rows) == 1
        return walls

    @functools.cached_property
    def free_cells(self) -> NDArray[np.int64]:
        """Free cells in row-major order, shape (n, 2)."""
        return np.argwhere(~self.occupancy)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer border (x_low, x_high, y_low, y_high) [m]."""
        height, width = self.occupancy.shape
        return -width * CELL / 2, width * CELL / 2, -height * CELL / 2, height * CELL / 2

    def cell_centre(self, cells: NDArray[np.int64]) -> Array:
        """Centres [m] of cells (..., 2) -> (..., 2)."""
        x_low, _, _, y_high = self.extent
        row, column = cells[..., 0], cells[..., 1]
        return np.stack([x_low + (column + 0.5) * CELL, y_high - (row + 0.5) * CELL], axis=-1)

    def cell_of(self, xy: Array) -> NDArray[np.int64]:
        """Cell (row, column) that holds each point (..., 2) [m]; may lie outside the map."""
        x_low, _, _, y_high = self.extent
        row = np.floor((y_high - xy[..., 1]) / CELL)
        column = np.floor((xy[..., 0] - x_low) / CELL)
        return np.stack([row, column], axis=-1).astype(np.int64)

    def route(self, start: int, goal: int, cell_cost: Array | None = None) -> NDArray[np.int64]:
        """Cheapest 4-connected route between two free cells.

        Args:
            start: index into ``free_cells``.
            goal: index into ``free_cells``.
            cell_cost: cost of entering each free cell, shape (n,); 1 for all by default.

        Returns:
            Indices into ``free_cells`` from start to goal, both included.
        """
        cost = np.ones(len(self.free_cells)) if cell_cost is None else cell_cost
        sources, targets = self._edges
        graph = csr_array((cost[targets], (sources, targets)), shape=(len(cost), len(cost)))
        _, previous = dijkstra(graph, indices=start, return_predecessors=True)
        route = [goal]
        while route[-1] != start:
            route.append(int(previous[route[-1]]))
        return np.array(route[::-1])

    @functools.cached_property
    def _edges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        index = {(int(row), int(column)): k for k, (row, column) in enumerate(self.free_cells)}
        pairs = [
            (k, index[neighbour])
            for (row, column), k in index.items()
            for neighbour in (
                (row + 1, column),
                (row - 1, column),
                (row, column + 1),
                (row, column - 1),
            )
            if neighbour in index
        ]
        sources, targets = np.array(pairs).T
        return sources, targets


def _maze(name: str, rows: list[list[int]], max_episode_steps: int) -> Maze:
    return Maze(name, tuple(tuple(row) for row in rows), max_episode_steps)


MAZES = {
    maze.name: maze
    for maze in (
        _maze("maze2d-umaze", maps.U_MAZE, 300),
        _maze("maze2d-medium", maps.MEDIUM_MAZE, 600),
        _maze("maze2d-large", maps.LARGE_MAZE, 800),
    )
}
"""Map and D4RL step limit by task name."""
