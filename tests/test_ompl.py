"""OMPL's candidates: free of walls and discs, by all regions, without the network, repeatable."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest
import torch

from glass_plan.arms import ARMS
from glass_plan.constraints import Avoid, Ball, Grid, Moving, Reach
from glass_plan.controller import RecedingHorizon
from glass_plan.errors import MissingPackageError
from glass_plan.guidance.tours import Map, shortest_tour
from glass_plan.methods import ompl
from glass_plan.methods.ompl import Distances, Scene, search
from glass_plan.planner import Planner
from glass_plan.rollout import run_episode
from tests.models import ENV_ID, MODEL

pytest.importorskip("ompl")

START, GOAL = [-1.0, -1.0, 0.0, 0.0], (-1.0, 1.0)
DISC = Avoid(Ball((1.3, 0.0), 0.3)).named("disc")
NAMES = ("ompl-rrtconnect", "ompl-bitstar")
RING = Grid(((1, 1, 1, 1, 1), (1, 0, 0, 0, 1), (1, 0, 1, 0, 1), (1, 0, 0, 0, 1), (1,) * 5), 1.0)
RADIUS = 0.1


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


def candidates(planner, name, constraint, **settings):
    return planner.with_sampling(ARMS[name].sampling).plan(START, GOAL, constraint, **settings)


@pytest.mark.parametrize("name", NAMES)
def test_most_candidates_are_clear_of_walls_and_discs_without_network_rows(planner, name):
    made = candidates(planner, name, DISC)
    assert (made.nfe, made.calls) == (0, 0)
    assert made.status == "feasible"
    free = (planner.embodiment.standing & DISC).margin(made.candidates) > 0
    assert len(free) == 8
    assert free.float().mean() >= 0.5


@pytest.mark.parametrize("name", NAMES)
def test_candidates_pass_the_regions_in_the_shorter_order(planner, name):
    far, near = Reach(Ball((1.0, 1.0), 0.3)), Reach(Ball((1.0, -1.0), 0.3))
    made = candidates(planner, name, far.named("far") & near.named("near"))
    assert made.status == "feasible"
    for visit in (far, near):
        assert (visit.margin(made.candidates) > 0).all()
    path = made.states[:, :2]
    visited = [np.linalg.norm(path - place, axis=1).argmin() for place in ([1, -1], [1, 1])]
    assert visited[0] < visited[1]


def test_a_plan_begins_with_the_present_motion_and_ends_at_the_goal(planner):
    moving = [-1.0, -1.0, 0.5, 0.2]
    made = planner.with_sampling(ARMS[NAMES[0]].sampling).plan(moving, GOAL)
    assert made.states[0] == pytest.approx(moving, abs=1e-5)
    assert made.states[-1, :2] == pytest.approx(GOAL, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_way_is_not_taken(name):
    closed = Ball((0.0, -1.0), 0.42)
    scene = Scene(RING, ((closed, 0.0),), (), RADIUS, 0.0, 3.0, clearance=0.05)
    planner = {"ompl-rrtconnect": "RRTConnect", "ompl-bitstar": "BITstar"}[name]
    way = scene.tour([np.array([-1.0, -1.0]), np.array([1.0, -1.0])], planner, seed=3)
    assert way[:, 1].max() > 0.5
    between = np.linspace(way[:-1], way[1:], 20).reshape(-1, 2)
    for region in (closed, RING):
        away = region.signed_distance(torch.from_numpy(between), torch.zeros(len(between)))
        assert float(away.min()) > RADIUS + 0.04


def test_where_no_way_is_found_the_line_is_straight(monkeypatch):
    monkeypatch.setitem(ompl.ITERATIONS, "RRTConnect", 200)
    both = tuple((Ball((0.0, y), 0.45), 0.0) for y in (-1.0, 1.0))
    scene = Scene(RING, both, (), RADIUS, 0.0, 3.0)
    ends = [np.array([-1.0, -1.0]), np.array([1.0, -1.0])]
    assert np.array_equal(scene.tour(ends, "RRTConnect", seed=0), ends)


def test_what_moves_is_in_the_way_where_it_will_be_on_arrival():
    # at 2 m/s the body is at (1, 1), 4 m along the ring, after 2 s: so is the disc, from (1, -1)
    disc = Moving(Ball((0.0, 0.0), 0.2), ((1.0, -1.0), (1.0, 1.0)), speed=1.0)
    scene = Scene(RING, (), ((disc, 0.0),), RADIUS, 5.0, 2.0)
    away = scene.distances(np.array([-1.0, -1.0]), 4.0)  # after 4 m, 2 s
    still = Scene(RING, (), (), RADIUS, 5.0, 2.0).distances(np.array([-1.0, -1.0]), 4.0)
    assert away(1.0, 1.0) < 0 < still(1.0, 1.0)  # it has stopped there long ago
    assert away(1.0, -1.0) == still(1.0, -1.0)
    early = Scene(RING, (), ((disc, 0.0),), RADIUS, 0.0, 2.0)
    assert early.distances(np.array([-1.0, -1.0]), 0.0)(1.0, -0.0) < 0.1
    assert early.distances(np.array([-1.0, -1.0]), 0.0)(-1.0, 1.0) == still(-1.0, 1.0)


def test_distances_are_interpolated():
    away = Distances((-0.05, -0.05), [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]])
    assert away(-0.05, -0.05) == pytest.approx(0.0)
    assert away(-0.025, 0.025) == pytest.approx(0.0 + 1.0 + 1.5)


def test_a_tour_keeps_the_order_within_a_sequence_and_is_the_shortest_of_the_rest():
    chart = Map(RING, (), RADIUS)
    a, b, c = (Ball(place, 0.3) for place in ((1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)))
    ends = np.array([-1.0, -1.0]), np.array([-1.0, 0.0])
    stops = shortest_tour(*ends, [(c,), (b,), (a,)], chart)
    assert [stop.region for stop in stops] == [a, b, c]
    stops = shortest_tour(*ends, [(c, b), (a,)], chart)
    assert [stop.region for stop in stops].index(c) < [stop.region for stop in stops].index(b)
    assert all(np.linalg.norm(s.place - s.region.center) < s.region.radius for s in stops)


def test_a_region_that_no_way_leads_to_is_left_out_of_a_tour():
    walled_in, open_one = Ball((0.0, 0.0), 0.3), Ball((1.0, -1.0), 0.3)
    ends = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    stops = shortest_tour(*ends, [(walled_in,), (open_one,)], Map(RING, (), RADIUS))
    assert [stop.region for stop in stops] == [open_one]


def test_searches_repeat_whatever_was_searched_before():
    scene = Scene(RING, (), (), RADIUS, 0.0, 3.0)
    ends = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    away = scene.distances(ends[0], 0.0)
    first = search(away, ends, 0.1, "RRTConnect", 7)
    search(away, ends, 0.1, "BITstar", 8)
    assert np.array_equal(first, search(away, ends, 0.1, "RRTConnect", 7))


def test_a_drive_by_its_plans_is_safe(planner):
    env = gymnasium.make(ENV_ID, constraints=DISC)
    controller = RecedingHorizon(
        planner.with_sampling(ARMS[NAMES[0]].sampling), DISC, fallback="brake"
    )
    options = {"start": (-1.0, -1.0), "goal": GOAL}
    episode = run_episode(env, controller, seed=0, options=options)
    env.close()
    assert episode.success
    assert episode.safe


def test_without_the_package_the_error_says_what_to_install(planner, monkeypatch):
    ompl._ompl.cache_clear()
    monkeypatch.setitem(sys.modules, "ompl", None)
    with pytest.raises(MissingPackageError, match=r"pip install glass_plan\[baselines\]"):
        candidates(planner, NAMES[0], DISC)
    env = gymnasium.make(ENV_ID)
    controller = RecedingHorizon(
        planner.with_sampling(ARMS[NAMES[0]].sampling), None, fallback="brake"
    )
    with pytest.raises(MissingPackageError):  # it is no failure of the method
        run_episode(env, controller, seed=0)
    env.close()
