"""What constraints may speak of in a robot's world: channels of a path at the physics rate.

Knows nothing of scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from glass_envs.maniskill.recording import Trace
from glass_plan.layout import Channel, Layout, Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Channels:
    """Of one robot.

    ``position`` [m] and ``velocity`` [m/s] of the tool's centre point; ``joints`` [rad], all that
    turn, and ``fingers`` [m], all that slide, with their velocities; the ``action`` of the control
    step; ``dt`` [s].

    Args:
        slides: of each joint in ManiSkill's order, whether it slides.
        actions: size of an action.
        dt: of a physics step [s].
    """

    slides: tuple[bool, ...]
    actions: int
    dt: float

    @classmethod
    def of(cls, simulation: Any) -> Self:
        """Of ManiSkill's environment."""
        slides = tuple(
            joint.type[0] == "prismatic" for joint in simulation.agent.robot.active_joints
        )
        (actions,) = simulation.single_action_space.shape
        return cls(slides, actions, 1 / simulation.sim_freq)

    @property
    def layout(self) -> Layout:
        """Names, sizes and units."""
        sliding = sum(self.slides)
        turning = len(self.slides) - sliding
        return Layout(
            (
                Channel("position", 3, "m"),
                Channel("velocity", 3, "m/s"),
                Channel("joints", turning, "rad"),
                Channel("fingers", sliding, "m"),
                Channel("joint_velocity", turning, "rad/s"),
                Channel("finger_velocity", sliding, "m/s"),
                Channel("action", self.actions, "1"),
                Channel("dt", 1, "s"),
            )
        )

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
            np.tile(action, (count, 1)),
            np.full((count, 1), self.dt),
        ]
        x = torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float64))
        return Trajectory(x, self.layout, t_start=float(trace.times[0]))
