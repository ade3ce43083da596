"""Whether an arm can do an errand: places by inverse kinematics, ways past what is in the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from glass_envs.maniskill.motions import FINE, NEAR, OPEN, Errand, held, solution
from glass_plan.bodies import tool_way
from glass_plan.constraints import Ball
from glass_plan.progress import as_driven
from glass_plan.robots import PANDA

JOINTS = np.array([0.0, 0.4, 0.0, -1.96, 0.0, 2.36, 0.785])
ERRAND = Errand(JOINTS, np.array([0.06, -0.05, 0.02]), np.array([-0.05, 0.08, 0.2]))


def tools(joints):
    rows = np.zeros((len(joints), len(PANDA.columns(PANDA.start)) + 1))
    rows[:, :7] = joints
    return tool_way(as_driven(rows, PANDA)).numpy()


def test_the_tool_comes_from_above_and_ends_where_the_cube_belongs():
    way = solution(ERRAND)
    places = tools(way)
    assert np.abs(np.diff(way, axis=0)).max() <= FINE
    at_cube = int(np.linalg.norm(places - ERRAND.cube, axis=1).argmin())
    np.testing.assert_allclose(places[at_cube], ERRAND.cube, atol=NEAR)
    np.testing.assert_allclose(places[-1], ERRAND.goal, atol=NEAR)
    near = places[max(0, at_cube - 3) : at_cube]
    np.testing.assert_allclose(near[:, :2], np.broadcast_to(ERRAND.cube[:2], (3, 2)), atol=0.01)


def test_what_has_to_be_visited_is_on_the_way():
    visit = np.array([0.05, 0.12, 0.25])
    places = tools(solution(replace(ERRAND, visit=[visit])))
    assert np.linalg.norm(places - visit, axis=1).min() < NEAR


def test_a_ball_on_the_way_is_passed_with_the_clearance():
    pytest.importorskip("ompl")
    errand = replace(ERRAND, goal=np.array([0.06, 0.2, 0.1]))
    plain = tools(solution(errand))
    ball = Ball(tuple((plain[4 * len(plain) // 5] - [0.0, 0.0, 0.02]).tolist()), 0.015)
    assert np.linalg.norm(plain - np.array(ball.center), axis=1).min() < 0.05  # the cube hits it
    way = solution(replace(errand, avoid=[ball], clearance=0.01))
    nearest = np.linalg.norm(tools(way) - np.array(ball.center), axis=1).min()
    assert nearest > ball.radius + 0.03 + 0.01


def test_a_cube_within_a_ball_cannot_be_had():
    assert solution(replace(ERRAND, avoid=[Ball(tuple(ERRAND.cube.tolist()), 0.02)])) is None


def test_nor_one_that_is_out_of_reach():
    far = replace(ERRAND, cube=np.array([1.5, 0.0, 0.02]))
    assert solution(far) is None
    assert held(far) is None


def test_the_body_is_told_at_start_grasp_and_end():
    (start, grasp, again, end), (opened, _, closed, _) = held(ERRAND)
    np.testing.assert_array_equal(start, ERRAND.joints)
    assert opened == OPEN
    assert closed < opened
    np.testing.assert_array_equal(grasp, again)
    np.testing.assert_allclose(tools(np.stack([grasp, end])), [ERRAND.cube, ERRAND.goal], atol=NEAR)
