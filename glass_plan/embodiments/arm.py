"""An arm with a gripper over a table, whose plans are ways of its joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glass_plan.bodies import spheres_of, tool_steps
from glass_plan.checkpoint import ArmWorld, PriorConfig
from glass_plan.constraints import All, Constraint, JointLimits
from glass_plan.errors import LayoutError
from glass_plan.guidance import Bend, Visits, ends
from glass_plan.layout import Trajectory
from glass_plan.retiming import settle
from glass_plan.robots import joint_limits

RADIANS_A_METRE = 1.5
"""Way of the joints that moves the tool by a metre, about: the Panda's reach is 0.86 m."""
SPREAD = 0.1
"""Way [m] over which a displacement spreads: from a grasp to a goal it is a few times that."""
GRIP, GRIP_STEPS, GRIP_NOISE = 3e-3, 4, 3e-4
"""A gripper takes hold or lets go where it changes by more than the first [m] within so many
segments, and by more than the last on each: a closing of 0.02 m takes four or five, and what lets
go is opened by little when a demonstration ends."""
STRAIGHT = 0.04
"""Way of the tool [m] before and after the gripper works that is not bent."""
HOLDS = 0.035
"""Way of a finger from the middle [m] below which a gripper that does not move is meant to hold."""
IN_HAND = 0.04
"""Distance [m] of an object's middle from the tool's point within which it can be held."""
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
        self.bend = Bend("joints", RADIANS_A_METRE, SPREAD, held_still, object_in_hand)
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
        """With the joints at rest once they stay within half a spacing of their end."""
        return settle(trajectory, self._near, "joints")

    def visits(self, judged: Mapping[str, Constraint]) -> Visits | None:
        """None: no map of free space is known."""
        return None


def tool_way(trajectory: Trajectory) -> Float[Tensor, "... H 3"]:
    """Where the tool's point is at every waypoint [m]."""
    x = trajectory.x
    tool = spheres_of(trajectory.layout, tool=True, dtype=x.dtype, device=x.device)
    return tool.centers(x)[..., 0, :]


def held_still(trajectory: Trajectory) -> Bool[Tensor, "... H"]:
    """The ends, and the waypoints near those between which the gripper takes hold or lets go.

    How the tool comes there and leaves is the prior's to know: from the side it would push the
    object away.
    """
    gripper = trajectory.channel("gripper").squeeze(-1)
    moves = gripping(gripper) != 0
    grips = torch.zeros_like(gripper, dtype=torch.bool)
    grips[..., :-1] |= moves
    grips[..., 1:] |= moves
    with torch.no_grad():
        step = torch.diff(tool_way(trajectory), dim=-2).norm(dim=-1)
    way = torch.nn.functional.pad(step.cumsum(-1), (1, 0))
    apart = (
        (way[..., :, None] - way[..., None, :]).abs().masked_fill(~grips[..., None, :], torch.inf)
    )
    return ends(trajectory) | (apart.amin(-1) <= STRAIGHT)


def gripping(gripper: Float[Tensor, "... H"]) -> Float[Tensor, "... H-1"]:
    """On which segments a gripper opens (1) or closes (-1), of its ways [m]; 0 where it rests."""
    step = torch.diff(gripper, dim=-1)
    wide = torch.nn.functional.pad(step, (GRIP_STEPS - 1, GRIP_STEPS - 1))
    several = wide.unfold(-1, GRIP_STEPS, 1).sum(-1).unfold(-1, GRIP_STEPS, 1)
    opens = (several.amax(-1) > GRIP) & (step > GRIP_NOISE)
    closes = (several.amin(-1) < -GRIP) & (step < -GRIP_NOISE)
    return opens.to(step) - closes.to(step)


def object_in_hand(before: Trajectory, after: Trajectory) -> Trajectory:
    """The trajectory after its joints were moved, with the object moved along while it is held."""
    tool, place = tool_way(before), before.channel("object")
    near = (place - tool).norm(dim=-1, keepdim=True) < IN_HAND
    held = near & (before.channel("gripper") < HOLDS)
    x = after.x.clone()
    x[..., after.layout.slice("object")] = place + held * (tool_way(after) - tool)
    return replace(after, x=x)
