"""Sampling-based motion planning by OMPL, as classical baselines: ways in the plane, no network.

A candidate is the shortest tour of the regions to be visited, in legs. Each leg is found by
RRT-Connect (Kuffner & LaValle 2000) or BIT* (Gammell et al. 2015), shortened and smoothed by OMPL's
``PathSimplifier`` (Sucan et al. 2012) and put on the prior's waypoints. A place p is free if

    min_r d_r(p, t) > radius + clearance,                                                       (1)

d_r the signed distances of walls and of what must be avoided. What moves is left out for some
candidates; for others it is where it is around the body's arrival, t = t_start + |way to p| / PACE.
Candidates differ by seed, clearance and that.

Searches end by iterations and each has a seed, so that plans repeat; OMPL has one generator of
seeds for the process, which is set before each search. Knows nothing of speeds and forces, nor of
constraints other than ``Avoid`` and visits: the planner retimes, judges and chooses, as for every
method.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from glass_plan.constraints import Avoid, Grid, Inflated, Region
from glass_plan.errors import MissingPackageError
from glass_plan.guidance.tours import Map, shortest_tour
from glass_plan.guidance.visits import resampled
from glass_plan.layout import Trajectory
from glass_plan.methods.base import Draw, Request

Array = NDArray[np.float64]
Kept = tuple[Region, float]
"""A region, and the distance to keep from it [m]."""

SPACING = 0.05
"""Of the nodes of the map of distances, and of checks along a way [m]."""
ITERATIONS = {"RRTConnect": 20_000, "BITstar": 3_000}
"""Most of a search: RRT-Connect ends at the first way, BIT* goes on making it shorter."""
PACE = 2.5
"""Speed [m/s] at which arrivals are foreseen, if no lower one is declared."""
EITHER_SIDE = 0.2
"""Time [s] before and after an arrival for which what moves is in the way."""
VARIANTS = ((0.1, True), (0.06, False), (0.15, True), (0.06, True), (0.1, False), (0.2, False))
"""Clearance [m] of one candidate after the other, and whether what moves is in the way."""
WAY_SPACING = 0.2
"""Of the waypoints [m]: half of the prior's, since less is cut off corners."""
SLACK = 1e-3
"""A start or an end that has less than the clearance is free by this much [m]."""


def _draw(request: Request, planner: str) -> Draw:
    """``particles`` candidates; a straight leg stands for one to which no way is found."""
    request.needs_positions("ompl")
    prior, count = request.denoise.prior, request.sampling.particles
    pinned = prior.pin(torch.zeros(1, *prior.shape).to(request.x), request.denoise.pinned)
    world = prior.to_world(pinned, request.t_start)
    start, end = world.channel("position")[0, [0, -1]].double().cpu().numpy()
    scene = Scene.of(request)
    tours = request.visits.tours if request.visits is not None else ()
    places = [stop.place for stop in shortest_tour(start, end, tours, scene.chart)]
    seeds = torch.randint(1, 2**30, (count,), generator=request.generator).tolist()
    ways = list[Array]()
    for seed, (clearance, moving) in zip(seeds, itertools.cycle(VARIANTS), strict=False):
        if ways and request.expired():
            break
        asked = replace(scene, clearance=clearance, moving=scene.moving if moving else ())
        way = asked.tour([start, *places, end], planner, seed)
        ways.append(resampled(way, prior.horizon, WAY_SPACING))
    x = world.x.repeat(len(ways), 1, 1)
    x[..., world.layout.slice("position")] = torch.from_numpy(np.stack(ways)).to(x)
    drawn = prior.from_world(Trajectory(x, world.layout, request.t_start))
    return Draw(prior.pin(drawn, request.denoise.pinned), (), finished=len(ways) == count)


rrt_connect = partial(_draw, planner="RRTConnect")
"""The first way that is found."""
bit_star = partial(_draw, planner="BITstar")
"""Nearly the shortest way."""


@dataclass(frozen=True)
class Scene:
    """What is in the way.

    Args:
        walls: the map.
        still: what must be avoided and stays.
        moving: what moves.
        radius: of the body [m].
        t_start: now [s].
        pace: of the body [m/s].
        clearance: between the body and everything [m].
    """

    walls: Grid
    still: tuple[Kept, ...]
    moving: tuple[Kept, ...]
    radius: float
    t_start: float
    pace: float
    clearance: float = 0.0

    @classmethod
    def of(cls, request: Request) -> Scene:
        """What a request says."""
        first, *others = (part for part in request.parts.values() if isinstance(part, Avoid))
        assert isinstance(first.region, Grid)  # the walls
        kept = [(part.region, part.clearance) for part in others]
        return cls(
            walls=first.region,
            still=tuple(pair for pair in kept if pair[0].top_speed == 0),
            moving=tuple(pair for pair in kept if pair[0].top_speed > 0),
            radius=request.denoise.prior.layout.radius,
            t_start=request.t_start,
            pace=min(PACE, request.max_speed or PACE),
        )

    @property
    def chart(self) -> Map:
        """The map of what stays."""
        still = tuple(Inflated(region, kept) if kept else region for region, kept in self.still)
        return Map(self.walls, still, self.radius)

    def tour(self, places: list[Array], planner: str, seed: int) -> Array:
        """A way (M, 2) from the first of some places (2,) to the last, by all."""
        ways, gone = [places[0][None]], 0.0
        for k, (start, end) in enumerate(itertools.pairwise(places)):
            away = self.distances(start, gone)
            asked = min(self.clearance, *(away(*place) - SLACK for place in (start, end)))
            way = search(away, (start, end), asked, planner, seed + k)
            ways.append(way[1:])
            gone += float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())
        return np.concatenate(ways)

    def distances(self, start: Array, gone: float) -> Distances:
        """Of the body from everything, on a leg that begins after ``gone`` [m]."""
        points = _nodes(self.walls)
        away = _away(self.walls, self.still)
        if self.moving:
            way = self.chart.about(start).lengths(points.reshape(-1, 2).numpy())
            ahead = torch.from_numpy(way).reshape(away.shape).nan_to_num(posinf=0.0)
            arrival = self.t_start + (gone + ahead) / self.pace
            for (region, kept), late in itertools.product(self.moving, (-1, 0, 1)):
                found = region.signed_distance(points, arrival + late * EITHER_SIDE) - kept
                away = torch.minimum(away, found)
        low_x, low_y = points[0, 0].tolist()
        return Distances((low_x, low_y), (away - self.radius).tolist())


@dataclass(frozen=True)
class Distances:
    """The body's distance from everything, bilinear between the nodes of a map.

    Args:
        low: corner of the map, which is centred at the origin [m].
        nodes: values at nodes ``SPACING`` apart, by column and row [m].
    """

    low: tuple[float, float]
    nodes: list[list[float]]

    def __call__(self, x: float, y: float) -> float:
        """At a place inside the map [m]."""
        column, row = float(x - self.low[0]) / SPACING, float(y - self.low[1]) / SPACING
        i, j = int(column), int(row)
        u, v = column - i, row - j
        left, right = self.nodes[i], self.nodes[i + 1]
        below = left[j] + u * (right[j] - left[j])
        above = left[j + 1] + u * (right[j + 1] - left[j + 1])
        return below + v * (above - below)


@lru_cache(maxsize=8)
def _nodes(walls: Grid) -> Float[Tensor, "X Y 2"]:
    """Of the map of distances [m]."""
    sides = (len(walls.occupancy[0]) * walls.cell, len(walls.occupancy) * walls.cell)
    counts = [round(side / SPACING) + 1 for side in sides]
    axes = [
        torch.linspace(-side / 2, side / 2, count, dtype=torch.float64)
        for side, count in zip(sides, counts, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


@lru_cache(maxsize=8)
def _away(walls: Grid, still: tuple[Kept, ...]) -> Float[Tensor, "X Y"]:
    """Distance of the nodes from walls and from what stays [m]."""
    points = _nodes(walls)
    pairs = [(walls, 0.0), *still]
    return torch.stack(
        [region.signed_distance(points, points[..., 0]) - kept for region, kept in pairs]
    ).amin(0)


def search(
    away: Distances, ends: tuple[Array, Array], clearance: float, planner: str, seed: int
) -> Array:
    """A way (M, 2) between two places (2,); the straight line if none is found."""
    base, geometric, util = _ompl()
    util.RNG.setSeed(seed)
    info = _plane(away, lambda state: away(state[0], state[1]) > clearance)
    problem = base.ProblemDefinition(info)
    problem.setOptimizationObjective(base.PathLengthOptimizationObjective(info))
    problem.setStartAndGoalStates(*(_state(info, place) for place in ends))
    searching = getattr(geometric, planner)(info)
    searching.setProblemDefinition(problem)
    searching.setup()
    left = iter(range(ITERATIONS[planner]))
    searching.solve(base.PlannerTerminationCondition(lambda: next(left, None) is None))
    if not problem.hasExactSolution():
        return np.stack(ends)
    path = problem.getSolutionPath()
    geometric.PathSimplifier(info).simplifyMax(path)
    return np.array([[state[0], state[1]] for state in path.getStates()])


def _plane(away: Distances, free: Callable[[Any], bool]) -> Any:
    """OMPL's space of the places on a map."""
    base, _, _ = _ompl()
    space, bounds = base.RealVectorStateSpace(2), base.RealVectorBounds(2)
    for k, low in enumerate(away.low):
        bounds.setLow(k, low + SLACK)
        bounds.setHigh(k, -low - SLACK)
    space.setBounds(bounds)
    info = base.SpaceInformation(space)
    info.setStateValidityChecker(free)
    info.setStateValidityCheckingResolution(SPACING / space.getMaximumExtent())
    info.setup()
    return info


def _state(info: Any, place: Array) -> Any:
    state = info.allocState()
    state[0], state[1] = map(float, place)
    return state


@lru_cache(maxsize=1)
def _ompl() -> tuple[Any, Any, Any]:
    """OMPL's modules, silent.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        from ompl import base, geometric, util
    except ImportError as error:
        raise MissingPackageError("ompl", "baselines") from error
    util.setLogLevel(util.LogLevel.LOG_NONE)  # it calls every seed but the first an error
    return base, geometric, util
