"""Triangle meshes of regions that have no shape of their own in a physics engine.

Flat faces are intersected exactly. Anything else is cut by rays from a middle m: each meets the
surface where the signed distance changes its sign, found by bisection. So all vertices lie on the
surface, a convex body is never drawn too large, and the region must be seen as a whole from m.
Knows nothing of simulators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial import HalfspaceIntersection

from glass_plan.constraints import Box, Ellipsoid, HalfSpace, Intersection, Region
from glass_plan.constraints.geometry import rotation_matrix
from glass_plan.errors import RequestError

Array = NDArray[np.float64]
Distance = Callable[[Array], Array]
"""Signed distance [m] of points (..., 3)."""

LOW, HIGH = np.array([-1.5, -1.5, -0.5]), np.array([1.5, 1.5, 1.5])
"""Corners of what is searched for a region, and drawn of an endless one [m]."""
LATTICE = 41
"""Points a side at which to look for the middle: 7.5 cm apart, refined three times."""
RAYS = trimesh.creation.icosphere(subdivisions=3)
"""642 of them, 9 degrees apart at most; between them a sharp edge is cut off."""
SAMPLES, BISECTIONS = 65, 40
"""Points of a ray at which to look for the surface, and halvings once it is found."""
INSIDE = 1e-9
"""Of a surface that is flat [m]."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface.

    Args:
        vertices: (V, 3) [m].
        triangles: (F, 3) indices, seen counter-clockwise from outside.
        convex: whether its hull is no larger.
    """

    vertices: Array
    triangles: NDArray[np.uint32]
    convex: bool


def mesh_of(region: Region, grow: float = 0.0) -> tuple[Mesh, tuple[float, ...]]:
    """A mesh of a region grown by a distance [m], about the middle that is returned with it.

    Raises:
        RequestError: the region changes with time, is not inside of ``LOW`` to ``HIGH``, or is not
            seen as a whole from its middle.
    """
    if region.top_speed > 0:
        raise RequestError(
            f"maniskill: cannot draw {region!r:.80}: it changes its shape with time; make Moving "
            "or the like the outermost, or leave out the rate of growth"
        )

    def distance(points: Array) -> Array:
        at = torch.tensor(points)
        return (region.signed_distance(at, torch.zeros_like(at[..., 0])) - grow).numpy()

    planes = _planes(region) if grow == 0 else None
    if planes is None:
        middle = _middle(region, distance)
        vertices = _cut(region, distance, middle)
    else:
        vertices, middle = _corners(region, planes)
    hull = trimesh.convex.convex_hull(vertices)
    convex = bool((distance(middle + hull.triangles_center) < INSIDE).all())
    body = hull if convex else trimesh.Trimesh(vertices, RAYS.faces, process=False)
    mesh = Mesh(np.asarray(body.vertices), np.asarray(body.faces, np.uint32), convex)
    return mesh, tuple(middle.tolist())


def _planes(region: Region) -> Array | None:
    """Rows (normal, -offset) of the planes that bound a region; None if it has other faces."""
    match region:
        case HalfSpace():
            return np.array([[*region.normal, -region.offset]])
        case Box():
            turn = np.array(rotation_matrix(region.rotation)) if region.rotation else np.eye(3)
            low, high = np.array(region.low), np.array(region.high)
            middle, half = (low + high) / 2, (high - low) / 2
            normals = np.concatenate([turn.T, -turn.T])  # columns of the turn are the box's axes
            offsets = normals @ middle + np.concatenate([half, half])
            return np.column_stack([normals, -offsets])
        case Intersection():
            found = [_planes(part) for part in region.parts]
            planes = [rows for rows in found if rows is not None]
            return np.concatenate(planes) if len(planes) == len(found) else None
    return None


def _corners(region: Region, planes: Array) -> tuple[Array, Array]:
    """Corners of a polytope about the middle of its largest ball, and that middle."""
    clip = np.concatenate([np.column_stack([np.eye(3), -HIGH]), np.column_stack([-np.eye(3), LOW])])
    rows = np.concatenate([planes, clip])
    # max r subject to normal . m + r <= offset
    best = linprog(
        [0, 0, 0, -1],
        np.column_stack([rows[:, :3], np.ones(len(rows))]),
        -rows[:, 3],
        bounds=[(None, None)] * 3 + [(0, None)],
    )
    if not best.success or best.x[3] <= 1e-6:
        raise _unseen(region)
    middle = np.asarray(best.x[:3])
    return HalfspaceIntersection(rows, middle).intersections - middle, middle


def _cut(region: Region, distance: Distance, middle: Array) -> Array:
    """Points of the surface about the middle, one a ray, (R, 3)."""
    rays = np.asarray(RAYS.vertices)
    to_wall = np.where(rays > 0, HIGH - middle, middle - LOW) / np.abs(rays).clip(1e-12)
    far = to_wall.min(1)  # (R,) at which a ray leaves the searched part of the world
    shares = np.linspace(0.0, 1.0, SAMPLES)
    along = far[:, None] * shares  # (R, SAMPLES)
    inside = distance(middle + along[..., None] * rays[:, None]) < 0
    leaves = inside[:, :-1] & ~inside[:, 1:]
    if not inside[:, 0].all() or (leaves.sum(1) + inside[:, -1] != 1).any():
        raise _unseen(region)
    step = np.where(inside[:, -1], SAMPLES - 2, leaves.argmax(1))
    low, high = far * shares[step], far * shares[step + 1]
    for _ in range(BISECTIONS):
        half = (low + high) / 2
        within = distance(middle + half[:, None] * rays) < 0
        low, high = np.where(within, half, low), np.where(within, high, half)
    return np.asarray(low[:, None] * rays)


def _middle(region: Region, distance: Distance) -> Array:
    """A point deep inside: an ellipsoid's centre, else the deepest of a lattice, refined."""
    if isinstance(region, Ellipsoid):
        return np.array(region.center)
    low, high = LOW, HIGH
    for _ in range(4):
        axes = [np.linspace(a, b, LATTICE) for a, b in zip(low, high, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        depth = distance(points)
        best = points[depth.argmin()]
        step = (high - low) / (LATTICE - 1)
        low, high = best - step, best + step
    if depth.min() >= 0:
        raise _unseen(region)
    return np.asarray(best)


def _unseen(region: Region) -> RequestError:
    return RequestError(
        f"maniskill: cannot draw {region!r:.80}: no point between {LOW.tolist()} and "
        f"{HIGH.tolist()} m is found from which all of it is seen; build it as a Union of simpler "
        "regions"
    )
