"""What is known of moving regions by watching them: where they are and how fast, not where they go.

A region is taken to go on straight for a while and then to stay. Whoever plans with this has to
look again soon.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.compounds import Inflated
from glass_plan.constraints.geometry import Region
from glass_plan.constraints.joined import All, AnyOf
from glass_plan.constraints.moving import Carried, Tracked
from glass_plan.constraints.temporal import Avoid
from glass_plan.errors import SpecError

INSTANT = 0.01
"""Time between the two sights that tell a velocity [s]."""
STRAIGHT = 1.5
"""For how long a region is taken to go on [s]."""


def as_observed(constraint: Constraint, time: float) -> Constraint:
    """The constraint with every moving region that is to be avoided as seen at a time.

    Args:
        constraint: a conjunction or disjunction of parts; what does not move is left as it is.
        time: now, in plan time [s].

    Raises:
        SpecError: a moving region to avoid that is made of others, which cannot be watched yet.
    """
    match constraint:
        case All(terms=terms) | AnyOf(terms=terms):
            seen = tuple(as_observed(term, time) for term in terms)
            return constraint if seen == terms else replace(constraint, terms=seen)
        case Avoid(region=region, clearance=clearance, name=name) if region.top_speed > 0:
            return Avoid(_seen(region, time), clearance, name=name)
    return constraint


def _seen(region: Region, time: float) -> Region:
    match region:
        case Carried():
            return extrapolated(region, time)
        case Inflated(shape=shape):
            return replace(region, shape=_seen(shape, time)) if shape.top_speed > 0 else region
    raise SpecError(
        f"observed: cannot watch a {type(region).__name__} that moves; avoid its parts one by one"
    )


def extrapolated(moving: Carried, time: float) -> Tracked:
    """A region as seen at a time [s]: straight on from there."""
    sights = moving.position(torch.tensor([time, time + INSTANT], dtype=torch.float64))
    velocity = (sights[1] - sights[0]) / INSTANT
    ends = sights[0], sights[0] + STRAIGHT * velocity
    positions = tuple(tuple(place.tolist()) for place in ends)
    return Tracked(moving.shape, times=(time, time + STRAIGHT), positions=positions)
