"""ManiSkill's tasks, PickCube and StackCube first, with constraints drawn as bodies.

Nothing here is imported before an environment is made: ManiSkill and SAPIEN take seconds.
"""
