"""Which of ManiSkill's tasks are known, what each moves, and where it keeps object and goal.

An object is covered by the spheres around the cells of a grid: of a cell with half diagonal c, a
sphere of radius c - u about its middle leaves no point further than u outside. Knows nothing of how
tasks are simulated.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Sphere

OBJECT = "object"
"""Channel of the pose of what a task moves."""
UNCOVERED = 0.004
"""How far a point of an object may be outside its spheres [m]: as much as of a Panda's links."""


def box_spheres(half: tuple[float, ...], cells: tuple[int, int, int]) -> tuple[Sphere, ...]:
    """Spheres around the cells of a box, on the channel ``object``.

    Args:
        half: lengths of its sides [m]; its middle and its axes are the object's.
        cells: along each axis; one sphere each.
    """
    sides = [h / n for h, n in zip(half, cells, strict=True)]  # half of a cell's
    radius = math.hypot(*sides) - UNCOVERED
    along = [[(2 * k + 1 - n) * a for k in range(n)] for a, n in zip(sides, cells, strict=True)]
    return tuple(Sphere(OBJECT, center, radius) for center in itertools.product(*along))


CUBE = box_spheres((0.02, 0.02, 0.02), (2, 2, 2))
"""Of ManiSkill's cubes; they reach 3.3 mm beyond its faces."""
PEG = box_spheres((0.125, 0.025, 0.025), (8, 1, 1))
"""Of the largest peg that ``PegInsertionSide-v1`` draws: every episode has one of its own."""


@dataclass(frozen=True)
class Task:
    """A state-based task of ManiSkill.

    Args:
        uid: ManiSkill's name of it, for instance ``"PickCube-v1"``.
        achieved: entry of its state observation (``extra``) that begins with the position of what
            has to be brought somewhere.
        desired: entry that begins with the position it has to be brought to.
        offset: of the goal from that position [m].
        robot: ManiSkill's name of the robot; it must have one arm with a ``tcp``.
        actor: ManiSkill's name of what is moved, whose pose is the channel ``object``; if empty,
            there is no such channel.
        held: spheres of that, on the channel ``object``, which count as the body of a Panda does.
        grasped: entry of its info that says whether the robot holds that; empty if none does.
    """

    uid: str
    achieved: str
    desired: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    robot: str = "panda"
    actor: str = ""
    held: tuple[Sphere, ...] = ()
    grasped: str = ""


TASKS = {
    "pick-cube": Task(
        "PickCube-v1", "obj_pose", "goal_pos", actor="cube", held=CUBE, grasped="is_grasped"
    ),
    "stack-cube": Task(
        "StackCube-v1",
        "cubeA_pose",
        "cubeB_pose",
        offset=(0.0, 0.0, 0.04),
        actor="cubeA",
        held=CUBE,
        grasped="is_cubeA_grasped",
    ),
    "push-cube": Task("PushCube-v1", "obj_pose", "goal_pos", actor="cube", held=CUBE),
    "pull-cube": Task("PullCube-v1", "obj_pose", "goal_pos", actor="cube", held=CUBE),
    "peg-insertion": Task(
        "PegInsertionSide-v1",
        "peg_pose",
        "box_hole_pose",
        robot="panda_wristcam",
        actor="peg_0",
        held=PEG,
    ),
}
"""By our names; the offset of ``stack-cube`` is a cube's side."""


def task_named(name: str | Task) -> Task:
    """A task of ``TASKS``, or one that is given.

    Raises:
        RequestError: no such name.
    """
    if isinstance(name, Task):
        return name
    if name not in TASKS:
        raise RequestError(
            f"maniskill: unknown task {name!r}{did_you_mean(str(name), TASKS)}; another of "
            "ManiSkill's is described by a Task"
        )
    return TASKS[name]
