"""Maze scenes with ghost discs on the routes that a model likes, each proven solvable.

A scene is drawn by its seed from start, goal and the unguided routes between them. An independent
check (``freespace``) keeps only scenes with a way of enough clearance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glass_envs.freespace import Task, free_space
from glass_envs.mazes import ROBOT_RADIUS, Array, Maze
from glass_plan.constraints import Avoid, Ball, Constraint

END_CLEARANCE = 0.35
"""Between the robot's surface at start and goal and a disc [m]."""
RADIUS_RANGE = (0.15, 0.3)
"""Of the discs [m]."""
OFFSET = 0.12
"""Standard deviation of a disc's centre around the route [m]."""
APART = 1.0
"""Between the centres of two discs [m]."""
SHORTEST_ROUTE = 4.0
"""Way from start to goal [m] below which a scene is not drawn."""
ATTEMPTS = 200

Routes = Callable[[Array, Array, int], Array]
"""Unguided routes (N, H, 2) from a start (2,) to a goal (2,), by seed."""


@dataclass(frozen=True)
class Scene:
    """One task in a maze.

    Args:
        seed: it was drawn by.
        start: (x, y) [m], at rest.
        goal: (x, y) [m].
        discs: (x, y, radius) [m].
    """

    seed: int
    start: tuple[float, float]
    goal: tuple[float, float]
    discs: tuple[tuple[float, float, float], ...]

    @property
    def constraints(self) -> Constraint:
        """Avoid every disc."""
        parts = [
            Avoid(Ball((x, y), radius)).named(f"disc_{k + 1}")
            for k, (x, y, radius) in enumerate(self.discs)
        ]
        together: Constraint = parts[0]
        for part in parts[1:]:
            together = together & part
        return together


def draw_scene(maze: Maze, routes: Routes, seed: int, discs: int = 2) -> Scene:
    """A solvable scene with discs on unguided routes.

    Args:
        maze: the map.
        routes: of the unguided model.
        seed: of the scene.
        discs: how many.

    Raises:
        RuntimeError: no solvable scene was found in ``ATTEMPTS`` draws.
    """
    rng = np.random.default_rng(seed)
    for attempt in range(ATTEMPTS):
        cells = maze.free_cells[rng.choice(len(maze.free_cells), 2, replace=False)]
        start, goal = maze.cell_centre(cells) + rng.uniform(-0.25, 0.25, (2, 2))
        ways = routes(start, goal, seed * ATTEMPTS + attempt)
        if np.linalg.norm(np.diff(ways[0], axis=0), axis=1).sum() < SHORTEST_ROUTE:
            continue
        placed = place_discs(rng, ways, (start, goal), discs, RADIUS_RANGE)
        if placed is not None and solvable(maze, start, goal, placed):
            rows = tuple((float(x), float(y), float(r)) for x, y, r in placed)
            ends = [(float(p[0]), float(p[1])) for p in (start, goal)]
            return Scene(seed, ends[0], ends[1], rows)
    raise RuntimeError(f"scenes: no solvable scene in {ATTEMPTS} draws (seed {seed})")


def place_discs(
    rng: np.random.Generator,
    ways: Array,
    ends: tuple[Array, Array],
    count: int,
    radii: tuple[float, float],
) -> Array | None:
    """Discs (count, 3) on random routes (N, H, 2), clear of both ends and of each other, if any."""
    placed: list[Array] = []
    for _ in range(20 * count):
        way = ways[rng.integers(len(ways))]
        centre = way[rng.integers(len(way))] + rng.normal(0, OFFSET, 2)
        radius = rng.uniform(*radii)
        to_ends = min(np.linalg.norm(centre - end) for end in ends)
        apart = all(np.linalg.norm(centre - other[:2]) > APART for other in placed)
        if to_ends - radius - ROBOT_RADIUS > END_CLEARANCE and apart:
            placed.append(np.array([*centre, radius]))
        if len(placed) == count:
            return np.stack(placed)
    return None


def solvable(maze: Maze, start: Array, goal: Array, discs: Array) -> bool:
    """Whether a way exists past discs (x, y, radius), with the clearance of ``freespace``."""
    avoid = [Ball((float(x), float(y)), float(radius)) for x, y, radius in discs]
    return free_space(maze).connected(Task(start, goal, avoid))
