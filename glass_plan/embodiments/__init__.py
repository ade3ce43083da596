"""Embodiments: what a planner knows of a robot and its place, besides what its prior has learned.

One class a kind of world that a checkpoint names. Knows nothing of models and methods.
"""

from glass_plan.checkpoint import ArmWorld, PriorConfig
from glass_plan.embodiments.arm import Arm
from glass_plan.embodiments.base import Embodiment, as_vector
from glass_plan.embodiments.point_mass import PointMass, as_point_mass, grown, visits

__all__ = [
    "Arm",
    "Embodiment",
    "PointMass",
    "as_point_mass",
    "as_vector",
    "embodiment",
    "grown",
    "visits",
]


def embodiment(config: PriorConfig) -> Embodiment:
    """The robot of a checkpoint, in its place."""
    if isinstance(config.world, ArmWorld):
        return Arm(config, config.world)
    return PointMass(config, config.world)
