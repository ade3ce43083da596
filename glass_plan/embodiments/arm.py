"""An arm with a gripper over a table, whose plans are ways of its joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from glass_plan.bodies import tool_steps
from glass_plan.checkpoint import ArmWorld, PriorConfig
from glass_plan.constraints import (
    All,
    Ball,
    Constraint,
    HalfSpace,
    Intersection,
    JointLimits,
    Reach,
)
from glass_plan.embodiments.base import as_vector
from glass_plan.embodiments.grasps import held_still, object_in_hand, placed
from glass_plan.errors import LayoutError, RequestError
from glass_plan.guidance import Bend, Visits
from glass_plan.layout import Body, Trajectory
from glass_plan.retiming import settle
from glass_plan.robots import REACHES, joint_limits

RADIANS_A_METRE = 1.5
"""Way of the joints that moves the tool by a metre, about: the Panda's reach is 0.86 m."""
SPREAD = 0.1
"""Way [m] over which a displacement spreads: from a grasp to a goal it is a few times that."""
BUFFER = 0.02
"""Margin [m] that guidance asks for: over a table there is less room than in a maze, and what
cannot be kept free by so much pushes an arm away for ever."""
SLACK = 0.005
"""By which a finger that is read may be beyond its limits [m]."""


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
        self._joints = len(config.layout.columns(("joints",)))
        low, high = zip(*list(joint_limits(body.robot).values())[: self._joints], strict=True)
        limits = JointLimits(low, high, channel="joints")
        self.standing: Constraint = limits.named("joint_limits")
        self.of_ends: Constraint = All((_reachable(body), _gripper(body)))
        self.bend = Bend("joints", RADIANS_A_METRE, SPREAD, held_still, object_in_hand, placed)
        self.buffer = BUFFER
        self._near = config.spacing / 2 * RADIANS_A_METRE

    def state(self, observation: Mapping[str, ArrayLike] | ArrayLike) -> Float[Tensor, "S"]:
        """Joints [rad], mean way of the fingers [m] and the object's place [m].

        An observation has the joints and then both fingers in ``observation``, and the object's
        place in ``achieved_goal``.
        """
        if not isinstance(observation, Mapping):
            return as_vector(observation, "start")
        values = as_vector(observation, "start")
        place = as_vector(observation.get("achieved_goal", ()), "start: achieved_goal")
        if len(values) < self._joints + 2 or place.shape != (3,):
            raise RequestError(
                f"start: an arm's observation must have {self._joints} joints and two fingers "
                "first in 'observation', and three numbers in 'achieved_goal', got shapes "
                f"{tuple(values.shape)} and {tuple(place.shape)}"
            )
        joints, fingers = values[: self._joints], values[self._joints : self._joints + 2]
        return torch.cat([joints, fingers.mean()[None], place])

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


def _reachable(body: Body) -> Constraint:
    """An object over the table, where the hand comes."""
    shoulder, reach = REACHES[body.robot]
    foot = body.base[:3]
    ball = Ball(tuple(a + b for a, b in zip(foot, shoulder, strict=True)), reach)
    table = HalfSpace((0.0, 0.0, -1.0), -foot[2])
    return Reach(Intersection((ball, table)), of="object").named("reach_of_the_arm")


def _gripper(body: Body) -> Constraint:
    """Fingers that are as far apart as they can be."""
    low, high = list(joint_limits(body.robot).values())[-1]
    return JointLimits((low - SLACK,), (high + SLACK,), channel="gripper").named("gripper_limits")
