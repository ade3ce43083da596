"""An arm with a gripper over a table, whose plans are ways of its joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from glass_plan.bodies import tool_steps
from glass_plan.checkpoint import ArmWorld, PriorConfig
from glass_plan.constraints import All, Constraint, JointLimits
from glass_plan.embodiments.grasps import held_still, object_in_hand, placed
from glass_plan.errors import LayoutError
from glass_plan.guidance import Bend, Visits
from glass_plan.layout import Trajectory
from glass_plan.retiming import settle
from glass_plan.robots import joint_limits

RADIANS_A_METRE = 1.5
"""Way of the joints that moves the tool by a metre, about: the Panda's reach is 0.86 m."""
SPREAD = 0.1
"""Way [m] over which a displacement spreads: from a grasp to a goal it is a few times that."""
BUFFER = 0.02
"""Margin [m] that guidance asks for: over a table there is less room than in a maze, and what
cannot be kept free by so much pushes an arm away for ever."""


class Arm:
    """An arm, as a checkpoint describes it.

    Args:
        config: of the prior.
        world: of the prior.

    Raises:
        LayoutError: the layout has no robot.
    """

    def __init__(self, config: PriorConfig, world: ArmWorld) -> None:
        body = config.layout.body
        if body is None or not body.robot:
            raise LayoutError("arm: the layout of its prior needs a body of a robot, got none")
        self.world = world
        count = len(config.layout.columns(("joints",)))
        low, high = zip(*list(joint_limits(body.robot).values())[:count], strict=True)
        limits = JointLimits(low, high, channel="joints")
        self.standing: Constraint = limits.named("joint_limits")
        self.of_goals: Constraint = All(())
        self.bend = Bend("joints", RADIANS_A_METRE, SPREAD, held_still, object_in_hand, placed)
        self.buffer = BUFFER
        self._near = config.spacing / 2 * RADIANS_A_METRE

    def drivable(
        self, trajectory: Trajectory, *, max_speed: float | None, effort: float
    ) -> Trajectory:
        """At its own speeds, but nowhere faster than joints and tool may move.

        ``effort`` is the share of the joints' highest speed, ``max_speed`` that of the tool [m/s].
        """
        turned = torch.diff(trajectory.channel("joints"), dim=-2).abs().amax(-1)
        chord, bend = tool_steps(trajectory)
        fastest = min(self.world.max_tool_speed, max_speed or self.world.max_tool_speed)
        least = torch.maximum(
            turned / (effort * self.world.max_joint_speed), (chord + bend) / fastest
        )
        dt = torch.maximum(trajectory.dt[..., :-1], least)
        x = trajectory.x.clone()
        x[..., trajectory.layout.slice("dt")] = torch.cat([dt, dt[..., -1:]], dim=-1)[..., None]
        return replace(trajectory, x=x)

    def settled(self, trajectory: Trajectory) -> Trajectory:
        """With the object where it is, and the joints at rest once near their end."""
        return settle(placed(trajectory), self._near, "joints")

    def visits(self, judged: Mapping[str, Constraint]) -> Visits | None:
        """None: no map of free space is known."""
        return None
