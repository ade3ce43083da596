"""Robots that come with the package: a description (URDF, without meshes) and spheres on its links.

body = panda_body(("joints", "gripper", "gripper"), base=(-0.615, 0, 0, 1, 0, 0, 0))
layout = Layout(channels, body=body)

``PANDA`` is such a layout.

No point of a link's convex hull is further than 5 mm outside its spheres, which reach at most 22 mm
beyond it (experiments/panda_spheres.py measures both). Knows no kinematics: where a link is, is
kinematics.py's.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import msgspec

from glass_plan.errors import LayoutError, did_you_mean
from glass_plan.layout import AT_ORIGIN, Body, Channel, Layout, Sphere

ROBOTS = {"panda": "panda.urdf"}
"""Files of the descriptions, by name of the robot."""

REACHES = {"panda": ((0.0, 0.0, 0.333), 0.96)}
"""By name: the shoulder from the foot [m], and how far from there the tool comes at most [m]."""

PANDA_LINKS = (
    *(f"panda_link{k}" for k in range(1, 8)),
    "panda_hand",
    "panda_leftfinger",
    "panda_rightfinger",
)
"""The links of the Panda that have spheres: all but the foot, which cannot evade anything."""


def description(robot: str) -> str:
    """The URDF of a robot.

    Raises:
        LayoutError: no such robot.
    """
    if robot not in ROBOTS:
        raise LayoutError(f"body: unknown robot {robot!r}{did_you_mean(robot, ROBOTS)}")
    return (files(__name__) / ROBOTS[robot]).read_text()


@lru_cache
def link_names(robot: str) -> tuple[str, ...]:
    """Names of all links of a robot."""
    return tuple(link.attrib["name"] for link in ET.fromstring(description(robot)).iter("link"))


@lru_cache
def joint_limits(robot: str) -> dict[str, tuple[float, float]]:
    """Least and largest value [rad, or m for one that slides] of the joints that move, in order."""
    limits = {}
    for joint in ET.fromstring(description(robot)).iter("joint"):
        limit = joint.find("limit")
        if limit is not None:
            low, high = (float(limit.attrib[end]) for end in ("lower", "upper"))
            limits[joint.attrib["name"]] = (low, high)
    return limits


@lru_cache
def panda_spheres() -> tuple[Sphere, ...]:
    """Spheres on the links of the Panda."""
    table = (files(__name__) / "panda.json").read_bytes()
    return msgspec.json.decode(table, type=tuple[Sphere, ...])


def panda_body(
    joints: Sequence[str] = ("joints", "gripper", "gripper"),
    *,
    rest: Sequence[float] = (),
    base: Sequence[float] = AT_ORIGIN,
    links: Sequence[str] = PANDA_LINKS,
    held: Sequence[Sphere] = (),
) -> Body:
    """The Franka Emika Panda with its hand; ``Reach`` means the point between the finger tips.

    Args:
        joints: channels that hold the seven joints of the arm [rad], then the way of each finger
            from the middle [m]: a gripper's channel of one component is named twice.
        rest: the fingers' ways instead, as in ``("joints",), rest=(0.04, 0.04)``.
        base: pose of its foot in the world: position [m], quaternion w, x, y, z.
        links: whose spheres count.
        held: spheres of what it holds, on ``panda_hand_tcp`` or on the channel of an object's pose.

    Raises:
        LayoutError: a link that has no spheres, or a base that is no pose.
    """
    for link in links:
        if link not in PANDA_LINKS:
            raise LayoutError(f"panda: no spheres on {link!r}{did_you_mean(link, PANDA_LINKS)}")
    return Body(
        (*(sphere for sphere in panda_spheres() if sphere.frame in links), *held),
        tool=Sphere("panda_hand_tcp"),
        robot="panda",
        joints=tuple(joints),
        rest=tuple(map(float, rest)),
        base=tuple(base),
    )


PANDA = Layout(
    (
        Channel("joints", 7, "rad"),
        Channel("gripper", 1, "m"),
        Channel("object", 3, "m"),
        Channel("dt", 1, "s"),
    ),
    start=("joints", "gripper", "object"),
    goal=("object",),
    body=panda_body(
        ("joints", "gripper", "gripper"),
        base=(-0.615, 0, 0, 1, 0, 0, 0),
        held=(Sphere("panda_hand_tcp", radius=0.03),),
    ),
)
"""The Panda at ManiSkill's table, bringing a cube to a place: what the arm's priors generate.

``gripper`` is the mean way of the fingers from the middle, ``object`` the place of the cube. A ball
that rides with the tool stands for the cube: its faces are at 0.02 m, its corners at 0.035 m.
"""
