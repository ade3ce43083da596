"""Regions of space as solids of a physics engine: spheres, boxes, capsules, cylinders, meshes.

Exact but for what is said here: a half-space becomes a slab, and what is none of the above becomes
a mesh (meshes.py). What moves is taken apart into a solid and the paths that carry it. Knows
nothing of simulators.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from glass_envs.maniskill.meshes import Mesh, mesh_of
from glass_plan.constraints import (
    Ball,
    Box,
    Capsule,
    Cylinder,
    HalfSpace,
    Inflated,
    Region,
    Tube,
    Union,
)
from glass_plan.constraints.moving import Carried
from glass_plan.errors import RequestError

Array = NDArray[np.float64]
Quaternion = tuple[float, float, float, float]
"""(w, x, y, z)."""

NO_TURN: Quaternion = (1.0, 0.0, 0.0, 0.0)

SLAB_SIDE, SLAB_DEPTH = 4.0, 1.0
"""Of the box that stands for a half-space [m]; its face is about the foot of the origin."""

Kind = Literal["sphere", "box", "capsule", "cylinder", "mesh"]


@dataclass(frozen=True)
class Solid:
    """A body in world coordinates at plan time 0.

    Args:
        kind: which of the engine's shapes.
        size: sphere: radius; box: half sides; capsule and cylinder: radius and half the length of
            the axis, which lies along x; mesh: nothing [m].
        position: (3,) of its middle [m].
        quaternion: (w, x, y, z) that turns it.
        mesh: vertices about the middle and triangles, of kind mesh.
        carriers: regions whose ``position`` at a time is added to the middle's.
    """

    kind: Kind
    size: tuple[float, ...]
    position: tuple[float, ...]
    quaternion: Quaternion = NO_TURN
    mesh: Mesh | None = None
    carriers: tuple[Carried, ...] = field(default=())

    def place(self, time: float) -> Array:
        """(3,) where the middle is at a plan time [s], in metres."""
        at = np.array(self.position)
        for carrier in self.carriers:
            at += carrier.position(torch.tensor([time], dtype=torch.float64))[0].numpy()
        return at


def solids(region: Region) -> list[Solid]:
    """The solids that together are a region.

    Raises:
        RequestError: the region is not in space, or nothing that can be drawn: one that is hollow,
            grows with time, or that moves inside of an intersection.
    """
    if region.dim != 3:
        raise RequestError(
            f"maniskill: a body needs a region of 3 coordinates, got {region.dim} in "
            f"{region!r:.80}; write its extent along z, too"
        )
    return list(_solids(region, 0.0))


def _solids(region: Region, grow: float) -> Iterator[Solid]:
    """Of a region grown by a distance [m]."""
    match region:
        case Union():
            for part in region.parts:
                yield from _solids(part, grow)
        case Carried():
            for solid in _solids(region.shape, grow):
                yield replace(solid, carriers=(region, *solid.carriers))
        case Inflated(rate=0.0):
            yield from _solids(region.shape, grow + region.by)
        case Ball():
            yield Solid("sphere", (region.radius + grow,), region.center)
        case Capsule():
            yield _along("capsule", region.start, region.end, region.radius + grow)
        case Tube():
            for start, end in pairwise(region.waypoints):
                yield _along("capsule", start, end, region.radius + grow)
        case HalfSpace():
            yield _slab(region, grow)
        case Box() if grow == 0:
            half = tuple((b - a) / 2 for a, b in zip(region.low, region.high, strict=True))
            yield Solid("box", half, middle_of(region), _by_vector(region.rotation))
        case Cylinder() if grow == 0:
            yield _along("cylinder", region.start, region.end, region.radius)
        case _:
            mesh, middle = mesh_of(region, grow)
            yield Solid("mesh", (), middle, mesh=mesh)


def middle_of(box: Box) -> tuple[float, ...]:
    """The middle of a box [m]."""
    return tuple((a + b) / 2 for a, b in zip(box.low, box.high, strict=True))


def _along(kind: Kind, start: Sequence[float], end: Sequence[float], radius: float) -> Solid:
    """A capsule or a cylinder about the axis between two points."""
    a, b = np.array(start), np.array(end)
    half = float(np.linalg.norm(b - a)) / 2
    turn = _from_x((b - a) / (2 * half))
    return Solid(kind, (radius, half), tuple(((a + b) / 2).tolist()), turn)


def _slab(region: HalfSpace, grow: float) -> Solid:
    """A box whose one face lies in the plane, about the foot of the origin's perpendicular."""
    normal = np.array(region.normal)
    middle = (region.offset + grow - SLAB_DEPTH / 2) * normal
    half = (SLAB_DEPTH / 2, SLAB_SIDE / 2, SLAB_SIDE / 2)
    return Solid("box", half, tuple(middle.tolist()), _from_x(normal))


def _by_vector(rotation: Sequence[float]) -> Quaternion:
    """Of a rotation vector [rad]; none turns nothing."""
    if not rotation:
        return NO_TURN
    angle = math.hypot(*rotation)
    s = math.sin(angle / 2) / angle
    return (math.cos(angle / 2), rotation[0] * s, rotation[1] * s, rotation[2] * s)


def _from_x(axis: Array) -> Quaternion:
    """The shortest turn of the x axis to a unit vector; half a turn about z to its opposite."""
    w, about = 1.0 + float(axis[0]), np.array([0.0, -axis[2], axis[1]])
    if w < 1e-12:
        return (0.0, 0.0, 0.0, 1.0)
    length = math.hypot(w, *about.tolist())
    return (w / length, 0.0, float(about[1]) / length, float(about[2]) / length)
