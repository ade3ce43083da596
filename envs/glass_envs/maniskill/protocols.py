"""Draws the scenes of the ManiSkill safety protocols: hard for the prior, and proven solvable.

    pick_static    two or three spheres or boxes where the unguided arm goes, between start, cube
                   and goal
    pick_goal      a region off the cube's routes that it has to pass before its goal
    stack_static   as pick_static, with another cube to be put upon
    stack_hybrid   one that stays, one that crosses, a region for the cube, a speed limit

Where ManiSkill puts cubes and goals by itself, obstacles are drawn from the routes of an unguided
prior; ``motions`` keeps only scenes with a way of enough clearance. What is drawn is kept in a
file, so that a protocol does not depend on any of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from glass_envs.maniskill.motions import Errand, centers_at, gap, held, solution
from glass_envs.maniskill.tasks import task_named
from glass_envs.maniskill.world import ManiSkill
from glass_plan.bodies import spheres_of, tool_way
from glass_plan.constraints import (
    All,
    Avoid,
    Ball,
    Box,
    Constraint,
    Moving,
    Reach,
    Region,
    SpeedLimit,
)
from glass_plan.layout import Trajectory
from glass_plan.protocols import Scene
from glass_plan.robots import PANDA

Array = NDArray[np.float64]

KINDS = ("pick_static", "pick_goal", "stack_static", "stack_hybrid")
PLACED = {"pick-cube": ("cube", "goal_site"), "stack-cube": ("cubeA", "cubeB")}
"""Actors that a scene places, by the task: what is moved, and where to."""
SIZES = (0.03, 0.06)
"""Diameter of a sphere, side of a box [m]."""
AROUND = 0.1
"""Of the tool's routes, how far from them obstacles are looked for [m]."""
PROPOSALS = 60
"""Places that are looked at for one obstacle."""
HIT = 0.4
"""Share of the unguided routes that an obstacle stops, at least."""
CROSSED = 0.25
"""Share of the unguided routes that meet what crosses, at least."""
ABOVE_TABLE = 0.01
"""Of obstacles [m]."""
ROOM = 0.02
"""Between an obstacle and the body at the start, at the grasp and at the end [m]."""
APART = 0.06
"""Between the middles of two obstacles [m]."""
VISIT_RADIUS = 0.03
OFF_ROUTE = 0.06
"""Distance [m] of a region to visit from all but a tenth of the cube's routes."""
NEAR_ROUTE = 0.12
"""Distance [m] of such a region from one of the routes at most, where there is more to be done."""
VISIT_WITHIN = ((-0.15, -0.2, 0.1), (0.1, 0.2, 0.3))
"""Corners of the space for regions to visit [m]: over the table, in the arm's reach."""
SWINGS, CROSSING_SPEEDS = (0.06, 0.15), (0.03, 0.1)
"""Length of the path of what crosses [m], and its speed [m/s]."""
SPEED_LIMIT = 0.25
"""Of the tool [m/s], in hybrid scenes."""
FAR = 0.06
"""From the cube to its goal at least [m]."""
ATTEMPTS = 100


@dataclass(frozen=True)
class Sketch:
    """A scene in the making.

    Args:
        rng: of all draws.
        errand: what has to be done.
        routes: unguided plans (N, H, D).
        free: configurations that have to stay free: (C, S, 3) [m] of the body's spheres.
    """

    rng: np.random.Generator
    errand: Errand
    routes: Trajectory
    free: torch.Tensor


Draw = Callable[[Array, Array, int], Trajectory]
"""Unguided plans (N, H, D) from a state to a goal, by seed."""


def draw_scene(kind: str, env: ManiSkill, routes: Draw, seed: int) -> Scene:
    """A solvable scene of one of ``KINDS``.

    Args:
        kind: of protocol.
        env: of its task.
        routes: of the unguided prior.
        seed: of the scene.

    Raises:
        RuntimeError: no such scene was found in ``ATTEMPTS`` draws.
    """
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    for attempt in range(ATTEMPTS):
        observation, _ = env.reset(seed=int(rng.integers(2**31)))
        options = placed(env, observation)
        errand = errand_of(options)
        free = held(errand)
        if free is None or np.linalg.norm(errand.goal - errand.cube) < FAR:
            continue
        drawn = routes(state_of(options), errand.goal, seed * ATTEMPTS + attempt)
        parts = _PARTS[kind](Sketch(rng, errand, drawn, centers_at(*free)))
        if parts is not None and solution(asked_of(errand, parts), seed) is not None:
            return Scene(seed, options, All(parts))
    raise RuntimeError(f"{kind}: no solvable scene in {ATTEMPTS} draws (seed {seed})")


def placed(env: ManiSkill, observation: dict[str, Array]) -> dict[str, tuple[float, ...]]:
    """Options that bring the same scene about.

    Args:
        env: of one of the tasks.
        observation: of its start.
    """
    values, observed = observation["observation"], env.observed
    name = next(name for name in PLACED if task_named(name) == env.task)
    entries = {"joints": "qpos"} | dict(
        zip(PLACED[name], (env.task.achieved, env.task.desired), strict=True)
    )
    return {
        option: tuple(float(v) for v in np.round(values[observed.slice(entry)], 5))
        for option, entry in entries.items()
    }


def errand_of(options: Mapping[str, tuple[float, ...]]) -> Errand:
    """What has to be done in a scene, past nothing."""
    name = next(name for name, actors in PLACED.items() if set(actors) <= options.keys())
    cube, goal = (np.array(options[actor][:3]) for actor in PLACED[name])
    goal = goal + np.array(task_named(name).offset)
    return Errand(np.array(options["joints"][:7]), cube, goal, above=name == "stack-cube")


def state_of(options: Mapping[str, tuple[float, ...]]) -> Array:
    """What a plan begins with in a scene: joints, gripper and cube (``robots.PANDA``)."""
    joints = options["joints"]
    return np.array([*joints[:7], np.mean(joints[7:]), *errand_of(options).cube])


def asked_of(errand: Errand, parts: Iterable[Constraint]) -> Errand:
    """An errand past what some constraints say; what moves is in the way all along its path."""
    parts = tuple(parts)
    avoid = [region for part in parts if isinstance(part, Avoid) for region in swept(part.region)]
    visit = [
        np.array(part.region.center)
        for part in parts
        if isinstance(part, Reach) and isinstance(part.region, Ball)
    ]
    return replace(errand, avoid=avoid, visit=visit)


def swept(region: Region) -> list[Region]:
    """Places that a region takes, 1 cm apart; what moves goes round."""
    if not isinstance(region, Moving):
        return [region]
    shape = region.shape
    assert isinstance(shape, Ball)
    corners = [np.array(point) for point in (*region.waypoints, region.waypoints[0])]
    path = np.concatenate(
        [
            np.linspace(begin, end, int(np.linalg.norm(end - begin) / 0.01) + 2)
            for begin, end in itertools.pairwise(corners)
        ]
    )
    return [Ball(tuple(np.add(shape.center, place).tolist()), shape.radius) for place in path]


def _static(sketch: Sketch) -> tuple[Constraint, ...] | None:
    regions = _obstacles(sketch, int(sketch.rng.integers(2, 4)))
    return None if regions is None else _avoided(regions)


def _goal(sketch: Sketch) -> tuple[Constraint, ...] | None:
    visit = _visit(sketch)
    return None if visit is None else (visit,)


def _hybrid(sketch: Sketch) -> tuple[Constraint, ...] | None:
    regions, crossing = _obstacles(sketch, 1), _crossing(sketch)
    visit = _visit(sketch, farthest=NEAR_ROUTE)
    if regions is None or crossing is None or visit is None:
        return None
    return (*_avoided([*regions, crossing]), visit, SpeedLimit(SPEED_LIMIT))


_PARTS = dict(zip(KINDS, (_static, _goal, _static, _hybrid), strict=True))


def _avoided(regions: list[Region]) -> tuple[Constraint, ...]:
    return tuple(Avoid(region).named(f"obstacle_{k + 1}") for k, region in enumerate(regions))


def _obstacles(sketch: Sketch, count: int) -> list[Region] | None:
    """Spheres and boxes that stop many routes, apart from each other."""
    rng, routes = sketch.rng, _centers(sketch.routes)
    tools = _tool(sketch.routes)
    found, middles = list[Region](), list[Array]()
    for _ in range(PROPOSALS * count):
        way = tools[rng.integers(len(tools))]
        middle = np.round(way[rng.integers(len(way))] + rng.uniform(-AROUND, AROUND, 3), 3)
        half = round(float(rng.uniform(*SIZES)) / 2, 4)
        region = _upright(middle, half) if rng.random() < 0.5 else Ball(_point(middle), half)
        if middle[2] - half < ABOVE_TABLE or any(
            np.linalg.norm(middle - other) < APART for other in middles
        ):
            continue
        if float(gap(region, sketch.free).amin()) < ROOM:
            continue
        if float((gap(region, routes).amin(-1) < 0).double().mean()) >= HIT:
            found.append(region)
            middles.append(middle)
        if len(found) == count:
            return found
    return None


def _upright(middle: Array, half: float) -> Box:
    return Box(_point(middle - half), _point(middle + half))


def _crossing(sketch: Sketch) -> Moving | None:
    """A sphere that swings to and fro through the arm's routes, and is there when they are."""
    rng, tools = sketch.rng, _tool(sketch.routes)
    times = sketch.routes.times.numpy()
    for _ in range(PROPOSALS):
        n, k = int(rng.integers(len(tools))), int(rng.integers(4, tools.shape[1] - 4))
        middle = np.round(tools[n, k] + rng.uniform(-AROUND, AROUND, 3), 3)
        angle, swing = rng.uniform(0, np.pi), rng.uniform(*SWINGS)
        across = np.array([np.cos(angle), np.sin(angle), 0.0])
        radius = round(float(rng.uniform(*SIZES)) / 2, 4)
        if middle[2] - radius < ABOVE_TABLE:
            continue
        points = _swing(middle, across * swing, rng.uniform(*CROSSING_SPEEDS), times[n, k])
        if points is None:
            continue
        speed, waypoints = points
        moving = Moving(Ball((0.0, 0.0, 0.0), radius), waypoints, speed=speed, loop=True)
        if min(float(gap(region, sketch.free).amin()) for region in swept(moving)) < ROOM:
            continue
        hit = Avoid(moving).margin(sketch.routes) < 0
        if float(hit.double().mean()) >= CROSSED:
            return moving
    return None


def _swing(
    middle: Array, across: Array, speed: float, time: float
) -> tuple[float, tuple[tuple[float, ...], ...]] | None:
    """Speed and waypoints to and fro over ``across``, in the middle at a time; None by bad luck."""
    speed, length = round(float(speed), 3), float(np.linalg.norm(across))
    ends = middle - across / 2, middle + across / 2
    gone = (length / 2 - speed * time) % (2 * length)  # along the round, from the first end
    if gone < length:
        begin, order = ends[0] + across * gone / length, (ends[1], ends[0])
    else:
        begin, order = ends[1] - across * (gone - length) / length, (ends[0], ends[1])
    points = tuple(_point(p) for p in (begin, *order))
    return (speed, points) if len(set(points)) == len(points) else None


def _visit(sketch: Sketch, farthest: float = np.inf) -> Constraint | None:
    """A region off the cube's routes, at most so far [m] from one, which the cube has to pass."""
    rng, ways = sketch.rng, sketch.routes.channel("object").double().numpy()
    for _ in range(PROPOSALS):
        middle = np.round(rng.uniform(*VISIT_WITHIN), 3)
        off = np.linalg.norm(ways - middle, axis=-1).min(1)
        ends = min(np.linalg.norm(middle - end) for end in (sketch.errand.cube, sketch.errand.goal))
        near = off.min() < farthest
        if np.quantile(off, 0.1) > OFF_ROUTE and ends > OFF_ROUTE and near:
            return Reach(Ball(_point(middle), VISIT_RADIUS), of="object").named("visit")
    return None


def _centers(routes: Trajectory) -> torch.Tensor:
    """Of the body's spheres at the waypoints and the middles between them, (N, K, S, 3) [m]."""
    x = routes.x.double()
    x = torch.cat([x, (x[:, 1:] + x[:, :-1]) / 2], dim=1)
    return spheres_of(PANDA, tool=False, dtype=x.dtype, device=x.device).centers(x)


def _tool(routes: Trajectory) -> Array:
    """Where the tool's point is at the waypoints, (N, H, 3) [m]."""
    return np.asarray(tool_way(replace(routes, x=routes.x.double())).numpy())


def _point(place: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 4) for v in place)
    return x, y, z
