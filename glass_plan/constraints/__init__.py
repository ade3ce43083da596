"""The constraint language: regions, what they demand over time, operators, YAML.

safe = Avoid(Ball((1.0, 0.5), 0.4), margin=0.1) & StayIn(Box((-4, -4), (4, 4))) & SpeedLimit(4.0)
"""

from glass_plan.constraints.base import Constraint, Hard
from glass_plan.constraints.compounds import Inflated, Intersection, Union
from glass_plan.constraints.documents import from_dict, to_dict
from glass_plan.constraints.dynamics import (
    AccelLimit,
    Curvature,
    DynamicsConsistency,
    JerkLimit,
    SpeedLimit,
)
from glass_plan.constraints.ellipsoids import Ellipsoid
from glass_plan.constraints.formulas import Always, AtEnd, Eventually, Visit
from glass_plan.constraints.geometry import Ball, Box, Capsule, Cylinder, HalfSpace, Region
from glass_plan.constraints.grids import Grid
from glass_plan.constraints.inside import In
from glass_plan.constraints.joined import All, AnyOf, asked
from glass_plan.constraints.leaf import Leaf, Not, Predicate
from glass_plan.constraints.limits import ActionLimit, JointLimits
from glass_plan.constraints.moving import Drifting, Following, Moving, Tracked
from glass_plan.constraints.observed import as_observed
from glass_plan.constraints.polygons import ConvexPolygon, Polygon, Tube
from glass_plan.constraints.preferences import Prefer
from glass_plan.constraints.rasters import Raster
from glass_plan.constraints.schema import json_schema
from glass_plan.constraints.sketches import NearTo
from glass_plan.constraints.smooth import soft_max, soft_min
from glass_plan.constraints.spec import dump_spec, load_spec, parse_spec
from glass_plan.constraints.temporal import Avoid, Reach, StayIn
from glass_plan.constraints.until import Release, Until
from glass_plan.constraints.verdicts import Verdict, judge

__all__ = [
    "AccelLimit",
    "ActionLimit",
    "All",
    "Always",
    "AnyOf",
    "AtEnd",
    "Avoid",
    "Ball",
    "Box",
    "Capsule",
    "Constraint",
    "ConvexPolygon",
    "Curvature",
    "Cylinder",
    "Drifting",
    "DynamicsConsistency",
    "Ellipsoid",
    "Eventually",
    "Following",
    "Grid",
    "HalfSpace",
    "Hard",
    "In",
    "Inflated",
    "Intersection",
    "JerkLimit",
    "JointLimits",
    "Leaf",
    "Moving",
    "NearTo",
    "Not",
    "Polygon",
    "Predicate",
    "Prefer",
    "Raster",
    "Reach",
    "Region",
    "Release",
    "SpeedLimit",
    "StayIn",
    "Tracked",
    "Tube",
    "Union",
    "Until",
    "Verdict",
    "Visit",
    "as_observed",
    "asked",
    "dump_spec",
    "from_dict",
    "json_schema",
    "judge",
    "load_spec",
    "parse_spec",
    "soft_max",
    "soft_min",
    "to_dict",
]
