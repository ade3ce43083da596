"""An arm's demonstrations as waypoints: joints, gripper, object and time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glass_envs.maniskill.waypoints import CONTROL_DT, GRASP_WAY, panda_reading
from glass_plan.bodies import check_body
from glass_plan.data import Recorded
from glass_plan.errors import DataError
from glass_plan.robots import PANDA
from glass_plan.windows import HOLD_DT, Windows
from tests.tiny import STATES, grasp

JOINTS, GRIPPER, OBJECT, DT = range(7), 7, slice(8, 11), 11
STEPS, WAIT = 20, 6
WAY = 0.2 + GRASP_WAY * 0.02 + 0.2
"""Of the demonstration [m], but for what standing adds."""


def windows(horizon=64, spacing=0.02):
    trip = grasp(STEPS, WAIT)
    return Windows([trip], horizon=horizon, spacing=spacing, reading=panda_reading(STATES))


def whole(horizon=64, spacing=0.02):
    made = windows(horizon, spacing)
    return made.windows(torch.tensor([0]), torch.zeros(1), made.lengths.float())[0]


def test_the_layout_fits_its_body():
    check_body(PANDA)
    assert PANDA.dim == 12
    assert PANDA.columns(PANDA.start) == list(range(11))
    assert PANDA.columns(PANDA.goal) == [8, 9, 10]


def test_the_times_between_waypoints_add_up_to_the_demonstration():
    x = whole()
    moving = int(np.ceil(WAY / 0.02))
    duration = CONTROL_DT * (2 * STEPS + WAIT)
    assert x[:moving, DT].sum().item() == pytest.approx(duration, abs=HOLD_DT)
    assert torch.all(x[moving + 1 :, DT] == HOLD_DT)
    assert torch.all(x[:, DT] > 0)


def test_the_way_is_the_tools_and_a_share_of_the_fingers():
    assert windows().spans.tolist() == pytest.approx([WAY], abs=1e-3)


def test_a_wait_is_time_that_passes_over_hardly_any_way():
    x = whole()
    assert x[:, DT].max().item() >= CONTROL_DT * (WAIT - 1)
    assert (x[:, DT] > 2 * HOLD_DT).sum() == 1


def test_a_grasp_takes_several_waypoints_in_which_only_the_gripper_moves():
    x = whole()
    closing = (x[:, GRIPPER] < 0.0399) & (x[:, GRIPPER] > 0.0201)
    assert 3 <= closing.sum() <= 4
    assert torch.allclose(x[closing, GRIPPER].diff(), torch.tensor(-0.02 / GRASP_WAY), atol=1e-4)
    assert torch.allclose(x[closing, 0], torch.tensor(0.1), atol=1e-3)


def test_joints_and_object_are_interpolated_along_the_way():
    x = whole()
    way = 0.02 * torch.arange(64)
    share = (way / 0.2).clamp(max=1) + ((way - WAY + 0.2) / 0.2).clamp(0, 1)
    for k in JOINTS:
        assert torch.allclose(x[:, k], 0.1 * (1 + k) * share, atol=3e-3 * (1 + k))
    lifted = 0.02 + 0.2 * ((way - WAY + 0.2) / 0.2).clamp(0, 1)
    assert torch.allclose(x[:, 10], lifted, atol=1e-3)


@pytest.mark.parametrize(("horizon", "spacing"), [(64, 0.02), (8, 0.02)])
def test_windows_begin_anywhere_and_end_where_the_object_ends(horizon, spacing):
    made = windows(horizon, spacing)
    x = made.sample(500, torch.Generator().manual_seed(0))
    goal = torch.from_numpy(grasp(STEPS, WAIT).goal).float()
    assert torch.allclose(x[:, -1, OBJECT], goal.expand(500, 3), atol=1e-6)
    assert len(x[:, 0, 0].unique()) > 10
    own_start = (x[:, 0, 0] == x[:, 0, 0].min()).float().mean().item()
    assert own_start >= 0.5 - 5 * 0.5 / 500**0.5
    assert (x[:, 0, 0].min() == 0) == (horizon == 64)


def test_states_without_a_tool_are_refused():
    with pytest.raises(DataError, match="unknown channel 'tcp_pose'"):
        panda_reading(Recorded((STATES.channels[0], STATES.channels[2]), "cube"))
