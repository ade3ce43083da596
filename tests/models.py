"""The shipped prior that tests of behaviour plan with."""

MODEL = "maze2d-umaze"
ENV_ID = "glass_envs:glass_plan/Maze2D-UMaze-v0"
