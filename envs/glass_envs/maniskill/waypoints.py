"""How recorded states of ManiSkill's Panda are read as waypoints of its prior.

The way is what the tool's centre point moves, and a share of what the fingers move: while they
close the tool stands, and without it a grasp would fall between two waypoints. Needs no simulator.
"""

from __future__ import annotations

import math

from glass_plan.data import Recorded
from glass_plan.robots import PANDA
from glass_plan.windows import Reading

JOINTS, FINGERS = 7, 2
"""Components of ``qpos``, in this order."""
CONTROL_DT = 0.05
"""Time between two recorded states [s]: ManiSkill's control step."""
GRASP_WAY = 4.0
"""Way that counts for a change of the gripper's opening [m per m]: closing on a cube changes it by
0.02 m, which is then four waypoints 0.02 m apart."""
SHORTEST = 2
"""Recorded steps of a window: a robot nearly there plans what is left."""


def panda_reading(recorded: Recorded) -> Reading:
    """Joints, mean opening and place of the object, up to the end of a demonstration.

    Args:
        recorded: what a state holds; ``qpos`` and ``tcp_pose`` are among it.

    Raises:
        DataError: no such channels.
    """
    qpos = recorded.columns("qpos", JOINTS + FINGERS)
    joints, fingers = qpos[:JOINTS], qpos[JOINTS:]
    place = recorded.columns(recorded.achieved, 3)
    return Reading(
        PANDA,
        columns=(*((k,) for k in joints), fingers, *((k,) for k in place)),
        way=(
            (recorded.columns("tcp_pose", 3), 1.0),
            (fingers, GRASP_WAY / math.sqrt(FINGERS)),  # both move alike
        ),
        dt=CONTROL_DT,
        shortest=SHORTEST,
        to_the_end=True,
    )
