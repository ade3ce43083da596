"""Drivable speeds: closed forms on a line and a circle, force limits everywhere."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.retiming import AXIS_SHARE, FORCE_SHARE, inverse_dynamics, retime, settle
from tests.tiny import BALL

ACCEL = FORCE_SHARE * AXIS_SHARE * BALL.gear / BALL.mass


def along(positions, velocity=(0.0, 0.0)):
    x = torch.zeros(*positions.shape[:-1], 7, dtype=torch.float64)
    x[..., :2] = positions
    x[..., 0, 2:4] = torch.tensor(velocity, dtype=torch.float64)
    x[..., 6] = 0.1
    return Trajectory(x, POINT_MASS)


def line(length, count=200):
    x = torch.linspace(0, length, count, dtype=torch.float64)
    return torch.stack([x, 0 * x], dim=-1)


def test_a_line_from_rest_to_rest_takes_the_time_of_the_triangle_profile():
    driven = retime(along(line(0.5)), BALL)
    assert float(driven.times[-1]) == pytest.approx(2 * math.sqrt(0.5 / ACCEL), rel=2e-2)
    assert float(driven.channel("velocity")[-1].norm()) == pytest.approx(0, abs=1e-9)


def test_twice_the_share_of_the_force_takes_the_root_of_half_the_time():
    times = [retime(along(line(0.5)), BALL, force_share=share).times[-1] for share in (0.45, 0.9)]
    assert float(times[0] / times[1]) == pytest.approx(math.sqrt(2), rel=1e-3)


def test_a_speed_limit_makes_it_a_trapezoid():
    driven = retime(along(line(3.0, 600)), BALL, max_speed=1.5)
    ramps = 1.5 / ACCEL
    assert float(driven.channel("velocity").norm(dim=-1).max()) == pytest.approx(1.5)
    assert float(driven.times[-1]) == pytest.approx(ramps + 3.0 / 1.5, rel=2e-2)


def test_the_profile_is_the_closed_form_at_every_waypoint():
    way = line(0.5, 51)
    speed = retime(along(way), BALL).channel("velocity")[:, 0]
    done = way[:, 0]
    assert torch.allclose(speed**2, 2 * ACCEL * torch.minimum(done, 0.5 - done), atol=1e-9)


@pytest.mark.parametrize("length", [0.02, 0.5, 3.0])
def test_a_drive_starts_and_ends_at_rest(length):
    speed = retime(along(line(length)), BALL).channel("velocity").norm(dim=-1)
    assert float(speed[0]) == float(speed[-1]) == 0.0


def test_the_robots_own_speed_limit_is_kept():
    speed = retime(along(line(9.0)), BALL).channel("velocity").norm(dim=-1)
    assert float(speed.max()) == pytest.approx(BALL.max_speed)


def test_a_circle_is_driven_at_the_speed_of_its_curvature():
    angle = torch.linspace(0, math.pi, 300, dtype=torch.float64)
    radius = 0.3
    driven = retime(along(radius * torch.stack([angle.cos(), angle.sin()], dim=-1)), BALL)
    middle = driven.channel("velocity")[100:200].norm(dim=-1)
    assert torch.allclose(middle, torch.full_like(middle, math.sqrt(ACCEL * radius)), rtol=1e-2)


@given(st.integers(0, 10_000))
@example(233)  # a cusp, passed at a crawl
def test_force_stays_within_its_limit_on_smooth_ways(seed):
    generator = torch.Generator().manual_seed(seed)
    s = torch.linspace(0, 1, 150, dtype=torch.float64)[:, None]
    waves = (
        torch.randn(4, 2, generator=generator, dtype=torch.float64) / torch.arange(1, 5)[:, None]
    )
    way = 4 * s + (torch.sin(math.pi * s * torch.arange(1, 5)) @ waves)
    driven = retime(along(way), BALL)
    change = torch.diff(driven.channel("velocity"), dim=0) / driven.dt[:-1, None]
    assert float(change.norm(dim=-1).max()) * BALL.mass < FORCE_SHARE * BALL.gear
    assert torch.equal(driven.channel("position"), way)


def test_along_and_across_the_way_the_force_has_its_share():
    angle = torch.linspace(0, 1.5 * math.pi, 400, dtype=torch.float64)
    driven = retime(along(0.4 * torch.stack([angle.cos(), angle.sin()], dim=-1)), BALL)
    speed, dt = driven.channel("velocity").norm(dim=-1), driven.dt[:-1]
    tangential = (torch.diff(speed) / dt).abs()
    lateral = speed**2 / 0.4
    assert float(tangential.max()) == pytest.approx(ACCEL, rel=1e-2)
    assert float(lateral.max()) == pytest.approx(ACCEL, rel=1e-2)


def test_held_at_the_goal_it_still_stops_within_the_force():
    held = settle(along(torch.cat([line(1.0, 12), line(1.0, 12)[-1:].expand(8, 2)])), 0.2)
    driven = retime(held, BALL)
    change = torch.diff(driven.channel("velocity"), dim=0).norm(dim=-1) / driven.dt[:-1]
    assert float(change.max()) * BALL.mass < BALL.gear
    assert bool((torch.diff(driven.times) > 0).all())


def test_actions_drive_the_velocities():
    driven = retime(along(line(2.0)), BALL)
    velocity, dt = driven.channel("velocity"), driven.dt[:-1, None]
    mean = 0.5 * (velocity[1:] + velocity[:-1])
    force = BALL.gear * driven.channel("action")[:-1] - BALL.damping * mean
    assert torch.allclose(torch.diff(velocity, dim=0), force * dt / BALL.mass, atol=1e-9)


def test_nothing_that_was_given_is_changed():
    given = along(line(1.0, 20))
    before = given.x.clone()
    retime(given, BALL)
    settle(given, 0.2)
    assert torch.equal(given.x, before)


def test_the_present_velocity_stays():
    driven = retime(along(line(2.0), velocity=(1.0, 0.5)), BALL)
    assert driven.channel("velocity")[0].tolist() == [1.0, 0.5]


def test_one_alone_is_driven_as_in_a_batch():
    both = torch.stack([line(1.0, 50), line(3.0, 50)])
    together = retime(along(both), BALL).x
    assert torch.allclose(together[0], retime(along(both[0]), BALL).x)


def test_inverse_dynamics_by_hand():
    velocity = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    action = inverse_dynamics(velocity, torch.tensor([0.1], dtype=torch.float64), BALL)
    assert action[0].tolist() == pytest.approx([(BALL.mass * 10 + 0.5) / 100, 0.0])


def test_settling_holds_the_goal_and_leaves_the_way_before_it():
    way = line(1.0, 11)
    jitter = way.clone()
    jitter[9] = torch.tensor([1.03, 0.05])
    held = settle(along(jitter), 0.15).channel("position")
    assert torch.equal(held[:9], way[:9])
    assert torch.equal(held[10], way[10])
    assert float((held[9] - jitter[9]).norm()) < 0.15
    again = settle(along(torch.cat([jitter, jitter[-1:] + 0.02, jitter[-1:]])), 0.15)
    assert torch.equal(again.channel("position")[-2], way[-1])


def test_settling_leaves_a_way_that_passes_by_the_goal():
    there, on = line(1.0, 11), line(1.0, 6) + torch.tensor([1.0, 0.0])
    way = torch.cat([there, on, on.flip(0)])  # over the goal at x = 1, and back to it
    assert torch.equal(settle(along(way), 0.15).channel("position"), way)
