"""What happens between two control steps: poses and touches at the physics rate.

ManiSkill tells only of the last of several physics steps, so a fast hit would be missed. Recorded
is, at every physics step, where everything is and which drawn bodies were pushed against. Knows
nothing of constraints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glass_envs.maniskill.drawing import Drawn

Array = NDArray[np.float64]

SHALLOWEST = 1e-6
"""Depth of a push [m] that PhysX met before the bodies overlapped."""


@dataclass(frozen=True)
class Contact:
    """A push between a drawn body and another within one physics step.

    Args:
        time: at the end of the step [s].
        part: of the constraint, whose body was touched.
        other: the link or the object that touched it.
        by_robot: whether that is a link of the robot.
        impulse: sum of the sizes over all points of contact [N s].
        depth: of the deepest point [m], at least ``SHALLOWEST``.
    """

    time: float
    part: str
    other: str
    by_robot: bool
    impulse: float
    depth: float


class Trace(NamedTuple):
    """One control step at the physics rate: S physics steps, or none at the start of an episode.

    Poses are (x, y, z) [m] and a unit quaternion (w, x, y, z), in the world. (A tuple, because
    Gymnasium compares what ``info`` holds.)

    Args:
        times: (S + 1,) plan time [s].
        joints: (S + 1, n) positions, in ManiSkill's order [rad; m of fingers].
        joint_velocities: (S + 1, n) [rad/s; m/s].
        tcp: (S + 1, 7) pose of the tool's centre point.
        velocity: (S + 1, 3) of the tool's centre point, mean over the physics step before [m/s].
        links: (S + 1, L, 7) poses of the robot's links, in the order of its ``link_names``.
        objects: (S + 1, 7) pose of every object that can be moved, by name.
        contacts: with bodies that are drawn as solids, in the order of time.
    """

    times: Array
    joints: Array
    joint_velocities: Array
    tcp: Array
    velocity: Array
    links: Array
    objects: dict[str, Array]
    contacts: tuple[Contact, ...] = ()

    def depths(self, actor: str = "") -> dict[str, Array]:
        """How deep [m] the bodies of each part were pushed into at every physics step, (S,).

        Args:
            actor: whose pushes count, besides the robot's.
        """
        depths: dict[str, Array] = {}
        for contact in self.contacts:
            if contact.by_robot or contact.other == actor:
                depth = depths.setdefault(contact.part, np.zeros(len(self.times) - 1))
                step = int(np.argmin(np.abs(self.times[1:] - contact.time)))
                depth[step] = max(depth[step], contact.depth)
        return depths


class Recorder:
    """Hooks into ManiSkill's physics steps; moves the drawn bodies on the way.

    Args:
        simulation: ManiSkill's environment.
        drawn: bodies in its scene.
    """

    def __init__(self, simulation: Any, drawn: Drawn) -> None:
        self._drawn, self._px = drawn, simulation.scene.px
        self.dt = 1 / simulation.sim_freq
        robot = simulation.agent.robot
        self._robot = robot._objs[0]
        self._links = [link._objs[0] for link in robot.links]
        self.link_names = tuple(link.name for link in robot.links)
        self._tcp = self.link_names.index(simulation.agent.tcp.name)
        self._objects = {
            name: actor._objs[0]
            for name, actor in simulation.scene.actors.items()
            if actor.px_body_type == "dynamic"
        }
        links = zip(self._links, self.link_names, strict=True)
        self._link_of = {link.entity.name: name for link, name in links}
        self._object_of = {entity.name: name for name, entity in self._objects.items()}
        simulation._before_simulation_step = self._before
        simulation._after_simulation_step = self._after
        self.begin()

    def begin(self) -> None:
        """Start an episode at plan time 0."""
        self._steps = 0
        self._drawn.place(0.0)
        self._rows, self._contacts = [self._row()], list[Contact]()
        self._velocity = np.zeros(3)

    def take(self) -> Trace:
        """What was recorded since the last time, its last state included."""
        times, joints, velocities, links, objects = zip(*self._rows, strict=True)
        path = np.stack(links)
        moved = np.diff(path[:, self._tcp, :3], axis=0) / self.dt
        velocity = np.concatenate([self._velocity[None], moved])
        trace = Trace(
            times=np.array(times),
            joints=np.stack(joints),
            joint_velocities=np.stack(velocities),
            tcp=path[:, self._tcp],
            velocity=velocity,
            links=path,
            objects={
                name: np.stack([row[k] for row in objects]) for k, name in enumerate(self._objects)
            },
            contacts=tuple(self._contacts),
        )
        self._rows, self._contacts, self._velocity = self._rows[-1:], [], velocity[-1]
        return trace

    def _before(self) -> None:
        self._drawn.aim((self._steps + 1) * self.dt)

    def _after(self) -> None:
        self._steps += 1
        self._rows.append(self._row())
        if self._drawn.parts:
            self._contacts.extend(self._touches())

    def _row(self) -> tuple[float, Array, Array, Array, list[Array]]:
        return (
            self._steps * self.dt,
            self._robot.get_qpos().astype(np.float64),
            self._robot.get_qvel().astype(np.float64),
            np.stack([_pose(link.entity_pose) for link in self._links]),
            [_pose(entity.pose) for entity in self._objects.values()],
        )

    def _touches(self) -> list[Contact]:
        """Contacts of this physics step that pushed; those that only come near do not count.

        What SAPIEN gives is read at once: after the next step it points to freed memory.
        """
        pushed: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for contact in self._px.get_contacts():
            one, other = (body.entity.name for body in contact.bodies)
            if other in self._drawn.parts:
                one, other = other, one
            if one in self._drawn.parts:
                points = [(float(np.linalg.norm(p.impulse)), p.separation) for p in contact.points]
                pushed.setdefault((one, other), []).extend(pair for pair in points if pair[0] > 0)
        return [self._contact(*pair, points) for pair, points in pushed.items() if points]

    def _contact(self, drawn: str, other: str, points: list[tuple[float, float]]) -> Contact:
        """Of the points' impulses [N s] and separations [m]."""
        impulses, separations = zip(*points, strict=True)
        return Contact(
            time=self._steps * self.dt,
            part=self._drawn.parts[drawn],
            other=self._link_of.get(other) or self._object_of.get(other, other),
            by_robot=other in self._link_of,
            impulse=sum(impulses),
            depth=max(SHALLOWEST, -min(separations)),
        )


def _pose(pose: Any) -> Array:
    """(7,) of SAPIEN's."""
    return np.concatenate([pose.p, pose.q], dtype=np.float64)
