"""What constraints may speak of in a robot's world: channels of a path, and the robot's body.

Knows nothing of scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from glass_envs.maniskill.recording import Trace
from glass_envs.maniskill.tasks import OBJECT, Task
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Body, Channel, Layout, Sphere, Trajectory
from glass_plan.robots import panda_body

Array = NDArray[np.float64]

CAMERA = tuple(Sphere("panda_hand", (0.0465, 0.02 * k, 0.0235), 0.0145) for k in range(-2, 3))
"""Of the box of 23 x 99 x 20 mm on a Panda's wrist: none of its points is 4 mm outside."""
PANDAS: dict[str, tuple[Sphere, ...]] = {"panda": (), "panda_wristcam": CAMERA}
"""ManiSkill's names of Pandas, and what is mounted on their links."""


@dataclass(frozen=True)
class Channels:
    """Of one robot and what it moves.

    ``position`` [m] and ``velocity`` [m/s] of the tool's centre point; ``joints`` [rad], all that
    turn, and ``fingers`` [m], all that slide, with their velocities; ``object``, the pose of what
    the task moves; the ``action`` of the control step; ``dt`` [s]. A Panda has the spheres of its
    links, and of the object, for a body; of other robots the tool's centre point is judged.

    Args:
        slides: of each joint in ManiSkill's order, whether it slides.
        actions: size of an action.
        dt: of a physics step [s].
        actor: ManiSkill's name of the object; empty if the task moves none.
        body: in the world; None for the tool's centre point.
    """

    slides: tuple[bool, ...]
    actions: int
    dt: float
    actor: str
    body: Body | None

    @classmethod
    def of(cls, task: Task, simulation: Any) -> Self:
        """Of ManiSkill's environment.

        Raises:
            RequestError: the scene has no such actor that can be moved.
        """
        scene = simulation.scene.actors
        actors = [name for name, actor in scene.items() if actor.px_body_type == "dynamic"]
        if task.actor and task.actor not in actors:
            raise RequestError(
                f"maniskill: {task.uid} moves no actor {task.actor!r}"
                f"{did_you_mean(task.actor, actors)}"
            )
        robot = simulation.agent.robot
        slides = tuple(joint.type[0] == "prismatic" for joint in robot.active_joints)
        (actions,) = simulation.single_action_space.shape
        body = _body(task, robot.pose.raw_pose[0].numpy())
        return cls(slides, actions, 1 / simulation.sim_freq, task.actor, body)

    @cached_property
    def layout(self) -> Layout:
        """Names, sizes and units, and the body."""
        sliding = sum(self.slides)
        turning = len(self.slides) - sliding
        channels = (
            Channel("position", 3, "m"),
            Channel("velocity", 3, "m/s"),
            Channel("joints", turning, "rad"),
            Channel("fingers", sliding, "m"),
            Channel("joint_velocity", turning, "rad/s"),
            Channel("finger_velocity", sliding, "m/s"),
            *((Channel(OBJECT, 7, "m, then 1"),) if self.actor else ()),
            Channel("action", self.actions, "1"),
            Channel("dt", 1, "s"),
        )
        return Layout(channels, body=self.body)

    def trajectory(self, trace: Trace, action: Array) -> Trajectory:
        """A control step as constraints read it.

        Args:
            trace: of S physics steps.
            action: (A,) of the control step.

        Returns:
            Of S + 1 waypoints, (S + 1, D).
        """
        slides = np.array(self.slides)
        place, rates, count = trace.joints, trace.joint_velocities, len(trace.times)
        parts = [
            trace.tcp[:, :3],
            trace.velocity,
            place[:, ~slides],
            place[:, slides],
            rates[:, ~slides],
            rates[:, slides],
            *([trace.objects[self.actor]] if self.actor else ()),
            np.tile(action, (count, 1)),
            np.full((count, 1), self.dt),
        ]
        x = torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float64))
        return Trajectory(x, self.layout, t_start=float(trace.times[0]))

    def states(self, way: Trajectory) -> Array:
        """Of a path, all channels before the action, (S + 1, n)."""
        return np.asarray(way.x[:, : self.layout.slice("action").start].numpy())


def _body(task: Task, base: Array) -> Body | None:
    """Of a Panda whose root is at a pose (7,), and of what it moves; None of another robot."""
    if task.robot not in PANDAS:
        return None
    turn = base[3:].astype(np.float64)
    pose = (*base[:3].tolist(), *(turn / np.linalg.norm(turn)).tolist())
    held = (*PANDAS[task.robot], *task.held)
    return panda_body(("joints", "fingers"), base=pose, held=held)
