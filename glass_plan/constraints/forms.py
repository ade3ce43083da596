"""How every kind of constraint and region is written: one key each, and what stands inside.

Reader, writer and schema follow these tables.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.compounds import Inflated, Intersection, Union
from glass_plan.constraints.dynamics import AccelLimit, Curvature, JerkLimit, SpeedLimit
from glass_plan.constraints.ellipsoids import Ellipsoid
from glass_plan.constraints.formulas import Always, AtEnd, Eventually
from glass_plan.constraints.geometry import Ball, Box, Capsule, Cylinder, HalfSpace, Region
from glass_plan.constraints.grids import Grid
from glass_plan.constraints.joined import All, AnyOf
from glass_plan.constraints.leaf import Not
from glass_plan.constraints.limits import ActionLimit, JointLimits
from glass_plan.constraints.moving import Drifting, Moving, Tracked
from glass_plan.constraints.polygons import ConvexPolygon, Polygon, Tube
from glass_plan.constraints.preferences import Prefer
from glass_plan.constraints.rasters import Raster
from glass_plan.constraints.sketches import NearTo
from glass_plan.constraints.temporal import Avoid, Reach, StayIn
from glass_plan.constraints.until import Release, Until
from glass_plan.strengths import Constant, Ramp, Strength, Window


@dataclass(frozen=True)
class Form:
    """How a kind of constraint is written.

    Args:
        kind: what it is in Python.
        body: what its key holds: ``terms``, ``term``, ``hold`` (and goal), ``region``, ``limit``,
            ``fields`` by name.
        inside: more keys beside the region's.
        beside: more keys beside its own.
    """

    kind: type[Constraint]
    body: str
    inside: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


OPERATORS: dict[str, Form] = {
    "all": Form(All, "terms"),
    "any": Form(AnyOf, "terms"),
    "not": Form(Not, "term"),
    "always": Form(Always, "term", beside=("window",)),
    "eventually": Form(Eventually, "term", beside=("window",)),
    "until": Form(Until, "hold", beside=("window",)),
    "release": Form(Release, "hold", beside=("window",)),
    "at_end": Form(AtEnd, "term"),
    "prefer": Form(Prefer, "term", beside=("weight", "schedule")),
    "avoid": Form(Avoid, "region", inside=("margin",)),
    "stay_in": Form(StayIn, "region"),
    "reach": Form(Reach, "region", inside=("of",)),
    "speed_limit": Form(SpeedLimit, "limit"),
    "accel_limit": Form(AccelLimit, "limit"),
    "jerk_limit": Form(JerkLimit, "limit"),
    "curvature": Form(Curvature, "limit"),
    "action_limit": Form(ActionLimit, "limit"),
    "joint_limits": Form(JointLimits, "fields"),
    "near_to": Form(NearTo, "fields"),
}
BESIDE = tuple(dict.fromkeys(("name", *(name for f in OPERATORS.values() for name in f.beside))))
"""All keys that may stand beside an operator's."""

SHAPES: dict[str, type[Region]] = {
    "ball": Ball,
    "box": Box,
    "ellipsoid": Ellipsoid,
    "capsule": Capsule,
    "cylinder": Cylinder,
    "half_space": HalfSpace,
    "polygon": Polygon,
    "convex_polygon": ConvexPolygon,
    "tube": Tube,
    "grid": Grid,
    "raster": Raster,
    "union": Union,
    "intersection": Intersection,
    "inflated": Inflated,
    "moving": Moving,
    "drifting": Drifting,
    "tracked": Tracked,
}
IMAGE = "image"
"""A shape that is read from a file and written as a raster."""

LISTS = (Union, Intersection)
"""Shapes that are written as the list of their parts."""

SCHEDULES: dict[str, type[Strength]] = {"constant": Constant, "window": Window, "ramp": Ramp}
"""Over flow time."""

ATTRIBUTES = {"margin": "clearance"}
"""Keys that are the names of arguments, but not of the attributes."""


def keys(kind: Any) -> list[str]:
    """Names of the fields of a kind of value that are written inside its key."""
    return [field.name for field in fields(kind) if not field.kw_only]


def required(kind: Any) -> list[str]:
    """Names of those that have no default."""
    return [field.name for field in fields(kind) if field.default is MISSING and not field.kw_only]
