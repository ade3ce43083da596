"""A tiny prior and its training data, for tests that need no good plans."""

from __future__ import annotations

import numpy as np

from glass_envs.mazes import MAZES
from glass_plan.checkpoint import Dynamics, PriorConfig, World
from glass_plan.data import Trip
from glass_plan.layout import POINT_MASS
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
    return Windows(trips(), horizon=config.horizon, spacing=config.spacing)
