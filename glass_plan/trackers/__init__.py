"""Trackers: how a robot follows plans, one class a kind of robot.

Knows nothing of constraints.
"""

from glass_plan.embodiments import Arm, Embodiment, as_point_mass
from glass_plan.layout import Layout
from glass_plan.trackers.arm import ArmTracker
from glass_plan.trackers.base import Follower, Tracker
from glass_plan.trackers.point_mass import PointMassTracker

__all__ = ["ArmTracker", "Follower", "PointMassTracker", "Tracker", "tracker"]


def tracker(robot: Embodiment, layout: Layout, *, max_speed: float | None = None) -> Tracker:
    """For a robot whose plans have this layout.

    Args:
        robot: that follows.
        layout: of its plans.
        max_speed: beyond which it does not push, however far behind it is [m/s], nor goes back;
            an arm's targets are else as fast as its plans.
    """
    if isinstance(robot, Arm):
        return ArmTracker(layout, robot.world.dt, max_speed)
    return PointMassTracker(as_point_mass(robot, "tracker").dynamics, layout, max_speed)
