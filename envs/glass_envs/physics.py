"""PointMaze's own physics of a maze, without a trace in the temporary folder."""

from __future__ import annotations

from pathlib import Path

from gymnasium_robotics.envs.maze.point_maze import PointMazeEnv

from glass_envs.mazes import Maze


def point_maze(maze: Maze) -> PointMazeEnv:
    """gymnasium-robotics' environment of a maze; it ends at the goal and does not draw new ones."""
    env = PointMazeEnv(maze_map=[list(row) for row in maze.rows], continuing_task=False)
    Path(env.tmp_xml_file_path).unlink(missing_ok=True)  # it would stay for ever
    return env
