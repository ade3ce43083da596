"""Detours: around walls, past what is in the way, leaving out what they replace."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glass_envs.mazes import MAZES
from glass_plan.constraints import Avoid, Ball, Grid, Reach, Visit
from glass_plan.embodiments import visits as visits_of
from glass_plan.guidance.visits import Visits, resampled, roads
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.planner import Planner
from tests.models import MODEL

U = Grid(MAZES["maze2d-umaze"].rows, 1.0)
RADIUS = 0.1
END = Ball((-1.0, 1.0), 0.3)
"""At the upper end of the U."""


def visits(*regions, avoid=()):
    return Visits([(region,) for region in regions], U, tuple(avoid), RADIUS)


def length(path):
    return np.linalg.norm(np.diff(path, axis=0), axis=1).sum()


def lower(count=24):
    """Along the lower arm of the U, held at its end."""
    return resampled(np.array([[-1.2, -1.0], [1.0, -1.0]]), count, 0.4)


def in_walls(path):
    points = torch.from_numpy(path)[None]
    x = torch.zeros(1, len(path), POINT_MASS.dim, dtype=torch.float64)
    x[..., POINT_MASS.slice("position")] = points
    return float(Avoid(U).margin(Trajectory(x, POINT_MASS))) < 0


def test_a_way_to_a_region_leads_round_the_walls():
    ways = roads(END, U, (), RADIUS)
    way = ways.way(np.array([-1.0, -1.0]))
    assert np.hypot(*(way[-1] - END.center)) < END.radius
    assert not in_walls(way)
    assert 4.5 < length(way) < 7.0
    assert ways.lengths(np.array([[-1.0, -1.0], [1.0, 0.0]])).argmin() == 1


def test_a_way_leads_past_what_has_to_be_avoided():
    disc = Ball((0.9, 0.0), 0.25)
    way = roads(END, U, (disc,), RADIUS).way(np.array([-1.0, -1.0]))
    assert np.hypot(*(way - disc.center).T).min() > disc.radius + RADIUS


def test_a_region_that_is_closed_off_is_left_to_the_gradient():
    door = Ball((1.0, 0.0), 0.45)
    assert np.isinf(roads(END, U, (door,), RADIUS).lengths(lower())).any()
    path = lower()
    assert np.array_equal(visits(END, avoid=[door]).led(path, 0.4), path)


def test_a_path_that_misses_a_region_is_led_there_and_back():
    led = visits(END).led(lower(), 0.4)
    assert np.hypot(*(led - END.center).T).min() < END.radius
    assert led[0].tolist() == [-1.2, -1.0]
    assert led[-1].tolist() == [1.0, -1.0]
    assert not in_walls(led)


def test_a_path_that_passes_by_is_left_as_it_is():
    path = lower()
    assert visits(Ball((0.0, -1.0), 0.3)).led(path, 0.4) is path


def test_what_a_detour_replaces_is_left_out():
    there = np.array([[-1.2, -1.2], [1.3, -1.2], [1.3, 1.0]])
    off = resampled(there, 24, 0.4)
    corner = Ball((0.8, -0.8), 0.1)
    led = visits(corner).led(off, 0.4)
    assert np.hypot(*(led - corner.center).T).min() < 0.2
    assert length(led) < length(off) + 0.3


def test_a_second_visit_does_not_undo_the_first():
    other = Ball((-1.1, -1.1), 0.2)
    led = visits(END, other).led(resampled(np.array([[0.0, -1.0], [1.0, -1.0]]), 32, 0.4), 0.4)
    for region in (END, other):
        assert np.hypot(*(led - region.center).T).min() < region.radius + 0.2


def test_a_tour_is_made_in_its_order():
    first, second = Ball((1.0, 1.0), 0.25), Ball((0.0, -1.0), 0.25)
    path = resampled(np.array([[-1.2, -1.0], [1.0, -1.0]]), 48, 0.4)
    led = Visits([(first, second)], U, (), RADIUS).led(path, 0.4)
    there = np.flatnonzero(np.hypot(*(led - first.center).T) < 0.3)
    back = np.flatnonzero(np.hypot(*(led - second.center).T) < 0.35)
    assert len(there)
    assert back[-1] > there[0]


def test_a_batch_is_led_one_by_one():
    paths = torch.from_numpy(np.stack([lower(), lower()[:, ::-1].copy()]))
    led = visits(END)(paths, 0.4)
    assert led.shape == paths.shape
    assert led.dtype == paths.dtype
    assert np.array_equal(led[0].numpy(), visits(END).led(lower(), 0.4))


def test_resampling_keeps_the_spacing_and_holds_the_end():
    path = resampled(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), 10, 0.4)
    assert np.linalg.norm(np.diff(path[:3], axis=0), axis=1) == pytest.approx([0.4, 0.4])
    assert path[-1].tolist() == path[-4].tolist() == [1.0, 1.0]
    long = resampled(np.array([[0.0, 0.0], [9.0, 0.0]]), 10, 0.4)
    assert np.diff(long[:, 0]) == pytest.approx(np.ones(9))


def test_a_sequence_is_planned():
    planner = Planner.from_pretrained("maze2d-large")
    tour = Visit(Ball((-1.5, 1.0), 0.4)).then(Ball((0.5, -1.0), 0.4)).named("tour")
    start = np.array([-4.5, 3.0, 0.0, 0.0])
    assert planner.plan(start, (4.0, 3.0), tour).status == "feasible"


def test_a_plan_visits_what_lies_behind_a_wall():
    planner = Planner.from_pretrained(MODEL)
    spec = Reach(Ball((-1.0, -1.0), 0.3)).named("back")
    start = np.array([0.0, -1.0, 0.0, 0.0])
    margins = [planner.plan(start, (-1.0, 1.0), spec, seed=k).margins["back"] for k in range(3)]
    assert max(margins) > 0


RING = Grid(
    ((1, 1, 1, 1, 1), (1, 0, 0, 0, 1), (1, 0, 1, 0, 1), (1, 0, 0, 0, 1), (1, 1, 1, 1, 1)), 1.0
)
STRAIGHT = resampled(np.array([[-1.0, -1.0], [1.0, -1.0]]), 24, 0.4)
"""Along one side of the ring."""


@pytest.mark.parametrize("shift", np.linspace(0.0, 0.09, 10))
def test_a_closed_way_is_seen_wherever_the_points_of_a_path_fall(shift):
    path = resampled(np.array([[-1.1 + shift, -1.0], [1.0, -1.0]]), 24, 0.4)
    led = Visits([], RING, (Ball((0.0, -1.0), 0.42),), RADIUS).led(path, 0.4)
    assert led[:, 1].max() > 0.5


def led_round(*discs):
    return Visits([], RING, discs, RADIUS).led(STRAIGHT, 0.4)


def test_a_path_whose_way_is_closed_goes_the_other_way_round():
    closing = Ball((0.0, -1.0), 0.42)
    led = led_round(closing)
    assert np.hypot(*(led - closing.center).T).min() > closing.radius + RADIUS
    assert led[:, 1].max() > 0.5
    assert led[0].tolist() == [-1.0, -1.0]
    assert led[-1].tolist() == [1.0, -1.0]


@pytest.mark.parametrize(
    "discs",
    [
        [Ball((0.0, -1.3), 0.3)],  # there is room beside it
        [Ball((0.0, 1.0), 0.42)],  # elsewhere
        [Ball((0.0, -1.0), 0.42), Ball((0.0, 1.0), 0.42)],  # no way round
        [Ball((-1.0, -1.0), 0.42)],  # it begins inside
        [Ball((1.0, -1.0), 0.42)],  # it ends inside
    ],
)
def test_a_path_is_left_to_the_gradient_where_no_way_round_is_needed_or_known(discs):
    assert led_round(*discs) is STRAIGHT


def test_what_has_to_be_avoided_is_as_large_as_its_margin():
    known = {"walls": Avoid(U).named("walls"), "wide": Avoid(Ball((1.0, 0.0), 0.1), margin=0.3)}
    asked = visits_of(known, RADIUS)
    assert asked is not None
    (region,) = asked.avoid
    points = torch.zeros(1, 2, dtype=torch.float64)
    assert float(region.signed_distance(points, points[:, 0])) == pytest.approx(1.0 - 0.1 - 0.3)
