"""Which of ManiSkill's tasks are known, and where each keeps its object and its goal.

Knows nothing of how they are simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

from glass_plan.errors import RequestError, did_you_mean


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
    """

    uid: str
    achieved: str
    desired: str
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    robot: str = "panda"


TASKS = {
    "pick-cube": Task("PickCube-v1", "obj_pose", "goal_pos"),
    "stack-cube": Task("StackCube-v1", "cubeA_pose", "cubeB_pose", offset=(0.0, 0.0, 0.04)),
    "push-cube": Task("PushCube-v1", "obj_pose", "goal_pos"),
    "pull-cube": Task("PullCube-v1", "obj_pose", "goal_pos"),
    "peg-insertion": Task(
        "PegInsertionSide-v1", "peg_pose", "box_hole_pose", robot="panda_wristcam"
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
