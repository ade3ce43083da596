"""Constraints as bodies in ManiSkill's scene: where they are, how they move, whom they touch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glass_envs.maniskill import drivers
from glass_envs.maniskill.world import ManiSkill
from glass_plan.constraints import (
    Always,
    Avoid,
    Ball,
    Box,
    Capsule,
    Constraint,
    Cylinder,
    Ellipsoid,
    Intersection,
    Moving,
    Reach,
    Region,
    StayIn,
    Union,
)
from tests.envs.arms import HOVER, needs_maniskill

pytestmark = needs_maniskill

BALL = Ball((0.1, 0.2, 0.3), 0.05)
SHAPES: list[tuple[Region, str, tuple[float, ...]]] = [
    (BALL, "Sphere", (0.05,)),
    (Box((0.1, 0.2, 0.3), (0.2, 0.4, 0.6), rotation=(0.0, 0.0, 0.4)), "Box", (0.05, 0.1, 0.15)),
    (Capsule((0.1, 0.1, 0.1), (0.1, 0.1, 0.5), 0.03), "Capsule", (0.03, 0.2)),
    (Cylinder((0.1, 0.1, 0.1), (0.4, 0.1, 0.5), 0.03), "Cylinder", (0.03, 0.25)),
]
SIZES = {
    "Sphere": ("radius",),
    "Box": ("half_size",),
    "Capsule": ("radius", "half_length"),
    "Cylinder": ("radius", "half_length"),
}
SWEEPER = Moving(Box((-0.03, -0.03, 0.0), (0.03, 0.03, 0.05)), ((-0.2, 0, 0), (0.2, 0, 0)), 0.4)
"""Over the table, through a cube in the middle, and below the hand."""


def shot(env: ManiSkill, speed: float) -> Constraint:
    """A ball that flies through the wrist within a few physics steps."""
    _, info = env.reset(seed=0)
    hand = info["trace"].links[0, env.link_names.index("panda_hand"), :3]
    x, y, z = (hand + np.array([0.04, 0.0, 0.02])).tolist()
    way = ((x, y - 0.6, z), (x, y + 0.6, z))
    return Avoid(Moving(Ball((0.0, 0.0, 0.0), 0.03), way, speed)).named("shot")


@pytest.fixture
def make() -> Iterator[Any]:
    """Makes environments that are closed in the end."""
    made: list[ManiSkill] = []

    def one(constraints: Constraint | None, **kwargs: Any) -> ManiSkill:
        made.append(ManiSkill(constraints=constraints, **kwargs))
        return made[-1]

    yield one
    for env in made:
        env.close()


def entities(env: ManiSkill) -> list[Any]:
    """SAPIEN's, of the drawn bodies."""
    scene = env._simulation.scene.sub_scenes[0]
    return [entity for entity in scene.entities if entity.name.startswith("drawn")]


def rigid(entity: Any) -> Any:
    import sapien

    return entity.find_component_by_type(sapien.physx.PhysxRigidDynamicComponent)


@pytest.mark.parametrize(("region", "kind", "size"), SHAPES, ids=[kind for _, kind, _ in SHAPES])
def test_a_solid_has_the_shape_and_the_place_of_its_region(
    make: Any, region: Region, kind: str, size: tuple[float, ...]
) -> None:
    env = make(Avoid(region, margin=0.1), solid=True)
    env.reset(seed=0)
    (entity,) = entities(env)
    (shape,) = rigid(entity).collision_shapes
    assert type(shape).__name__ == f"PhysxCollisionShape{kind}"
    np.testing.assert_allclose(np.hstack([getattr(shape, name) for name in SIZES[kind]]), size)
    assert rigid(entity).kinematic
    lengths = np.array(size if kind == "Box" else (sum(size[:2]), 0, 0))
    if kind == "Cylinder":
        lengths = np.array((size[1], size[0], 0))
    turn = entity.pose.to_transformation_matrix()
    tips = [turn[:3, :3] @ (sign * lengths) + turn[:3, 3] for sign in (1, -1)]
    distance = region.signed_distance(torch.tensor(np.array(tips)).double(), torch.zeros(2))
    np.testing.assert_allclose(distance, 0.0, atol=1e-6)


@pytest.mark.parametrize(
    "region",
    [
        Ellipsoid((0.1, 0.2, 0.3), (0.1, 0.05, 0.08), rotation=(0.3, 0.1, 0.2)),
        Intersection((Union((BALL, Ball((0.12, 0.2, 0.34), 0.05))), Ball((0, 0, 0), 1.0))),
    ],
    ids=["convex", "not convex"],
)
def test_a_mesh_collides_on_the_surface_of_its_region(make: Any, region: Region) -> None:
    env = make(Avoid(region), solid=True)
    env.reset(seed=0)
    (entity,) = entities(env)
    (shape,) = rigid(entity).collision_shapes
    points = torch.tensor(shape.vertices + entity.pose.p).double()
    assert len(points) > 100
    distance = region.signed_distance(points, torch.zeros(len(points)))
    np.testing.assert_allclose(distance, 0.0, atol=1e-5)


def test_ghosts_have_no_shape_and_only_what_is_avoided_collides(make: Any) -> None:
    both = Always(Avoid(BALL)).named("ball") & Reach(Ball((0, 0, 0.3), 0.05))
    room = StayIn(Box((-1, -1, -1), (1, 1, 1)))
    for solid in (False, True):
        env = make(both & room, solid=solid)
        shapes = [len(rigid(entity).collision_shapes) for entity in entities(env)]
        assert shapes == [int(solid), 0]  # a room would hide what is in it, and is not drawn


@pytest.mark.parametrize("solid", [False, True])
def test_a_moving_body_follows_its_path_in_plan_time(make: Any, solid: bool) -> None:
    path = Moving(Ball((0, 0, 0.1), 0.05), ((0.3, 0.3, 0.5), (0.3, 0, 0.5), (0, 0, 0.8)), 0.9)
    env = make(Avoid(Union((path, BALL))), solid=solid)
    moving, staying = entities(env)
    seen: list[Any] = []
    after = env._simulation._after_simulation_step

    def watched() -> None:
        after()
        seen.append(moving.pose.p)

    env._simulation._after_simulation_step = watched
    for seed in range(2):
        seen.clear()
        env.reset(seed=seed)
        seen.append(moving.pose.p)
        for _ in range(12):
            env.step(HOVER)
        times = torch.arange(61, dtype=torch.float64) / 100
        np.testing.assert_allclose(
            seen, path.position(times) + torch.tensor([0, 0, 0.1]), atol=1e-6
        )
        np.testing.assert_allclose(staying.pose.p, BALL.center, atol=1e-6)


def test_a_moving_solid_pushes_the_cube_and_a_ghost_does_not(make: Any) -> None:
    cubes, contacts = {}, {}
    for solid in (False, True):
        env = make(Avoid(SWEEPER).named("sweeper"), solid=solid)
        env.reset(seed=0, options={"cube": (0.0, 0.0, 0.02)})
        infos = [env.step(HOVER)[4] for _ in range(14)]
        cubes[solid] = infos[-1]["trace"].objects["cube"][-1, :3]
        contacts[solid] = [contact for info in infos for contact in info["trace"].contacts]
        costs = [info["cost"] for info in infos]
        assert costs[0] == 0 < sum(costs)  # the cube counts, whether or not it is felt
    np.testing.assert_allclose(cubes[False], (0.0, 0.0, 0.02), atol=1e-4)
    front = SWEEPER.position(torch.tensor([0.7]).double())[0, 0].item() + 0.03
    assert cubes[True][0] >= front + 0.015
    assert contacts[False] == []
    assert {(c.part, c.other, c.by_robot) for c in contacts[True]} == {("sweeper", "cube", False)}
    assert all(contact.impulse > 0 for contact in contacts[True])


def test_a_hit_between_two_control_steps_is_counted(make: Any) -> None:
    env = make(shot(make(None), speed=8.0), solid=True)
    env.reset(seed=0)
    infos = []
    for _ in range(4):
        infos.append(env.step(HOVER)[4])
        for contact in env._simulation.scene.px.get_contacts():  # all that ManiSkill looks at
            if "drawn-0" in {body.entity.name for body in contact.bodies}:
                assert not any(np.any(point.impulse) for point in contact.points)
    hits = [contact for info in infos for contact in info["trace"].contacts]
    assert hits
    for hit in hits:
        assert hit.by_robot
        assert hit.other.startswith("panda_")
        assert hit.impulse > 1.0
        assert hit.depth > 0
        assert 0.05 < hit.time < 0.1
    assert [info["cost_shot"] for info in infos] == [0.0, 1.0, 0.0, 0.0]
    assert infos[1]["margin_shot"] == -max(hit.depth for hit in hits)
    hit_at = {round(100 * hit.time) for hit in hits}
    below = infos[1]["times"][infos[1]["margins"]["shot"] < 0]
    assert hit_at <= {round(100 * time) for time in below}


def test_a_solid_pushes_the_arm_and_a_ghost_does_not(make: Any) -> None:
    bare = make(None)
    flying = shot(bare, speed=4.0)
    ways = {}
    for name, env in (
        ("bare", bare),
        ("ghost", make(flying)),
        ("solid", make(flying, solid=True)),
    ):
        env.reset(seed=0)
        ways[name] = np.concatenate([env.step(HOVER)[4]["trace"].joints for _ in range(6)])
    np.testing.assert_array_equal(ways["bare"], ways["ghost"])
    assert np.abs(ways["bare"] - ways["solid"]).max() > 0.01


def test_the_fetched_driver_is_taken_unless_another_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "lavapipe.json"
    monkeypatch.setattr(drivers, "FETCHED", fetched)
    for name in drivers.CHOICES:
        monkeypatch.setenv(name, "")  # so that what is there now is put back in the end
    assert not drivers.choose_driver()
    assert os.environ[drivers.CHOICES[0]] == ""
    fetched.touch()
    monkeypatch.setenv("VK_DRIVER_FILES", "mine.json")
    assert drivers.choose_driver()
    assert os.environ[drivers.CHOICES[0]] == ""
    monkeypatch.setenv("VK_DRIVER_FILES", "")
    assert drivers.choose_driver()
    assert os.environ[drivers.CHOICES[0]] == str(fetched)


def test_without_a_driver_pictures_are_refused_and_states_are_not() -> None:
    code = """
from glass_envs.maniskill.world import ManiSkill
from glass_plan.errors import RequestError
ManiSkill().reset(seed=0)
try:
    ManiSkill(render_mode="rgb_array")
except RequestError as error:
    assert "make vulkan" in str(error), error
else:
    raise AssertionError("a picture without a driver")
"""
    nothing = {**os.environ, "VK_ICD_FILENAMES": os.devnull, "VK_DRIVER_FILES": os.devnull}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, env=nothing)


@pytest.mark.slow
@pytest.mark.skipif(not drivers.choose_driver(), reason="no driver; `make vulkan` fetches one")
def test_pictures_show_what_is_avoided_and_what_is_to_be_reached() -> None:
    ghost = Avoid(Moving(Ball((0, 0.25, 0.1), 0.06), ((0, 0, 0), (0, -0.3, 0)), 1.0))
    visit = Reach(Ellipsoid((0.0, -0.25, 0.1), (0.05, 0.1, 0.05)))
    ManiSkill().close()  # a world without pictures does not spoil those that come after
    pictures: dict[str, Any] = {}
    for name, constraints, solid in (
        ("bare", None, False),
        ("ghost", ghost, False),
        ("solid", ghost, True),
        ("both", ghost & visit, False),
    ):
        env = ManiSkill(constraints=constraints, solid=solid, render_mode="rgb_array")
        env.reset(seed=0)
        picture = env.render()
        assert picture is not None
        assert picture.shape == (512, 512, 3)
        assert picture.dtype == np.uint8
        pictures[name] = picture.astype(int)
        if name == "ghost":
            env.step(HOVER)
            pictures["later"] = np.array(env.render(), int)
        env.close()
    for before, after in (
        ("bare", "ghost"),
        ("ghost", "solid"),
        ("ghost", "later"),
        ("ghost", "both"),
    ):
        changed = np.abs(pictures[before] - pictures[after]).max(-1) > 20
        assert 300 < changed.sum() < 20_000, (before, after)
