"""Renoise-and-accept moves: the tilted law is their only resting place."""

from __future__ import annotations

import math

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.kernels import Posterior, waltz
from glass_plan.schedules import SCHEDULES
from tests.kernels.statistics import has_moments_of, transport_is_as_of
from tests.kernels.targets import ASYMMETRIC

SLOPE, COUNT, INNER = 0.5, 4000, 16
LAW = ASYMMETRIC.tilted(SLOPE)[0]
POSTERIOR = Posterior(ASYMMETRIC.denoise, inner_steps=INNER)


def climb(x):
    return SLOPE * x[:, 0]


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(2)


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES.keys())
def schedule(request):
    return request.param


def stays_in(law, drawn, generator):
    return has_moments_of(drawn, law, bias=0.005) and transport_is_as_of(drawn, law, generator)


@pytest.mark.parametrize("times", [(0.2,), (0.5, 0.8), (0.3, 0.6, 0.9, 0.6)], ids=str)
def test_tilted_samples_stay_tilted_samples(schedule, times, generator):
    posterior = Posterior(ASYMMETRIC.on(schedule).denoise, schedule, INNER)
    danced = waltz(LAW.sample(COUNT, generator), climb, posterior, times, generator)
    assert stays_in(LAW, danced.x_1, generator)
    assert all(0 < share < 1 for share in danced.accepted)


def test_without_a_reward_the_prior_stays_and_all_is_accepted(generator):
    x_1 = ASYMMETRIC.sample(COUNT, generator)
    danced = waltz(x_1, lambda x: torch.zeros(len(x)), POSTERIOR, (0.3, 0.7), generator)
    assert danced.accepted == (1.0, 1.0)
    assert stays_in(ASYMMETRIC, danced.x_1, generator)
    assert not torch.equal(danced.x_1, x_1)


@pytest.mark.parametrize("start", [-4.0, 3.0])
def test_from_anywhere_it_comes_to_the_tilted_law(start, generator):
    x_1 = torch.full((COUNT, 1), start, dtype=torch.float64)
    danced = waltz(x_1, climb, POSTERIOR, (0.2, 0.4) * 10, generator)
    assert stays_in(LAW, danced.x_1, generator)


def test_prior_samples_become_tilted_samples(generator):
    x_1 = ASYMMETRIC.sample(COUNT, generator)
    assert not stays_in(LAW, x_1, generator)
    danced = waltz(x_1, climb, POSTERIOR, (0.2, 0.5) * 6, generator)
    assert stays_in(LAW, danced.x_1, generator)


def test_a_constraint_that_holds_goes_on_holding(generator):
    def inside(x):
        return torch.where(x[:, 0] > 0.5, 0.0, -math.inf)

    x_1 = torch.full((200, 1), 0.6, dtype=torch.float64)
    danced = waltz(x_1, inside, POSTERIOR, (0.5,) * 5, generator)
    assert (danced.x_1 > 0.5).all()
    assert 0 < danced.accepted[0] < 1


def test_what_violates_is_repaired_and_not_given_back(generator):
    def inside(x):
        return torch.where(x[:, 0] > 0.5, 0.0, -50.0)

    x_1 = torch.full((200, 1), -2.0, dtype=torch.float64)
    few, many = (waltz(x_1, inside, POSTERIOR, (0.2,) * n, generator).x_1 > 0.5 for n in (1, 40))
    assert 0 < int(few.sum()) < int(many.sum()) == 200


def test_late_moves_stay_near(generator):
    x_1 = ASYMMETRIC.sample(500, generator)
    far, near = (
        (waltz(x_1, climb, POSTERIOR, (t,), generator).x_1 - x_1).abs().mean() for t in (0.1, 0.95)
    )
    assert float(near) < 0.2 < float(far)


def test_rewards_are_those_of_the_samples_returned(generator):
    danced = waltz(LAW.sample(50, generator), climb, POSTERIOR, (0.4, 0.6), generator)
    assert torch.equal(danced.reward, climb(danced.x_1))
    assert len(danced.accepted) == 2


def test_no_moves_leave_everything_as_it_is(generator):
    x_1 = LAW.sample(5, generator)
    danced = waltz(x_1, climb, POSTERIOR, (), generator)
    assert torch.equal(danced.x_1, x_1)
    assert danced.accepted == ()


def test_the_generator_decides_and_nothing_given_is_changed(generator):
    x_1 = LAW.sample(20, generator).reshape(5, 2, 2)
    kept = x_1.clone()

    def danced(seed):
        return waltz(
            x_1,
            lambda x: x.flatten(1).sum(1),
            Posterior(lambda x, t: t / (t**2 + (1 - t) ** 2) * x),
            (0.3, 0.7),
            torch.Generator().manual_seed(seed),
        ).x_1

    torch.manual_seed(0)
    first = danced(1)
    torch.manual_seed(1)
    assert torch.equal(first, danced(1))
    assert not torch.equal(first, danced(2))
    assert torch.equal(x_1, kept)


@pytest.mark.parametrize("times", [(0.0,), (0.5, 1.0), (-0.1,), (0.5, 1.2)], ids=str)
def test_a_time_without_noise_or_without_data_is_refused(times, generator):
    with pytest.raises(KernelError, match=r"times must be inside \(0, 1\)"):
        waltz(torch.zeros(2, 1), climb, POSTERIOR, times, generator)
