"""What the shipped priors are made with: data, network and training of each task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from glass_envs.collect import DIRECT, MAX_SPEED, Habits
from glass_envs.maniskill.waypoints import CONTROL_DT, panda_reading
from glass_envs.mazes import CELL, MAZES, Maze
from glass_envs.physics import point_maze
from glass_plan.checkpoint import ArmWorld, Dynamics, PriorConfig, World
from glass_plan.data import read_recorded, read_trips
from glass_plan.layout import POINT_MASS
from glass_plan.robots import PANDA
from glass_plan.windows import POINT, Windows


@dataclass(frozen=True)
class Recipe:
    """How the prior of a maze is made.

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

NET, WIDTH, DEPTH = "mlp", 384, 4


@dataclass(frozen=True)
class ArmRecipe:
    """How the prior of an arm is made.

    Args:
        task: a key of ``glass_envs.maniskill.tasks.TASKS``.
        horizon: waypoints; all but one, times spacing, are the longest way it can plan.
        spacing: between waypoints [m of the way in ``glass_envs.maniskill.waypoints``].
        episodes: demonstrations to collect.
        train_steps: optimiser steps.
        width: of the network.
        depth: of the network.
    """

    task: str
    horizon: int
    spacing: float
    episodes: int
    train_steps: int
    width: int = 512
    depth: int = 3


ARM_RECIPES = {
    "pickcube": ArmRecipe("pick-cube", 64, 0.016, 2000, 24_000),
    "stackcube": ArmRecipe("stack-cube", 64, 0.02, 2000, 24_000),
}
"""By task name."""
ARM_WORLD = ArmWorld(max_joint_speed=2.0, max_tool_speed=1.0, dt=CONTROL_DT)
"""Franka's joints turn at up to 2.175 rad/s, the last three at 2.61 (its data sheet); the
demonstrator asks its tool for up to 1 m/s."""


def prior_name(task: str) -> str:
    """Name of a task's prior, and of its data set."""
    return f"maniskill-{task}" if task in ARM_RECIPES else task


def dataset_id(task: str) -> str:
    """Minari id of a task's demonstrations."""
    return f"glass_plan/{prior_name(task)}-v0"


def recipe_of(task: str) -> Recipe | ArmRecipe:
    """The recipe of a task in a maze, or of an arm's."""
    return RECIPES[task] if task in RECIPES else ARM_RECIPES[task]


def prior_config(task: str) -> PriorConfig:
    """Network, layout and world of a task's prior."""
    recipe = recipe_of(task)
    config = partial(
        PriorConfig,
        net=NET,
        horizon=recipe.horizon,
        spacing=recipe.spacing,
        schedule="linear",
    )
    if isinstance(recipe, ArmRecipe):
        return config(width=recipe.width, depth=recipe.depth, layout=PANDA, world=ARM_WORLD)
    maze = MAZES[recipe.maze]
    world = World(walls=maze.rows, cell=CELL, dynamics=dynamics(maze))
    return config(width=WIDTH, depth=DEPTH, layout=POINT_MASS, world=world)


def training_windows(task: str, source: str) -> Windows:
    """What a task's prior is trained on.

    Args:
        task: of a recipe.
        source: Minari id, or for a maze a D4RL HDF5 file.

    Raises:
        DataError: no such data, or of another kind.
    """
    recipe = recipe_of(task)
    if isinstance(recipe, ArmRecipe):
        reading, shape = panda_reading(read_recorded(source)), None
    else:
        rows = MAZES[recipe.maze].rows
        reading, shape = POINT, (len(rows), len(rows[0]))
    trips = read_trips(source, maze_shape=shape)
    return Windows(trips, horizon=recipe.horizon, spacing=recipe.spacing, reading=reading)


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
