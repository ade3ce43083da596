"""Forward kinematics against closed forms, a physics engine and the library's own walk."""

from __future__ import annotations

import math
import subprocess
import sys

import mujoco
import numpy as np
import pytest
import pytorch_kinematics as pk
import torch

from glass_plan.kinematics import attached
from glass_plan.layout import AT_ORIGIN
from glass_plan.robots import description, joint_limits, link_names
from tests.arms import READY

CPU = torch.device("cpu")
LINKS = link_names("panda")
ROUNDED = 1e-6
"""pytorch_kinematics reads angles in float32 [m]."""


def places(q, points, base=AT_ORIGIN):
    """Positions (..., S, 3) of points on links of the Panda, in the order given."""
    made, order = attached("panda", base, tuple(points), q.dtype, q.device)
    return made.positions(q)[..., np.argsort(order), :]


def joints(*values: float) -> torch.Tensor:
    """Of the Panda, the fingers in the middle."""
    return torch.tensor([*values, 0.0, 0.0], dtype=torch.float64)


def random_joints(count: int, seed: int = 0) -> torch.Tensor:
    low, high = torch.tensor(list(joint_limits("panda").values()), dtype=torch.float64).T
    share = torch.rand(
        count, len(low), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return torch.lerp(low, high, share)


def test_the_flange_of_the_stretched_arm_is_where_its_lengths_add_up():
    flange = places(joints(*[0] * 7), [("panda_link8", (0, 0, 0))])[0]
    expected = [0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107]
    assert flange.tolist() == pytest.approx(expected, abs=ROUNDED)


def test_the_hand_in_the_ready_pose_is_where_franka_says():
    tip = places(joints(*READY), [("panda_hand_tcp", (0, 0, 0))])[0]
    assert tip.tolist() == pytest.approx([0.3069, 0.0, 0.4869], abs=1e-4)


def test_the_first_joint_turns_all_about_the_vertical():
    point = [("panda_hand", (0.1, 0.2, 0.3))]
    before, after = (places(joints(a, 0.3, 0, -2, 0, 2, 0), point)[0] for a in (0.0, 0.7))
    x, y, z = before.tolist()
    turned = [x * math.cos(0.7) - y * math.sin(0.7), x * math.sin(0.7) + y * math.cos(0.7), z]
    assert after.tolist() == pytest.approx(turned)


def test_fingers_slide_apart():
    q = random_joints(5)
    q[:, 7:] = torch.tensor([0.01, 0.03])
    found = places(q, [("panda_leftfinger", (0, 0, 0)), ("panda_rightfinger", (0, 0, 0))])
    apart = torch.linalg.vector_norm(found[:, 0] - found[:, 1], dim=-1)
    assert apart.tolist() == pytest.approx([0.04] * 5)


def test_a_base_moves_all_points_alike():
    q, points = random_joints(6), [(link, (0.1, 0.0, 0.2)) for link in LINKS]
    base = (-0.615, 0.2, 0.1, math.cos(0.4), 0.0, 0.0, math.sin(0.4))  # 0.8 rad about z
    c, s = math.cos(0.8), math.sin(0.8)
    turn = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)
    expected = places(q, points) @ turn.T + torch.tensor(base[:3], dtype=torch.float64)
    torch.testing.assert_close(places(q, points, base), expected)


def test_every_link_is_where_a_physics_engine_has_it():
    keep = '<mujoco><compiler fusestatic="false" boundmass="1" boundinertia="1"/></mujoco>'
    head = '<robot name="panda">'
    model = mujoco.MjModel.from_xml_string(description("panda").replace(head, head + keep))
    data, q = mujoco.MjData(model), random_joints(20)
    assert [model.joint(k).name for k in range(model.njnt)] == list(joint_limits("panda"))
    found = places(q, [(link, at) for link in LINKS for at in ((0, 0, 0), (0.1, 0.2, 0.3))])
    for values, points in zip(q.numpy(), found.unflatten(1, (-1, 2)).numpy(), strict=True):
        data.qpos[:] = values
        mujoco.mj_kinematics(model, data)
        for link, (origin, point) in zip(LINKS, points, strict=True):
            body = data.body(link)
            there = body.xpos + body.xmat.reshape(3, 3) @ [0.1, 0.2, 0.3]
            np.testing.assert_allclose([origin, point], [body.xpos, there], atol=ROUNDED)


def test_the_walk_agrees_with_that_of_the_library():
    q = random_joints(20)
    chain = pk.build_chain_from_urdf(description("panda").encode()).to(dtype=torch.float64)
    poses = chain.forward_kinematics(q)
    expected = torch.stack([poses[link].get_matrix()[:, :3, 3] for link in LINKS], dim=1)
    torch.testing.assert_close(places(q, [(link, (0, 0, 0)) for link in LINKS]), expected)


def test_positions_have_the_gradient_of_finite_differences():
    q = random_joints(2).requires_grad_()
    points = [("panda_link3", (0.1, 0, 0)), ("panda_rightfinger", (0, 0.01, 0.02))]
    assert torch.autograd.gradcheck(lambda q: places(q, points), (q,))


def test_the_order_and_the_company_of_points_do_not_matter():
    q, points = random_joints(3), [(link, (0.1, 0.0, 0.2)) for link in reversed(LINKS)]
    together = places(q, points)
    for k, point in enumerate(points):
        torch.testing.assert_close(places(q, [point])[:, 0], together[:, k])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_type_are_those_of_the_joints(dtype):
    q = torch.zeros(2, 3, 9, dtype=dtype)
    found = places(q, [(link, (0, 0, 0)) for link in LINKS])
    assert found.shape == (2, 3, len(LINKS), 3)
    assert found.dtype == dtype


def test_an_empty_batch_has_no_positions():
    found = places(torch.zeros(0, 2, 9), [("panda_hand", (0, 0, 0))] * 2)
    assert found.shape == (0, 2, 2, 3)


def test_the_library_is_imported_for_robots_alone():
    code = "import sys, glass_plan as gp; gp.panda_body(); "
    code += "sys.exit('pytorch_kinematics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_curve_bends_more_than_its_bound():
    points = tuple((link, (0.05, -0.1, 0.08)) for link in LINKS)
    made, _ = attached("panda", AT_ORIGIN, points, torch.float64, CPU)
    start, step = random_joints(200), random_joints(200, seed=1) - random_joints(200, seed=2)
    h = 1e-3
    before, at, after = (made.positions(start + s * step) for s in (0.5 - h, 0.5, 0.5 + h))
    bend = torch.linalg.vector_norm(after - 2 * at + before, dim=-1) / h**2
    bound = made.bend(step)
    assert (bend <= bound + 1e-5).all()
    assert (bend.amax(0)[3:] > 0.1 * bound.amax(0)[3:]).all()  # not by far


def test_no_point_is_further_from_an_axis_than_its_reach():
    points = tuple((link, (0.05, -0.1, 0.08)) for link in LINKS[1:])
    made, _ = attached("panda", AT_ORIGIN, points, torch.float64, CPU)
    q = random_joints(500)
    for row, (_, joint) in enumerate(made.walk):
        step = torch.zeros(9, dtype=torch.float64)
        step[joint.column] = 1e-6
        moved = made.positions(q + step) - made.positions(q)
        assert (torch.linalg.vector_norm(moved, dim=-1) <= 1e-6 * made.reach[row] + 1e-11).all()
