"""Grasps: when a gripper works, and objects that are taken where they lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from glass_plan.bodies import tool_way, turns_of_tool
from glass_plan.embodiments.grasps import FADE, FARTHEST, STRAIGHT, placed, works
from glass_plan.layout import Trajectory
from glass_plan.robots import PANDA
from tests.arms import GRASP, carrying

OBJECT = PANDA.slice("object")


def test_a_gripper_works_where_it_changes_however_slowly():
    falls = np.linspace(0.0395, 0.021, 6)
    rises = np.linspace(0.021, 0.028, 15)
    way = np.concatenate([np.full(4, 0.04), falls, np.full(10, 0.021), rises])
    closing, opening = works(way)
    assert (closing.first, closing.last, closing.opens) == (4, 9, False)
    assert way[closing.told] == pytest.approx(0.04 - 0.6 * 0.019, abs=0.004)
    assert opening.opens
    assert 20 <= opening.first < opening.last == opening.told < len(way)


@pytest.mark.parametrize(
    "way",
    [
        np.full(30, 0.04),
        0.022 + 0.0015 * np.sin(np.arange(30.0)),
        np.linspace(0.0200, 0.0235, 30),
    ],
    ids=["still", "wavering", "drifting"],
)
def test_a_gripper_that_wavers_does_not_work(way):
    assert works(way) == []


def test_a_waver_before_a_grasp_is_no_grasp():
    """Told at the waver, the fingers would close above the object."""
    way = np.array([0.0402, 0.0404, 0.0393, 0.0399, 0.0396, 0.036, 0.03, 0.0246, 0.0209, 0.0208])
    (closing,) = works(way)
    assert closing.told in (6, 7)


def test_the_tool_comes_to_an_object_that_the_plan_has_elsewhere():
    drift = (0.012, -0.009, 0.004)
    drawn = carrying(drift)
    taken = placed(drawn)
    tool, place = tool_way(taken)[0], taken.channel("object")[0]
    told = works(drawn.channel("gripper")[0, :, 0].numpy())[0].told
    assert torch.equal(place[: told + 1], place[0].expand(told + 1, 3))
    assert float((tool - place)[told].norm()) < 1e-3
    assert float((tool - place)[told:].norm(dim=-1).max()) < 2e-3
    assert torch.equal(taken.x[:, [0, -1]], drawn.x[:, [0, -1]])
    turned = (taken.channel("joints") - drawn.channel("joints"))[0].norm(dim=-1)
    assert float(turned.max()) < 0.1
    gone = tool_way(drawn)[0].diff(dim=0).norm(dim=-1).cumsum(0)
    fading = int((gone > gone[told - 1] + STRAIGHT + FADE).nonzero()[0])
    assert float(turned[fading + 1]) < 0.7 * float(turned.max())


@pytest.mark.parametrize("length", [0.01, 0.03])
def test_the_joints_turn_so_that_the_tool_moves_as_far(length):
    here = carrying().x[0, [5, 30]]
    shift = length * torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, -0.8]], dtype=torch.float64)
    turned = here.clone()
    turned[:, :7] += turns_of_tool(PANDA, here, shift)
    moved = tool_way(Trajectory(turned[:, None], PANDA)) - tool_way(
        Trajectory(here[:, None], PANDA)
    )
    assert float((moved[:, 0] - shift).norm(dim=-1).max()) < 0.06 * length


@pytest.mark.parametrize("lets_go", [None, 24])
def test_what_is_held_stays_in_the_hand_as_it_is_until_it_is_let_go(lets_go):
    """A model draws it in the middle of the hand."""
    carried = carrying().x[:, GRASP:]
    goal = carried[0, -1, OBJECT].clone()
    if lets_go is not None:
        carried[:, lets_go:, 7] = 0.04
        carried[:, lets_go:, OBJECT] = goal = carried[0, lets_go, OBJECT].clone()
    in_hand = torch.tensor([0.01, -0.004, 0.006], dtype=torch.float64)
    carried[:, 0, OBJECT] += in_hand
    put = placed(Trajectory(carried, PANDA))
    until = lets_go or carried.shape[1] - 1
    apart = put.channel("object")[0] - tool_way(put)[0]
    torch.testing.assert_close(apart[:until], in_hand.expand(until, 3))
    assert float((apart[until] - in_hand).norm()) < 1e-3
    torch.testing.assert_close(put.channel("object")[0, -1], goal)
    assert torch.equal(put.x[:, 0], carried[:, 0])


def test_an_object_that_stays_is_taken_as_it_was_drawn():
    drawn = carrying()
    torch.testing.assert_close(placed(drawn).x, drawn.x)


def test_what_is_held_from_the_start_or_never_or_far_off_is_left_alone():
    drifting = carrying((0.01, 0.0, 0.0))
    x = drifting.x.clone()
    x[..., 7] = 0.02
    held = replace(drifting, x=x)
    opened = replace(drifting, x=torch.where(torch.arange(PANDA.dim) == 7, 0.04, x))
    far = carrying((1.2 * FARTHEST, 0.0, 0.0))
    cut = replace(drifting, x=drifting.x[:, : GRASP + 1])  # it ends with the grasp
    for drawn in (held, opened, far, cut):
        assert torch.equal(placed(drawn).x, drawn.x)


def test_each_of_a_batch_is_led_by_itself():
    one, other = carrying((0.01, 0.0, 0.0)), carrying((0.0, -0.015, 0.0))
    both = replace(one, x=torch.cat([one.x, other.x]))
    alone = torch.cat([placed(one).x, placed(other).x])
    torch.testing.assert_close(placed(both).x, alone)
