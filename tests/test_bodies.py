"""Bodies of spheres: where they are along a trajectory, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glass_plan import checkpoint
from glass_plan.bodies import Spheres, check_body, spheres_of
from glass_plan.errors import CheckpointError, LayoutError
from glass_plan.layout import Body, Channel, Layout, Sphere, Trajectory
from glass_plan.robots import PANDA_LINKS, joint_limits, link_names, panda_body, panda_spheres
from tests import tiny
from tests.arms import ARM, CHANNELS, CUBE, HOLDING, READY, at_rest, drive

CPU = torch.device("cpu")
ABOVE = Layout((Channel("position", 3, "m"),), body=Body((Sphere("position", (0, 0, 1), 0.2),)))
"""A sphere that is carried above a point."""


def spheres(layout: Layout, *, tool: bool = False, dtype: torch.dtype = torch.float64) -> Spheres:
    return spheres_of(layout, tool=tool, dtype=dtype, device=CPU)


def on_cube(*kept: Sphere) -> Layout:
    return Layout(CHANNELS, (), (), body=Body(kept))


def test_a_position_carries_its_spheres_along():
    x = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    assert spheres(ABOVE).centers(x).tolist() == [[[1.0, 2.0, 4.0]]]


def test_a_pose_turns_its_spheres():
    x = at_rest(READY, HOLDING).x
    x[:, 8:11] = torch.tensor([1.0, 2.0, 3.0])
    x[:, 11:15] = 3 * torch.tensor(
        [math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)]
    )  # of any length
    found = spheres(on_cube(Sphere("cube", (0.5, 0.0, 0.1)))).centers(x)
    assert found[0, 0].tolist() == pytest.approx([1.0, 2.5, 3.1])


def test_the_tool_is_a_point_between_the_finger_tips():
    tip = spheres(ARM, tool=True)
    assert tip.radii.tolist() == [0]
    found = tip.centers(at_rest(READY, ARM).x)[0, 0]
    assert found.tolist() == pytest.approx([0.3069, 0.0, 0.4869], abs=1e-4)


def test_joints_that_no_channel_holds_rest():
    arm = Layout((Channel("joints", 7, "rad"),), body=panda_body(("joints",), rest=(0.02, 0.02)))
    expected = spheres(ARM).centers(at_rest(READY, ARM).x)
    found = spheres(arm).centers(at_rest(READY, ARM).x[:, :7])
    torch.testing.assert_close(found, expected)


def test_what_is_held_comes_on_top():
    assert set(spheres(HOLDING).kept) == {*spheres(ARM).kept, CUBE}


def test_every_sphere_keeps_its_radius():
    kept = spheres(HOLDING)
    assert kept.radii.tolist() == [sphere.radius for sphere in kept.kept]
    for k, sphere in enumerate(kept.kept):
        alone = replace(HOLDING, body=replace(HOLDING.body, spheres=(sphere,)))
        x = drive(3, HOLDING).x
        torch.testing.assert_close(spheres(alone).centers(x)[..., 0, :], kept.centers(x)[..., k, :])


def test_a_quaternion_and_its_opposite_are_one_pose():
    trajectory = drive(0, HOLDING, length=6)
    x = trajectory.x.clone()
    x[:, [1, 2, 4], 11:15] *= -1
    kept = spheres(HOLDING)
    same = kept.transitions(replace(trajectory, x=x))
    torch.testing.assert_close(same, kept.transitions(trajectory))
    assert (same[:, 1:, 11:15] * same[:, :-1, 11:15]).sum(-1).min() >= 0


@given(seed=st.integers(0, 999), step=st.sampled_from([0.05, 0.5, 5.0]))
def test_no_sphere_strays_further_from_its_chord_than_said(seed: int, step: float):
    trajectory, kept = drive(seed, HOLDING, step=step), spheres(HOLDING)
    x = kept.transitions(trajectory)
    start, way = x[:, :-1], x.diff(dim=-2)
    share = torch.linspace(0, 1, 41, dtype=x.dtype)[:, None, None, None]
    curve = kept.centers(start + share * way)  # (41, 2, 3, S, 3)
    chord = torch.lerp(curve[:1], curve[-1:], share[..., None])
    stray = torch.linalg.vector_norm(curve - chord, dim=-1).amax(0)
    assert (stray <= kept.stray(start, way) + 1e-9).all()


def test_straight_ways_stray_nowhere():
    x = torch.rand(4, 3, dtype=torch.float64)
    assert spheres(ABOVE).stray(x[:-1], x.diff(dim=0)).tolist() == [[0.0]] * 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_type_and_arguments_are_kept(dtype):
    x = drive(1, HOLDING).x.to(dtype)
    before = x.clone()
    kept = spheres(HOLDING, dtype=dtype)
    found = kept.centers(kept.transitions(Trajectory(x, HOLDING)))
    assert found.shape == (2, 4, len(HOLDING.body.spheres), 3)
    assert found.dtype == kept.stray(x[:, :-1], x.diff(dim=-2)).dtype == dtype
    assert torch.equal(x, before)


def test_the_panda_has_spheres_on_all_moving_links():
    assert (
        {sphere.frame for sphere in panda_spheres()} == set(PANDA_LINKS) < set(link_names("panda"))
    )
    assert len(panda_spheres()) <= 50
    assert len(joint_limits("panda")) == 9


def test_links_can_be_left_out():
    hand = panda_body(links=("panda_hand",))
    assert {sphere.frame for sphere in hand.spheres} == {"panda_hand"}


def test_the_fingers_are_mirror_images():
    left, right = (
        {(s.center, s.radius) for s in panda_spheres() if s.frame == f"panda_{side}finger"}
        for side in ("left", "right")
    )
    assert {((x, -y, z), radius) for (x, y, z), radius in left} == right


def test_a_layout_with_a_body_is_read_back_equal():
    again = msgspec.json.decode(msgspec.json.encode(HOLDING), type=Layout)
    assert again == HOLDING
    assert hash(again) == hash(HOLDING)
    check_body(again)


def test_a_checkpoint_keeps_the_body(tmp_path):
    layout = replace(HOLDING, start=("joints",), goal=())
    config = msgspec.structs.replace(tiny.CONFIG, layout=layout)
    checkpoint.save_pretrained(checkpoint.build_prior(config), config, tmp_path)
    _, loaded = checkpoint.from_pretrained(str(tmp_path))
    assert loaded.layout == layout


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"panda"', '"pandar"', "unknown robot 'pandar'; did you mean 'panda'"),
        ('"panda_link5"', '"panda_lnk5"', "'panda_lnk5'; did you mean 'panda_link5'"),
        ('"radius": 0.0,', '"radius": 0.1,', "beside a body counts for nothing"),
    ],
)
def test_a_checkpoint_whose_body_is_wrong_is_refused(tmp_path, old, new, text):
    config = msgspec.structs.replace(tiny.CONFIG, layout=replace(HOLDING, goal=()))
    checkpoint.save_pretrained(checkpoint.build_prior(config), config, tmp_path)
    file = tmp_path / "config.json"
    head, tail = file.read_text().rsplit('"body"', 1)
    both = head.replace(old, new), tail.replace(old, new)
    file.write_text('"body"'.join(both))
    with pytest.raises(CheckpointError, match=text):
        checkpoint.from_pretrained(str(tmp_path))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Sphere("cube", (0, 0)), "sphere on 'cube': needs 3 finite coordinates"),
        (lambda: Sphere("cube", (0, 0, math.nan)), "needs 3 finite coordinates"),
        (lambda: Sphere("cube", radius=-1), "a radius >= 0"),
        (lambda: Body(()), "at least one sphere"),
        (lambda: Body((CUBE,), base=(0, 0, 0)), "base must be a position and a quaternion"),
        (lambda: Body((CUBE,), base=(0, 0, 0, 1, 1, 0, 0)), "quaternion of length 1"),
        (lambda: Layout(CHANNELS, radius=0.1, body=Body((CUBE,))), "a radius of 0.1 beside a body"),
        (lambda: panda_body(links=("panda_hnd",)), "no spheres on 'panda_hnd'; did you mean"),
        (lambda: panda_body(links=("panda_link0",)), "no spheres on 'panda_link0'"),
        (lambda: spheres(Layout(CHANNELS)), "has no body"),
    ],
)
def test_a_body_out_of_range_says_what_is_wrong(build, text):
    with pytest.raises(LayoutError, match=text):
        build()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (Body((CUBE,), robot="pand"), "unknown robot 'pand'; did you mean 'panda'"),
        (Body((Sphere("cubes"),)), "no link or channel 'cubes'; did you mean 'cube'"),
        (Body((CUBE,), tool=Sphere("tip")), "no link or channel 'tip'"),
        (Body((Sphere("dt"),)), "holds a position .3. or a pose .7., 'dt' has 1 components"),
        (panda_body(held=(Sphere("panda_hnd"),)), "did you mean 'panda_hand'"),
        (panda_body(("joint",)), "unknown channel 'joint'; did you mean 'joints'"),
        (panda_body(("joints",)), "hold 7 joint values, robot 'panda' has 9: panda_joint1"),
        (Body((CUBE,), joints=("joints",)), "hold 7 joint values, robot '' has 0: none"),
    ],
)
def test_a_body_that_does_not_fit_its_layout_is_refused(body, text):
    with pytest.raises(LayoutError, match=text):
        check_body(Layout(CHANNELS, body=body))
