"""Constraints as bodies in a SAPIEN scene, each at its place in plan time.

What must be avoided is red, what must be reached green; other regions, which would hide what is in
them, are not drawn. A ghost pushes nothing and is translucent; a solid collides. All are kinematic:
moved, never pushed. Knows nothing of tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from glass_envs.maniskill.solids import Solid, solids
from glass_plan.constraints import All, Constraint
from glass_plan.errors import RequestError
from glass_plan.viz import RED, demands

OPACITY = 0.6
"""Of ghosts."""
GAMMA = 2.2
"""Of a display."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Body:
    """A solid that stands for a part of a constraint.

    Args:
        part: its name.
        solid: shape, size and place.
        colour: hexadecimal.
        collides: whether it is more than a ghost.
    """

    part: str
    solid: Solid
    colour: str
    collides: bool


def bodies(constraints: Constraint, *, solid: bool) -> list[Body]:
    """The bodies of all regions that a constraint wants avoided or reached.

    Args:
        constraints: whose top-level parts give their names.
        solid: whether what must be avoided collides.

    Raises:
        RequestError: solid, and a region that must be avoided cannot be drawn; a ghost is left out
            with a warning in the log.
    """
    found: list[Body] = []
    for name, part in All((constraints,)).parts().items():
        for region, colour, filled in demands(part):
            if not filled:
                continue
            collides = solid and colour == RED
            try:
                shapes = solids(region)
            except RequestError as error:
                if collides:
                    raise
                logger.warning("%s is judged, but not drawn: %s", name, error)
                continue
            found.extend(Body(name, shape, colour, collides) for shape in shapes)
    return found


class Drawn:
    """Bodies in a scene.

    Args:
        scene: SAPIEN's.
        drawn: what to put there.
        pictures: whether the scene is rendered.
    """

    def __init__(self, scene: Any, drawn: Iterable[Body], *, pictures: bool) -> None:
        self.bodies = tuple(drawn)
        self.entities = tuple(_entity(body, pictures) for body in self.bodies)
        self.parts: dict[str, str] = {}
        """Names of the entities that collide, and of the parts that they stand for."""
        for k, (entity, body) in enumerate(zip(self.entities, self.bodies, strict=True)):
            entity.name = f"drawn-{k}"
            if body.collides:
                self.parts[entity.name] = body.part
            scene.add_entity(entity)

    def place(self, time: float) -> None:
        """Put every body where it is at a plan time [s], at rest."""
        for body, entity in zip(self.bodies, self.entities, strict=True):
            entity.set_pose(_pose(body.solid, time))

    def aim(self, time: float) -> None:
        """Have what moves arrive, at the end of the next physics step, where it is then [s]."""
        for body, entity in zip(self.bodies, self.entities, strict=True):
            if body.solid.carriers:
                _rigid(entity).set_kinematic_target(_pose(body.solid, time))


def _pose(solid: Solid, time: float) -> Any:
    import sapien

    return sapien.Pose(solid.place(time).astype(np.float32), solid.quaternion)


def _rigid(entity: Any) -> Any:
    """The component that has the mass."""
    import sapien

    return entity.find_component_by_type(sapien.physx.PhysxRigidDynamicComponent)


def _entity(body: Body, pictures: bool) -> Any:
    """A kinematic body, not yet in a scene."""
    import sapien

    entity = sapien.Entity()
    rigid = sapien.physx.PhysxRigidDynamicComponent()
    rigid.kinematic = True
    if body.collides:
        rigid.attach(_collision(body.solid))
    entity.add_component(rigid)
    if pictures:
        entity.add_component(_picture(body))
    return entity


def _collision(solid: Solid) -> Any:
    """PhysX's shape."""
    from sapien import physx

    material = physx.get_default_material()
    match solid.kind:
        case "sphere":
            return physx.PhysxCollisionShapeSphere(*solid.size, material)
        case "box":
            return physx.PhysxCollisionShapeBox(solid.size, material)
        case "capsule":
            return physx.PhysxCollisionShapeCapsule(*solid.size, material)
        case "cylinder":
            return physx.PhysxCollisionShapeCylinder(*solid.size, material)
    mesh, scale = solid.mesh, np.ones(3, np.float32)
    assert mesh is not None
    if mesh.convex:
        return physx.PhysxCollisionShapeConvexMesh(mesh.vertices, scale, material)
    return physx.PhysxCollisionShapeTriangleMesh(mesh.vertices, mesh.triangles, scale, material)


def _picture(body: Body) -> Any:
    """What the renderer shows."""
    from sapien import render

    solid = body.solid
    light = [share**GAMMA for share in to_rgb(body.colour)]  # SAPIEN's colours are linear
    material = render.RenderMaterial(base_color=[*light, 1.0 if body.collides else OPACITY])
    if not body.collides:
        material.emission = [*light, 1.0]  # SAPIEN hardly lights what is translucent
    shapes = {
        "sphere": render.RenderShapeSphere,
        "capsule": render.RenderShapeCapsule,
        "cylinder": render.RenderShapeCylinder,
    }
    if solid.mesh is not None:
        shape = _picture_of_mesh(solid, material)
    elif solid.kind == "box":
        shape = render.RenderShapeBox(solid.size, material)
    else:
        shape = shapes[solid.kind](*solid.size, material)
    component = render.RenderBodyComponent()
    component.attach(shape)
    return component


def _picture_of_mesh(solid: Solid, material: Any) -> Any:
    """Flat triangles, none of which shares a vertex with another, so that edges look sharp."""
    from sapien import render

    assert solid.mesh is not None
    corners = solid.mesh.vertices[solid.mesh.triangles]  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    points = corners.reshape(-1, 3).astype(np.float32)
    return render.RenderShapeTriangleMesh(
        points,
        np.arange(len(points), dtype=np.uint32).reshape(-1, 3),
        normals.repeat(3, axis=0).astype(np.float32),
        np.zeros((len(points), 2), np.float32),
        material,
    )
