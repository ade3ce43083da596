"""The constraint language: regions, what they demand over time, operators, YAML.

safe = Avoid(Ball((1.0, 0.5), 0.4), margin=0.1) & StayIn(Box((-4, -4), (4, 4))) & SpeedLimit(4.0)
"""

from glass_plan.constraints.base import All, AnyOf, Constraint, soft_max, soft_min
from glass_plan.constraints.dynamics import AccelLimit, SpeedLimit
from glass_plan.constraints.geometry import Ball, Box, Grid, Moving, Region, Union
from glass_plan.constraints.leaf import Leaf, Not, Predicate
from glass_plan.constraints.spec import (
    dump_spec,
    from_dict,
    json_schema,
    load_spec,
    parse_spec,
    to_dict,
)
from glass_plan.constraints.temporal import Avoid, In, Reach, StayIn

__all__ = [
    "AccelLimit",
    "All",
    "AnyOf",
    "Avoid",
    "Ball",
    "Box",
    "Constraint",
    "Grid",
    "In",
    "Leaf",
    "Moving",
    "Not",
    "Predicate",
    "Reach",
    "Region",
    "SpeedLimit",
    "StayIn",
    "Union",
    "dump_spec",
    "from_dict",
    "json_schema",
    "load_spec",
    "parse_spec",
    "soft_max",
    "soft_min",
    "to_dict",
]
