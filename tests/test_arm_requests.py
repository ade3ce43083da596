"""Requests to an arm with the weights that ship: what is refused, and what guides may move."""

from __future__ import annotations

import numpy as np
import pytest

from glass_plan.arms import arm_for
from glass_plan.bodies import tool_way
from glass_plan.constraints import Ball, Reach
from glass_plan.embodiments.grasps import works
from glass_plan.errors import RequestError
from glass_plan.planner import Planner

START = (0.04, 0.4, 0.02, -1.92, 0.04, 2.34, 0.8, 0.04, 0.0, 0.05, 0.02)
"""Joints, gripper and cube as one of ManiSkill's scenes begins."""


@pytest.mark.parametrize(
    ("goal", "change", "text"),
    [
        ((-50.0, 90.0, 150.0), {}, "goal .* violates 'reach_of_the_arm'"),
        ((2.0, 0.0, 0.2), {}, "goal .* violates 'reach_of_the_arm'"),
        ((0.0, 0.0, -0.3), {}, "goal .* violates 'reach_of_the_arm'"),
        ((0.0, 0.0, 0.2), {-1: -1.0}, "start .* violates 'reach_of_the_arm'"),
        ((0.0, 0.0, 0.2), {7: 5.0}, "start .* violates 'gripper_limits'"),
        ((0.0, 0.0, 0.2), {3: 0.5}, "start .* violates 'joint_limits'"),
    ],
)
def test_what_an_arm_cannot_do_is_no_request(goal, change, text):
    planner = Planner.from_pretrained("maniskill-pickcube")
    start = np.array(START)
    for k, value in change.items():
        start[k] = value
    with pytest.raises(RequestError, match=text):
        planner.plan(start, goal)


@pytest.mark.parametrize("method", ["gradient", "pcgrad", "conflict-gate", "glass-fks"])
def test_no_guide_draws_the_object_out_of_the_hand(method):
    """Towards a region beside its way; from when the gripper has closed to the end."""
    planner = Planner.from_pretrained("maniskill-pickcube")
    sampling = arm_for(method, planner.config).sampling
    off = Reach(Ball((0.15, -0.1, 0.2), 0.03), of="object")
    drawn = planner.with_sampling(sampling).plan(START, (-0.05, 0.09, 0.15), off).candidates
    apart = (drawn.channel("object") - tool_way(drawn)).norm(dim=-1)
    widths = drawn.channel("gripper")[..., 0].double().numpy()
    told = [found[0].told for found in map(works, widths) if found]
    assert told
    assert all(float(way[k:].max()) < 0.04 for way, k in zip(apart, told, strict=True))
