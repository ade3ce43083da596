"""A Panda with a cube in a small layout, and random drives of it."""

from __future__ import annotations

import torch

from glass_plan.bodies import tool_way
from glass_plan.layout import Channel, Layout, Sphere, Trajectory
from glass_plan.robots import PANDA, panda_body

CHANNELS = (
    Channel("joints", 7, "rad"),
    Channel("gripper", 1, "m"),
    Channel("cube", 7, "m"),
    Channel("dt", 1, "s"),
)
CUBE = Sphere("cube", (0.01, 0.0, -0.02), 0.035)
"""Around a cube's pose."""

ARM = Layout(CHANNELS, ("joints",), (), body=panda_body())
"""The arm alone."""

HOLDING = Layout(CHANNELS, ("joints",), (), body=panda_body(held=(CUBE,)))
"""The arm and a cube."""

SMALL = Layout(CHANNELS, ("joints",), (), body=panda_body(links=("panda_hand",), held=(CUBE,)))
"""The hand and a cube, where an arm would take long."""

READY = (0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 0.7854)
"""Franka's pose to start from [rad]."""


def drive(
    seed: int, layout: Layout, *, batch: int = 2, length: int = 4, step: float = 0.1
) -> Trajectory:
    """Random trajectories (batch, length, 16) in float64, joints ``step`` [rad] apart."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, length, 16, generator=generator, dtype=torch.float64)
    x[..., :7] = torch.tensor(READY) + 0.4 * x[:, :1, :7] + (step * x[..., :7]).cumsum(-2)
    x[..., 7] = 0.02 + 0.003 * x[..., 7]
    x[..., 8:11] = 0.3 * x[:, :1, 8:11] + (0.3 * step * x[..., 8:11]).cumsum(-2)
    x[..., 11:15] = x[:, :1, 11:15] + (step * x[..., 11:15]).cumsum(-2)
    x[..., 15] = 0.1 + 0.05 * torch.rand(batch, length, generator=generator, dtype=torch.float64)
    return Trajectory(x, layout, t_start=0.3)


def at_rest(joints: tuple[float, ...], layout: Layout, *, length: int = 2) -> Trajectory:
    """One trajectory (length, 16) that stays, the cube far away."""
    x = torch.zeros(length, 16, dtype=torch.float64)
    x[:, :7] = torch.tensor(joints, dtype=torch.float64)
    x[:, 7], x[:, 9], x[:, 11], x[:, 15] = 0.02, 5.0, 1.0, 0.1
    return Trajectory(x, layout)


GRASP = 20
"""Waypoint of ``carrying`` at which the gripper is closed."""


def carrying(drift: tuple[float, float, float] = (0.0, 0.0, 0.0), length: int = 48) -> Trajectory:
    """The tool goes down to an object, and carries it on: (1, length, D) of ``PANDA``.

    The object is drawn as one that has drifted by so much [m] when it is taken.
    """
    x = torch.zeros(1, length, PANDA.dim, dtype=torch.float64)
    x[..., :7] = torch.tensor(READY, dtype=torch.float64)
    x[..., 1] += 0.4 * torch.sin(torch.linspace(0, torch.pi, length, dtype=torch.float64))
    x[..., 0] += torch.linspace(0, 0.8, length, dtype=torch.float64)
    x[..., 7] = 0.04
    x[:, GRASP:, 7] = 0.02
    x[..., PANDA.slice("dt")] = 0.1
    where, tool = PANDA.slice("object"), tool_way(Trajectory(x, PANDA))
    x[..., where] = tool[:, GRASP : GRASP + 1]
    x[:, GRASP:, where] = tool[:, GRASP:]
    gone = torch.linspace(0, 1, GRASP + 1, dtype=torch.float64)[:, None]
    x[:, : GRASP + 1, where] += (gone - 1) * torch.tensor(drift, dtype=torch.float64)
    return Trajectory(x, PANDA)


TABLE_CUBE = (0.1, 0.2, 0.02)
"""Where ``swing`` has an object lie."""


def swing(length: int = 32, grasp_at: int = 16, dt: float = 0.1, turn: float = 1.5) -> Trajectory:
    """A turn of the first joint [rad], on which the gripper closes while it stands."""
    x = torch.zeros(1, length, PANDA.dim, dtype=torch.float64)
    turned = torch.linspace(0, turn, length - 4, dtype=torch.float64)
    stands = turned[grasp_at].repeat(4)
    x[..., :7] = torch.tensor(READY, dtype=torch.float64)
    x[..., 0] += torch.cat([turned[:grasp_at], stands, turned[grasp_at:]])
    x[..., 7] = 0.04
    x[:, grasp_at:, 7] -= 0.005 * torch.arange(length - grasp_at).clamp_max(4)
    x[..., PANDA.slice("object")] = torch.tensor(TABLE_CUBE, dtype=torch.float64)
    x[..., PANDA.slice("dt")] = dt
    return Trajectory(x, PANDA)
