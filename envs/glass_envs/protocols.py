"""Draws the scenes of the Maze2D safety protocols: hard for the prior, and proven solvable.

    static   two to four discs on the routes that the unguided prior takes; half of the scenes have
             the shortest way blocked
    goal     two regions to visit off those routes, and the final goal
    dynamic  two or three discs that cross the routes just when the unguided prior is there
    hybrid   one or two discs that stay, one that crosses, one region to visit, a speed limit

A scene is decided by its seed and the prior's routes; what is drawn is kept in a file, so that a
protocol does not depend on either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from glass_envs.freespace import SPEED, Task, free_space
from glass_envs.mazes import ROBOT_RADIUS, Array, Maze
from glass_envs.scenes import APART, END_CLEARANCE, place_discs
from glass_plan.constraints import All, Avoid, Ball, Constraint, Moving, Reach, Region, SpeedLimit
from glass_plan.protocols import PLACES, Scene

KINDS = ("static", "goal", "dynamic", "hybrid")
DURATION = {"static": 12.0, "goal": 15.0, "dynamic": 12.0, "hybrid": 18.0}
"""Of an episode [s]."""
SPEED_LIMIT = 2.5
"""Of hybrid scenes [m/s]; the demonstrations drive at up to 4.4."""
RADII = (0.2, 0.4)
"""Of the discs [m]."""
CROSSING_RADII = (0.15, 0.25)
"""Of those that move [m]: in a corridor of 1 m there has to be room to let them pass."""
CROSSING_SPEEDS = (0.4, 1.2)
"""[m/s]."""
SWINGS = (0.9, 1.6)
"""Length of the path of a crossing disc [m]."""
VISIT_RADIUS = 0.3
ROUTE = (5.0, 14.0)
"""Shortest and longest way from start to goal [m]."""
LONGEST = 20.0
"""Longest way of a solution [m]: what the prior's horizon holds with room to spare."""
BLOCKED = 1.1
"""A way is blocked where the discs make it longer by this factor."""
OFF_ROUTE = 0.9
"""Distance [m] of a region to visit from all but a tenth of the prior's routes."""
ATTEMPTS = 400


@dataclass(frozen=True)
class Routes:
    """Unguided drives of the prior.

    Args:
        positions: (N, H, 2) [m].
        times: (N, H) [s].
    """

    positions: Array
    times: Array


Draw = Callable[[Array, Array, int], Routes]
"""Unguided drives from a start (2,) to a goal (2,), by seed."""


@dataclass(frozen=True)
class Sketch:
    """A scene in the making."""

    rng: np.random.Generator
    start: Array
    goal: Array
    routes: Routes


def draw_scene(kind: str, maze: Maze, routes: Draw, seed: int) -> Scene:
    """A solvable scene of one of ``KINDS``.

    Raises:
        RuntimeError: no such scene was found in ``ATTEMPTS`` draws.
    """
    rng, space = np.random.default_rng((seed, KINDS.index(kind))), free_space(maze)
    wants_block = rng.random() < 0.5
    for attempt in range(ATTEMPTS):
        cells = maze.free_cells[rng.choice(len(maze.free_cells), 2, replace=False)]
        start, goal = maze.cell_centre(cells) + rng.uniform(-0.25, 0.25, (2, 2))
        direct = space.shortest(Task(start, goal))
        if not ROUTE[0] <= direct <= ROUTE[1]:
            continue
        sketch = Sketch(rng, start, goal, routes(start, goal, seed * ATTEMPTS + attempt))
        parts = _PARTS[kind](sketch, maze)
        if parts is None:
            continue
        task = _task(start, goal, parts)
        length = space.shortest(task)
        blocked = length > BLOCKED * direct
        if length > LONGEST or (kind == "static" and blocked != wants_block):
            continue
        if space.passable(task, DURATION[kind] - 2.0):
            ends = [(float(p[0]), float(p[1])) for p in (start, goal)]
            options = dict(zip(PLACES, ends, strict=True))
            return Scene(seed, options, All(parts), round(length, 2))
    raise RuntimeError(f"{kind}: no solvable scene in {ATTEMPTS} draws (seed {seed})")


def task_of(scene: Scene) -> Task:
    """What a scene asks for, as solvability is checked."""
    parts = tuple(scene.constraints.parts().values())
    start, goal = (np.array(scene.options[key]) for key in PLACES)
    return _task(start, goal, parts)


def _task(start: Array, goal: Array, parts: tuple[Constraint, ...]) -> Task:
    return Task(
        start,
        goal,
        avoid=[part.region for part in parts if isinstance(part, Avoid)],
        visit=[part.region for part in parts if isinstance(part, Reach)],
        speed=min([part.limit for part in parts if isinstance(part, SpeedLimit)], default=SPEED),
    )


def _static(sketch: Sketch, maze: Maze) -> tuple[Constraint, ...] | None:
    discs = _discs(sketch, int(sketch.rng.integers(2, 5)))
    return None if discs is None else _avoided(discs)


def _goal(sketch: Sketch, maze: Maze) -> tuple[Constraint, ...] | None:
    return _visits(sketch, maze, 2)


def _dynamic(sketch: Sketch, maze: Maze) -> tuple[Constraint, ...] | None:
    crossing = _crossings(sketch, int(sketch.rng.integers(2, 4)))
    return None if crossing is None else _avoided(crossing)


def _hybrid(sketch: Sketch, maze: Maze) -> tuple[Constraint, ...] | None:
    discs = _discs(sketch, int(sketch.rng.integers(1, 3)))
    crossing, visits = _crossings(sketch, 1), _visits(sketch, maze, 1)
    if discs is None or crossing is None or visits is None:
        return None
    return (*_avoided([*discs, *crossing]), *visits, SpeedLimit(SPEED_LIMIT))


_PARTS = {"static": _static, "goal": _goal, "dynamic": _dynamic, "hybrid": _hybrid}


def _avoided(regions: list[Region]) -> tuple[Constraint, ...]:
    return tuple(Avoid(region).named(f"disc_{k + 1}") for k, region in enumerate(regions))


def _discs(sketch: Sketch, count: int) -> list[Region] | None:
    """Discs that stay on the routes."""
    ends = sketch.start, sketch.goal
    placed = place_discs(sketch.rng, sketch.routes.positions, ends, count, RADII)
    if placed is None:
        return None
    return [Ball(_point(disc[:2]), round(float(disc[2]), 3)) for disc in placed]


def _crossings(sketch: Sketch, count: int) -> list[Region] | None:
    """Discs that swing across random routes and meet the prior there."""
    rng, routes = sketch.rng, sketch.routes
    crossings, placed = list[Region](), list[Array]()
    for _ in range(20 * count):
        which = rng.integers(len(routes.positions))
        way, times = routes.positions[which], routes.times[which]
        k = int(rng.integers(2, len(way) - 2))
        step = way[k + 1] - way[k - 1]
        length = np.linalg.norm(step)
        radius, swing = rng.uniform(*CROSSING_RADII), rng.uniform(*SWINGS)
        reach = radius + swing / 2
        apart = all(np.linalg.norm(way[k] - other) > APART for other in placed)
        if length > 0.2 and apart and _clear_of_ends(sketch, way[k], reach):
            across = np.array([-step[1], step[0]]) / length * rng.choice([-1, 1])
            path = _swing(way[k], across, swing, rng.uniform(*CROSSING_SPEEDS), times[k], radius)
            crossings.append(path)
            placed.append(way[k])
        if len(crossings) == count:
            return crossings
    return None


def _swing(
    centre: Array, across: Array, swing: float, speed: float, time: float, radius: float
) -> Moving:
    """To and fro through a centre, where the disc is at a time, on its way along ``across``."""
    speed = round(float(speed), 2)
    ends = centre - across * swing / 2, centre + across * swing / 2
    gone = (swing / 2 - speed * time) % (2 * swing)  # along the round, from the first end
    if gone < swing:
        begin, order = ends[0] + across * gone, (ends[1], ends[0])
    else:
        begin, order = ends[1] - across * (gone - swing), (ends[0], ends[1])
    waypoints = tuple(_point(p) for p in (begin, *order))
    return Moving(Ball((0.0, 0.0), round(float(radius), 3)), waypoints, speed=speed, loop=True)


def _visits(sketch: Sketch, maze: Maze, count: int) -> tuple[Constraint, ...] | None:
    """Regions in cells off the routes and away from each other and both ends."""
    rng, positions = sketch.rng, sketch.routes.positions
    chosen: list[Array] = []
    for cell in rng.permutation(maze.free_cells):
        centre = maze.cell_centre(cell) + rng.uniform(-0.1, 0.1, 2)
        off = np.linalg.norm(positions - centre, axis=-1).min(1)
        others = [sketch.start, sketch.goal, *chosen]
        apart = min(np.linalg.norm(centre - other) for other in others)
        if np.quantile(off, 0.1) > OFF_ROUTE and apart > 1.5:
            chosen.append(centre)
        if len(chosen) == count:
            return tuple(
                Reach(Ball(_point(at), VISIT_RADIUS)).named(f"visit_{k + 1}")
                for k, at in enumerate(chosen)
            )
    return None


def _clear_of_ends(sketch: Sketch, centre: Array, radius: float) -> bool:
    away = min(np.linalg.norm(centre - end) for end in (sketch.start, sketch.goal))
    return bool(away - radius - ROBOT_RADIUS > END_CLEARANCE)


def _point(place: Array) -> tuple[float, float]:
    return round(float(place[0]), 3), round(float(place[1]), 3)
