"""The prox in the denoiser's place: bends a way as a whole, keeps its ends, leaves the rest."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from glass_plan.checkpoint import build_prior
from glass_plan.constraints import Avoid, Ball
from glass_plan.guidance import Bend, TrajectoryProx, smoothing_kernel
from glass_plan.kernels.base import is_guided
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.retiming import retime
from glass_plan.strengths import Window
from tests import tiny

DISC = Avoid(Ball((1.0, 0.05), 0.2))


def straight(count=24):
    x = torch.zeros(1, count, 7)
    x[..., 0] = torch.linspace(0, 2, count)
    x[..., 6] = 0.05
    return Trajectory(x, POINT_MASS)


@pytest.fixture
def prox():
    denoise = build_prior(tiny.CONFIG).condition(torch.zeros(4), torch.tensor([2.0, 0.0]))
    reward = DISC.soft(weight=1.0, buffer=0.05)
    return TrajectoryProx(denoise, reward, partial(retime, dynamics=tiny.BALL), steps=12)


def test_a_straight_way_is_bent_around_a_disc(prox):
    bent = prox.correct(straight())
    assert float(DISC.margin(straight())) < 0 < float(DISC.margin(bent))


def test_both_ends_stay_where_they_are(prox):
    bent = prox.correct(straight()).channel("position")
    assert torch.allclose(bent[0, [0, -1]], straight().channel("position")[0, [0, -1]], atol=1e-6)


def test_the_way_bends_as_a_whole(prox):
    bent = prox.correct(straight()).channel("position")[0]
    turns = torch.diff(torch.diff(bent, dim=0), dim=0).norm(dim=-1)
    moved = (bent[:, 1].abs() > 0.01).sum()
    assert moved >= 8  # far more waypoints than the disc covers
    assert float(turns.max()) < 0.06


def test_it_bends_more_smoothly_than_the_raw_gradient(prox):
    given = straight()
    position = given.channel("position").requires_grad_()
    x = torch.cat([position, given.x[..., 2:]], dim=-1)
    penalty = -prox.reward(Trajectory(x, POINT_MASS))
    (gradient,) = torch.autograd.grad(penalty.sum(), position)
    bent = prox.correct(straight()).channel("position")[0, :, 1]
    raw = -gradient[0, :, 1] * float(bent.abs().max() / gradient[0, :, 1].abs().max())
    smooth_turn, raw_turn = (torch.diff(y, n=2).abs().max() for y in (bent, raw))
    assert float(smooth_turn) < 0.5 * float(raw_turn)


def test_what_is_corrected_can_be_driven(prox):
    bent = prox.correct(straight())
    again = retime(bent, tiny.BALL)
    assert torch.allclose(bent.x, again.x, atol=1e-6)


def test_a_neighbour_in_the_batch_changes_nothing(prox):
    clear = straight().x + torch.tensor([0, 2.0, 0, 0, 0, 0, 0])
    both = prox.correct(Trajectory(torch.cat([straight().x, clear]), POINT_MASS)).x
    for row, alone in zip(both, (straight().x, clear), strict=True):
        assert torch.allclose(row, prox.correct(Trajectory(alone, POINT_MASS)).x[0], atol=1e-6)


def test_nothing_that_was_given_is_changed(prox):
    given = straight()
    prox.correct(given)
    assert torch.equal(given.x, straight().x)


def test_what_violates_nothing_is_not_moved(prox):
    clear = straight()
    clear.x[..., 1] += 2.0
    assert torch.equal(prox.correct(clear).channel("position"), clear.channel("position"))


def test_early_look_aheads_are_left_alone(prox):
    x = torch.randn(3, *prox.denoise.prior.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(prox(x, 0.1), prox.denoise(x, 0.1))
    assert not torch.equal(prox(x, 0.9), prox.denoise(x, 0.9))
    assert is_guided(prox)
    assert not is_guided(prox.denoise)


def test_a_scheduled_reward_bends_at_its_flow_times_only(prox):
    late = replace(prox, reward=DISC.soft(schedule=Window(0.5, 0.9)))
    x = torch.randn(3, *prox.denoise.prior.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(late(x, 0.7), prox(x, 0.7))
    nothing = replace(prox, reward=DISC.soft(0.0))
    assert torch.equal(late(x, 0.4), nothing(x, 0.4))
    assert torch.equal(late.correct(straight()).x, nothing.correct(straight()).x)
    assert torch.equal(late.correct(straight(), 0.6).x, prox.correct(straight()).x)


def test_the_smoothing_kernel_is_symmetric_and_keeps_the_ends():
    kernel = smoothing_kernel(straight(), Bend())[0]
    assert torch.allclose(kernel, kernel.T)
    assert float(kernel[0].abs().max()) == 0
    assert float(kernel[-1].abs().max()) == 0
