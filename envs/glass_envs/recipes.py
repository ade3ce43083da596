"""What the shipped priors are made with: data, network and training of each task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glass_envs.collect import DIRECT, MAX_SPEED, Habits
from glass_envs.mazes import CELL, MAZES, Maze
from glass_envs.physics import point_maze
from glass_plan.checkpoint import Dynamics, PriorConfig, World
from glass_plan.layout import POINT_MASS


@dataclass(frozen=True)
class Recipe:
    """How one prior is made.

    Args:
        maze: a key of ``MAZES``.
        horizon: waypoints; horizon times spacing is the longest way it can plan.
        spacing: between waypoints [m].
        data_steps: transitions to collect.
        train_steps: optimiser steps.
        habits: of the demonstrator.
    """

    maze: str
    horizon: int
    spacing: float
    data_steps: int
    train_steps: int
    habits: Habits = DIRECT


BUSY = Habits(detours=0.6, spread=1.5, errands=0.5, longest=24)
"""Knows many ways, and errands as long as the horizon."""

RECIPES = {
    "maze2d-umaze": Recipe("maze2d-umaze", 24, 0.4, 3_000_000, 8_000),
    "maze2d-medium": Recipe("maze2d-medium", 48, 0.4, 3_000_000, 20_000),
    "maze2d-large": Recipe("maze2d-large", 64, 0.4, 3_000_000, 32_000),
    "maze2d-medium-errands": Recipe("maze2d-medium", 64, 0.4, 6_000_000, 30_000, BUSY),
    "maze2d-large-errands": Recipe("maze2d-large", 64, 0.4, 6_000_000, 30_000, BUSY),
}
"""By task name."""

DEMONSTRATIONS = {"pickcube": "pick-cube", "stackcube": "stack-cube"}
"""ManiSkill's tasks that are demonstrated, by the name of their data set."""
EPISODES = 2000
"""Of each of them."""

NET, WIDTH, DEPTH = "mlp", 384, 4


def dataset_id(task: str) -> str:
    """Minari id of a task's demonstrations."""
    world = "maniskill-" if task in DEMONSTRATIONS else ""
    return f"glass_plan/{world}{task}-v0"


def prior_config(task: str) -> PriorConfig:
    """Network, layout and world of a task's prior."""
    recipe = RECIPES[task]
    maze = MAZES[recipe.maze]
    return PriorConfig(
        net=NET,
        width=WIDTH,
        depth=DEPTH,
        horizon=recipe.horizon,
        spacing=recipe.spacing,
        layout=POINT_MASS,
        schedule="linear",
        world=World(walls=maze.rows, cell=CELL, dynamics=dynamics(maze)),
    )


def dynamics(maze: Maze) -> Dynamics:
    """The ball's dynamics, read from the simulator's model."""
    env = point_maze(maze)
    model = env.model
    mass = float(model.body("particle").mass[0])
    values = Dynamics(
        mass=mass,
        damping=float(np.ravel(model.dof_damping)[0]),
        gear=float(model.actuator_gear[0, 0]),
        max_speed=MAX_SPEED,
        dt=float(model.opt.timestep),
    )
    env.close()
    return values
