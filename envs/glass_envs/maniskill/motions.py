"""Whether an arm can do a task past what is in the way: inverse kinematics and RRT-Connect.

Independent of any prior. The tool keeps the direction in which it begins. It goes over the cube,
straight down, and with the cube by all places to be visited to where it belongs; what moves is in
the way wherever it will be. Between these places OMPL's RRT-Connect (Kuffner & LaValle 2000)
searches joint values at which the whole body has the clearance.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import least_squares
from torch import Tensor

from glass_plan.bodies import spheres_of
from glass_plan.constraints import Region
from glass_plan.errors import MissingPackageError
from glass_plan.kinematics import Attached, attached
from glass_plan.robots import PANDA, joint_limits

Array = NDArray[np.float64]

OPEN, CLOSED = 0.04, 0.02
"""Way of the fingers from the middle before and after a cube is held [m]."""
OVER = 0.08
"""Height over a cube and over its place from which the tool comes straight down [m]."""
LEVER = 0.1
"""Distance of the points by which a direction is told [m]: 0.1 rad count as 0.01 m."""
NEAR = 2e-3
"""Distance from a place at which the tool is there [m]."""
FINE = 0.05
"""Between checks along a way [rad], all joints together."""
CHECKS = 3_000
"""Most of a search."""


@dataclass(frozen=True)
class Errand:
    """What an arm has to do.

    Args:
        joints: (7,) it begins with [rad].
        cube: where it lies [m].
        goal: where it belongs [m].
        avoid: what must not be touched.
        visit: places for the held cube, in any order [m].
        above: whether the cube has to come to its goal from straight above.
        clearance: to be kept from everything [m].
    """

    joints: Array
    cube: Array
    goal: Array
    avoid: Sequence[Region] = ()
    visit: Sequence[Array] = ()
    above: bool = False
    clearance: float = 0.01


def solution(errand: Errand, seed: int = 0) -> Array | None:
    """Joint values (K, 7) [rad] that do it, ``FINE`` apart at most; None if none was found.

    Raises:
        MissingPackageError: OMPL is not installed.
    """
    for order in itertools.permutations(errand.visit):
        stops = _stops(errand, order)
        if stops is None:
            continue
        ways = list[Array]()
        for k, (begin, end, gripper, straight) in enumerate(stops):
            free = _Free(tuple(errand.avoid), errand.clearance, gripper)
            way = _line(begin, end) if straight else _search(free, begin, end, seed + k)
            if way is None or not free(way).all():
                break
            ways.append(way)
        else:
            return np.concatenate(ways)
    return None


def held(errand: Errand) -> tuple[Array, Array] | None:
    """Joints (4, 7) and gripper (4,) at the start, the grasp (open, closed) and the end.

    Past nothing; None if one of them is out of reach.
    """
    stops = _stops(replace(errand, visit=()), ())
    if stops is None:
        return None
    grasp = next(end for _, end, gripper, straight in stops if straight and gripper == OPEN)
    joints = np.stack([errand.joints, grasp, grasp, stops[-1][1]])
    return joints, np.array([OPEN, OPEN, CLOSED, CLOSED])


def _stops(errand: Errand, order: Sequence[Array]) -> list[tuple[Array, Array, float, bool]] | None:
    """Ways from joints to joints (7,), with which gripper, and whether straight; None if beyond."""
    up = np.array([0.0, 0.0, OVER])
    lifted = errand.goal + up if errand.above else errand.goal
    places = [errand.cube + up, errand.cube, errand.cube + up, *order, lifted, errand.goal]
    joints = [errand.joints]
    turn = _turn(errand.joints)
    for place in places:
        found = _inverse(joints[-1], place, turn)
        if found is None:
            return None
        joints.append(found)
    straight = [False, True, True, *(False for _ in order), False, True]
    grippers = [OPEN, OPEN, *(CLOSED for _ in range(len(order) + 3))]
    pairs = itertools.pairwise(joints)
    return [
        (begin, end, gripper, line)
        for (begin, end), gripper, line in zip(pairs, grippers, straight, strict=True)
    ]


@dataclass(frozen=True)
class _Free:
    """Whether the body keeps its clearance [m], the fingers at a way from the middle [m]."""

    avoid: tuple[Region, ...]
    clearance: float
    gripper: float

    def __call__(self, joints: Array) -> NDArray[np.bool_]:
        """At joint values (K, 7), (K,)."""
        low, high = _limits()
        inside = ((joints > low) & (joints < high)).all(1)
        if not self.avoid:
            return np.asarray(inside)
        with torch.inference_mode():
            centers = centers_at(joints, np.full(len(joints), self.gripper))
            nearest = torch.stack([gap(region, centers) for region in self.avoid]).amin(0).numpy()
        return np.asarray(inside & (nearest > self.clearance))


def centers_at(joints: Array, gripper: Array) -> Float[Tensor, "K S 3"]:
    """Middles of the body's spheres [m], at joints (K, 7) and ways of the fingers (K,)."""
    x = torch.zeros(len(joints), PANDA.dim, dtype=torch.float64)
    x[:, PANDA.slice("joints")] = torch.from_numpy(joints)
    x[:, PANDA.slice("gripper")] = torch.from_numpy(gripper)[:, None]
    return spheres_of(PANDA, tool=False, dtype=x.dtype, device=x.device).centers(x)


def gap(region: Region, centers: Float[Tensor, "... S 3"]) -> Float[Tensor, "..."]:
    """Between a region and the body [m], of the middles of its spheres."""
    radii = spheres_of(PANDA, tool=False, dtype=centers.dtype, device=centers.device).radii
    return (region.signed_distance(centers, centers[..., 0]) - radii).amin(-1)


def _line(begin: Array, end: Array) -> Array:
    """Joint values (K, 7) ``FINE`` apart at most."""
    count = int(np.ceil(np.linalg.norm(end - begin) / FINE)) + 1
    return np.linspace(begin, end, max(count, 2))


def _search(free: _Free, begin: Array, end: Array, seed: int) -> Array | None:
    """Joint values (K, 7) from one to another."""
    line = _line(begin, end)
    if free(line).all():
        return line
    if not free(np.stack([begin, end])).all():
        return None
    base, geometric, util = _ompl()
    util.RNG.setSeed(seed + 1)
    space, bounds = base.RealVectorStateSpace(7), base.RealVectorBounds(7)
    for k, (low, high) in enumerate(zip(*_limits(), strict=True)):
        bounds.setLow(k, float(low))
        bounds.setHigh(k, float(high))
    space.setBounds(bounds)
    info = base.SpaceInformation(space)
    left = iter(range(CHECKS))

    def valid(state: Any) -> bool:
        next(left, None)
        return bool(free(np.array([[state[k] for k in range(7)]]))[0])

    info.setStateValidityChecker(valid)
    info.setStateValidityCheckingResolution(FINE / space.getMaximumExtent())
    info.setup()
    problem = base.ProblemDefinition(info)
    ends = [info.allocState(), info.allocState()]
    for state, values in zip(ends, (begin, end), strict=True):
        for k, value in enumerate(values):
            state[k] = float(value)
    problem.setStartAndGoalStates(*ends)
    planner = geometric.RRTConnect(info)
    planner.setProblemDefinition(problem)
    planner.setup()
    planner.solve(base.PlannerTerminationCondition(lambda: next(left, None) is None))
    if not problem.hasExactSolution():
        return None
    states = problem.getSolutionPath().getStates()
    nodes = [np.array([state[k] for k in range(7)]) for state in states]
    return np.concatenate([_line(a, b) for a, b in itertools.pairwise(nodes)])


def _inverse(near: Array, place: Array, turn: Array) -> Array | None:
    """Joint values (7,) near others, the tool at a place (3,) with a direction (3, 3)."""
    wanted = place + LEVER * np.concatenate([np.zeros((1, 3)), turn[:2]])
    low, high = _limits()
    found = least_squares(
        lambda q: np.concatenate([(_frame(q) - wanted).ravel(), 1e-4 * (q - near)]),
        np.clip(near, low + 1e-3, high - 1e-3),
        bounds=(low, high),
    )
    return found.x if np.linalg.norm(_frame(found.x) - wanted, axis=1).max() < NEAR else None


def _turn(joints: Array) -> Array:
    """The axes (3, 3) of the tool, a row each."""
    origin, x, y = _frame(joints)
    first, second = (x - origin) / LEVER, (y - origin) / LEVER
    return np.stack([first, second, np.cross(first, second)])


def _frame(joints: Array) -> Array:
    """The tool's point and the ends of two of its axes (3, 3) [m]."""
    q = torch.from_numpy(np.concatenate([joints, [OPEN, OPEN]]))
    with torch.inference_mode():
        return np.asarray(_tool().positions(q).numpy())


@lru_cache
def _tool() -> Attached:
    assert PANDA.body is not None
    places = ((0.0, 0.0, 0.0), (LEVER, 0.0, 0.0), (0.0, LEVER, 0.0))
    points = tuple(("panda_hand_tcp", place) for place in places)
    made, order = attached("panda", PANDA.body.base, points, torch.float64, torch.device("cpu"))
    assert order == (0, 1, 2)
    return made


@lru_cache
def _limits() -> tuple[Array, Array]:
    """Least and largest joint values (7,) [rad]."""
    low, high = zip(*list(joint_limits("panda").values())[:7], strict=True)
    return np.array(low), np.array(high)


@lru_cache(maxsize=1)
def _ompl() -> tuple[Any, Any, Any]:
    try:
        from ompl import base, geometric, util
    except ImportError as error:
        raise MissingPackageError("ompl", "baselines") from error
    util.setLogLevel(util.LogLevel.LOG_NONE)
    return base, geometric, util
