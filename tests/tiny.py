"""Tiny priors and their training data, for tests that need no good plans."""

from __future__ import annotations

import msgspec
import numpy as np

from glass_envs.maniskill.waypoints import panda_reading
from glass_envs.mazes import MAZES
from glass_plan.checkpoint import ArmWorld, Dynamics, PriorConfig, World
from glass_plan.data import Recorded, Trip
from glass_plan.layout import POINT_MASS, Channel
from glass_plan.robots import PANDA
from glass_plan.windows import POINT, Windows

BALL = Dynamics(mass=4.18879, damping=1.0, gear=100.0, max_speed=5.0, dt=0.01)
CONFIG = PriorConfig(
    net="mlp",
    width=16,
    depth=1,
    horizon=8,
    spacing=0.3,
    layout=POINT_MASS,
    schedule="linear",
    world=World(walls=MAZES["maze2d-umaze"].rows, cell=1.0, dynamics=BALL),
)


def trips(count=6, steps=60):
    """Straight drives in random directions."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        velocity, start = rng.normal(0, 1, 2), rng.normal(0, 1, 2)
        positions = start + POINT.dt * np.arange(steps + 1)[:, None] * velocity
        states = np.concatenate([positions, np.tile(velocity, (steps + 1, 1))], axis=1)
        made.append(Trip(states, rng.uniform(-1, 1, (steps, 2)), positions[-1]))
    return made


def straight_trip(steps=100, speed=2.0):
    """Along x at constant speed [m/s] with a constant action."""
    x = speed * POINT.dt * np.arange(steps + 1)
    states = np.stack([x, 0 * x, 0 * x + speed, 0 * x], axis=1)
    return Trip(states, np.tile([0.3, -0.1], (steps, 1)), states[-1, :2])


def windows(config=CONFIG):
    """Of point masses, or of an arm."""
    reading, made = (
        (panda_reading(STATES), [grasp()]) if config.layout == PANDA else (POINT, trips())
    )
    return Windows(made, horizon=config.horizon, spacing=config.spacing, reading=reading)


ARM = msgspec.structs.replace(
    CONFIG,
    spacing=0.05,
    layout=PANDA,
    world=ArmWorld(max_joint_speed=2.0, max_tool_speed=1.0, dt=0.05),
)
STATES = Recorded(
    tuple(Channel(*row) for row in (("qpos", 9, "rad"), ("tcp_pose", 7, "m"), ("cube", 7, "m"))),
    achieved="cube",
)


def grasp(steps=20, wait=6):
    """An arm goes 0.2 m along x, closes in one step, waits, and lifts a cube by 0.2 m."""
    there, up = np.linspace(0, 1, steps + 1), np.linspace(0, 1, steps + 1)[1:]
    along = np.concatenate([there, np.ones(wait + steps)])
    lifted = np.concatenate([0 * there, np.zeros(wait), up])
    zero = 0 * along
    opening = np.where(np.arange(len(along)) > steps, 0.02, 0.04)
    joints = [(1 + k) * 0.1 * (along + lifted) for k in range(7)]
    tool = [0.2 * along, zero, 0.02 + 0.2 * lifted, *[zero] * 4]
    cube = [zero + 0.2, zero, 0.02 + 0.2 * lifted, *[zero] * 4]
    states = np.stack([*joints, opening, opening, *tool, *cube], axis=1)
    return Trip(states, np.zeros((len(along) - 1, 4)), states[-1, 16:19])
