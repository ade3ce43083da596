"""Simulated worlds for glass_plan; importing this registers them with Gymnasium."""

from __future__ import annotations

import gymnasium
from farama_notifications import notifications

# gymnasium-robotics prints one about its Adroit hands, unused here, to the console when imported
notifications.pop("gymnasium_robotics", None)

if "glass_plan/Maze2D-UMaze-v0" not in gymnasium.registry:
    gymnasium.register(
        "glass_plan/Maze2D-UMaze-v0",
        entry_point="glass_envs.maze2d:Maze2D",
        max_episode_steps=300,
        kwargs={"maze": "maze2d-umaze"},
    )
    gymnasium.register(
        "glass_plan/Maze2D-Medium-v0",
        entry_point="glass_envs.maze2d:Maze2D",
        max_episode_steps=600,
        kwargs={"maze": "maze2d-medium"},
    )
    gymnasium.register(
        "glass_plan/Maze2D-Large-v0",
        entry_point="glass_envs.maze2d:Maze2D",
        max_episode_steps=800,
        kwargs={"maze": "maze2d-large"},
    )

if "glass_plan/PickCube-v0" not in gymnasium.registry:
    gymnasium.register(
        "glass_plan/PickCube-v0",
        entry_point="glass_envs.maniskill.world:ManiSkill",
        max_episode_steps=200,
        kwargs={"task": "pick-cube"},
    )
    gymnasium.register(
        "glass_plan/StackCube-v0",
        entry_point="glass_envs.maniskill.world:ManiSkill",
        max_episode_steps=200,
        kwargs={"task": "stack-cube"},
    )
