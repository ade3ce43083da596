"""Forward kinematics: where points fixed to a robot's links are, as a function of its joints.

    R = R_parent O (I + sin q K + (1 - cos q) K^2),  p = p_parent + R_parent t   (Rodrigues)

for a joint at (O, t) in its parent that turns about k, K = [k]x; one that slides adds q R k to p.
pytorch_kinematics reads the description. Its own walk makes a 4 x 4 matrix a frame; the one here
does the same for all components of a batch at once and is several times as fast. Knows nothing of
trajectories.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.robots import description, joint_limits

STROKES = 2.0
"""How many times as far as its limits a sliding joint may be, and the bounds on curves hold."""

Point = tuple[str, tuple[float, ...]]
"""A link and a place in its frame [m]."""


@dataclass(frozen=True, eq=False)
class Joint:
    """A joint that moves, and the frame that moves with it; all in float64.

    Args:
        parent: index of the joint before; -1 for the robot's root.
        column: which of the joint values it has.
        slides: along its axis, instead of turning about it.
        offset: (4, 4) pose of the frame in the parent's at value 0.
        axis: (3,) of length 1, in its own frame.
    """

    parent: int
    column: int
    slides: bool
    offset: Float[Tensor, "4 4"]
    axis: Float[Tensor, "3"]


@dataclass(frozen=True, eq=False)
class Tree:
    """The joints of a robot that move, parents first.

    Args:
        joints: that move.
        links: by name, the joint that carries it (-1: the root) and its pose (4, 4) in that frame.
    """

    joints: tuple[Joint, ...]
    links: dict[str, tuple[int, Float[Tensor, "4 4"]]]


@lru_cache
def tree(robot: str) -> Tree:
    """Of a robot, by its name; joints that are fixed are merged into their parents."""
    import pytorch_kinematics as pk  # takes a second, and only robots with links need it

    chain = pk.build_chain_from_urdf(description(robot).encode()).to(dtype=torch.float64)
    columns = {name: k for k, name in enumerate(joint_limits(robot))}
    names = chain.get_joint_parameter_names()
    joints: list[Joint] = []
    links: dict[str, tuple[int, Tensor]] = {}
    with torch.inference_mode(False):
        for index, path in enumerate(chain.parents_indices):
            above, offset = -1, torch.eye(4, dtype=torch.float64)
            if len(path) > 1:
                above, offset = links[chain.idx_to_frame[int(path[-2])]]
            for part in (chain.link_offsets[index], chain.joint_offsets[index]):
                offset = offset if part is None else offset @ part[0]
            number = int(chain.joint_indices[index])
            if number >= 0:
                slides = int(chain.joint_type_indices[index]) == 2
                column = columns[names[number]]
                joints.append(Joint(above, column, slides, offset, chain.axes[number]))
                above, offset = len(joints) - 1, torch.eye(4, dtype=torch.float64)
            links[chain.idx_to_frame[index]] = (above, offset)
    return Tree(tuple(joints), links)


@dataclass(frozen=True, eq=False)
class Attached:
    """Points fixed to the links of a robot.

    Args:
        base: rotation (3, 3, 1) and position (3, 1) of the robot's root.
        walk: the joints that move a point, each after its number.
        mixes: of each, (10, 3) rows of O^T, (O K)^T, (O K^2)^T, t; or (5, 3): O^T, t, O k.
        groups: index of a joint and the places (S, 3) of the points in its frame.
        reach: (J, S) how far each point can be from each joint's axis [m], 1 for one that slides,
            0 for one that does not move it; joints in the order of the walk, points of the groups.
    """

    base: tuple[Tensor, Tensor]
    walk: tuple[tuple[int, Joint], ...]
    mixes: tuple[Tensor, ...]
    groups: tuple[tuple[int, Tensor], ...]
    reach: Float[Tensor, "J S"]

    def positions(self, q: Float[Tensor, "... J"]) -> Float[Tensor, "... S 3"]:
        """Where the points are in the world [m], by the groups.

        Args:
            q: (..., J) all joint values of the robot [rad, or m].
        """
        values = q.reshape(-1, q.shape[-1]).T  # (J, N)
        sin, versed = values.sin(), 1 - values.cos()
        frames = {-1: self.base}  # rotation (3, 3, N) and position (3, N)
        for (index, joint), mix in zip(self.walk, self.mixes, strict=True):
            turn, place = frames[joint.parent]
            mixed, k = mix @ turn, joint.column  # (3, 10 or 5, N)
            if joint.slides:
                frames[index] = mixed[:, :3], place + mixed[:, 3] + values[k] * mixed[:, 4]
            else:
                turned = mixed[:, :3] + sin[k] * mixed[:, 3:6] + versed[k] * mixed[:, 6:9]
                frames[index] = turned, place + mixed[:, 9]
        count = values.shape[-1]
        points = [
            (centers @ frames[index][0] + frames[index][1][:, None]).expand(-1, -1, count)
            for index, centers in self.groups
        ]  # (3, S_g, N) each
        positions: Tensor = torch.cat(points, dim=1).permute(2, 1, 0).contiguous()
        return positions.view(*q.shape[:-1], *positions.shape[1:])

    def bend(self, step: Float[Tensor, "... J"]) -> Float[Tensor, "... S"]:
        """Bound on the second derivative of each point [m] along q + s step, s in [0, 1].

        The derivative by joints i before j is axis_i x (axis_j x arm_j), not above the reach of j.

        Args:
            step: (..., J) of all joint values [rad, or m].
        """
        each = step[..., [joint.column for _, joint in self.walk]].abs()
        before = each.cumsum(-1) - each
        bound: Tensor = (each * (each + 2 * before)) @ self.reach
        return bound


@lru_cache
def attached(
    robot: str,
    base: tuple[float, ...],
    points: tuple[Point, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Attached, tuple[int, ...]]:
    """Points on links, and in which order it has them.

    Args:
        robot: a key of ``ROBOTS``.
        base: pose of its root: position [m], quaternion w, x, y, z of length 1.
        points: on its links.
        dtype: of the joint values.
        device: of the joint values.
    """
    known = tree(robot)
    carriers = [known.links[link][0] for link, _ in points]
    order = tuple(sorted(range(len(points)), key=carriers.__getitem__))
    moving = sorted({joint for carrier in carriers for joint in _path(known, carrier)})
    with torch.inference_mode(False):
        groups = []
        reach = torch.zeros(len(moving), len(points), dtype=torch.float64)
        for carrier, same in itertools.groupby(enumerate(order), lambda at: carriers[at[1]]):
            places = []
            for column, k in same:
                places.append(_on_joint(known, points[k]))
                for joint, far in _reaches(robot, carrier, places[-1]).items():
                    reach[moving.index(joint), column] = far
            groups.append((carrier, torch.stack(places).to(device, dtype)))
        made = Attached(
            base=(
                torch.tensor(rotation(base[3:]), dtype=dtype, device=device)[..., None],
                torch.tensor(base[:3], dtype=dtype, device=device)[:, None],
            ),
            walk=tuple((k, known.joints[k]) for k in moving),
            mixes=tuple(_mix(known.joints[k]).to(device, dtype) for k in moving),
            groups=tuple(groups),
            reach=reach.to(device, dtype),
        )
    return made, order


def rotation(quaternion: tuple[float, ...]) -> list[list[float]]:
    """Rows of the matrix of a quaternion w, x, y, z of length 1."""
    w, x, y, z = quaternion
    return [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]


def _path(known: Tree, joint: int) -> list[int]:
    """The joint and those before it, from the last to the first."""
    path = []
    while joint >= 0:
        path.append(joint)
        joint = known.joints[joint].parent
    return path


def _on_joint(known: Tree, point: Point) -> Float[Tensor, "3"]:
    """Place of a point in the frame of the joint that carries its link."""
    link, center = point
    pose = known.links[link][1]
    return pose[:3, :3] @ torch.tensor(center, dtype=torch.float64) + pose[:3, 3]


def _mix(joint: Joint) -> Float[Tensor, "R 3"]:
    """What a joint makes of its parent's rotation, as rows to multiply that with."""
    turn, place = joint.offset[:3, :3], joint.offset[:3, 3:]
    if joint.slides:
        return torch.cat([turn, place, turn @ joint.axis[:, None]], dim=1).T
    x, y, z = joint.axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.cat([turn, turn @ cross, turn @ cross @ cross, place], dim=1).T


def _reaches(robot: str, carrier: int, place: Float[Tensor, "3"]) -> dict[int, float]:
    """Bounds on the distance [m] of a point from the axis of each joint that moves it.

    The triangle inequality along the origins of the joints, whatever their values.
    """
    known, limits = tree(robot), list(joint_limits(robot).values())
    reaches, towards, beyond = {}, place, 0.0
    for index in _path(known, carrier):
        joint = known.joints[index]
        across = math.sqrt(max(float(towards.square().sum() - (towards @ joint.axis) ** 2), 0.0))
        reaches[index] = 1.0 if joint.slides else across + beyond
        beyond += float(torch.linalg.vector_norm(towards))
        if joint.slides:
            beyond += STROKES * max(map(abs, limits[joint.column]))
        towards = joint.offset[:3, 3]
    return reaches
