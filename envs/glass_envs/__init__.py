"""Simulated worlds for glass_plan; importing this registers them with Gymnasium."""

from __future__ import annotations

import gymnasium
from farama_notifications import notifications

# gymnasium-robotics prints one about its Adroit hands, unused here, to the console when imported
notifications.pop("gymnasium_robotics", None)

MAZE, ARM = "glass_envs.maze2d:Maze2D", "glass_envs.maniskill.world:ManiSkill"
WORLDS = {
    "Maze2D-UMaze": (MAZE, 300, {"maze": "maze2d-umaze"}),
    "Maze2D-Medium": (MAZE, 600, {"maze": "maze2d-medium"}),
    "Maze2D-Large": (MAZE, 800, {"maze": "maze2d-large"}),
    "PickCube": (ARM, 200, {"task": "pick-cube"}),
    "StackCube": (ARM, 200, {"task": "stack-cube"}),
}
"""Entry point, step limit and arguments by name; imported when one is made."""

for name, (entry_point, steps, arguments) in WORLDS.items():
    if f"glass_plan/{name}-v0" not in gymnasium.registry:
        gymnasium.register(
            f"glass_plan/{name}-v0",
            entry_point=entry_point,
            max_episode_steps=steps,
            kwargs=arguments,
        )
