"""glass_plan: trajectory flow models steered by constraints at inference time.

>>> import glass_plan as gp
>>> planner = gp.Planner.from_pretrained("maze2d-large")
>>> plan = planner.plan(start=(-4.5, 3.0, 0, 0), goal=(4, 3), constraints=gp.SpeedLimit(4.0))
"""

from glass_plan.constraints import (
    AccelLimit,
    Avoid,
    Ball,
    Box,
    Capsule,
    Constraint,
    ConvexPolygon,
    Cylinder,
    Drifting,
    Ellipsoid,
    Following,
    Grid,
    HalfSpace,
    Inflated,
    Intersection,
    Moving,
    Polygon,
    Raster,
    Reach,
    SpeedLimit,
    StayIn,
    Tracked,
    Tube,
    Union,
    dump_spec,
    json_schema,
    load_spec,
    parse_spec,
)
from glass_plan.controller import RecedingHorizon
from glass_plan.errors import (
    CheckpointError,
    DataError,
    GlassPlanError,
    KernelError,
    LayoutError,
    ProtocolError,
    RequestError,
    SpecError,
)
from glass_plan.layout import Channel, Layout, Trajectory
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.prior import FlowPrior
from glass_plan.records import Decision, Episode, Outcome, Plan, Status
from glass_plan.rewards import Reward
from glass_plan.rollout import run_episode
from glass_plan.safety import SafetyReport

__all__ = [
    "AccelLimit",
    "Avoid",
    "Ball",
    "Box",
    "Capsule",
    "Channel",
    "CheckpointError",
    "Constraint",
    "ConvexPolygon",
    "Cylinder",
    "DataError",
    "Decision",
    "Drifting",
    "Ellipsoid",
    "Episode",
    "FlowPrior",
    "Following",
    "GlassPlanError",
    "Grid",
    "HalfSpace",
    "Inflated",
    "Intersection",
    "KernelError",
    "Layout",
    "LayoutError",
    "Moving",
    "Outcome",
    "Plan",
    "Planner",
    "Polygon",
    "ProtocolError",
    "Raster",
    "Reach",
    "RecedingHorizon",
    "RequestError",
    "Reward",
    "SafetyReport",
    "Sampling",
    "SpecError",
    "SpeedLimit",
    "Status",
    "StayIn",
    "Tracked",
    "Trajectory",
    "Tube",
    "Union",
    "dump_spec",
    "json_schema",
    "load_spec",
    "parse_spec",
    "run_episode",
]
