"""A controller in a world that does not wait: where plans begin, and what acts until they do."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from glass_plan.constraints import Avoid, Ball, Moving, Reach
from glass_plan.controller import CHECK_EVERY, RecedingHorizon
from glass_plan.errors import RequestError
from glass_plan.planner import Planner
from glass_plan.records import Outcome, Status
from glass_plan.rollout import run_episode
from glass_plan.trackers.point_mass import PointMassTracker
from glass_plan.tracking import Reference, brake
from tests.models import ENV_ID, MODEL
from tests.test_controller import GOAL, PLACES, START, Fixed


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


def latent(planner, constraints, latency, *, fallback="brake", **settings):
    """A controller for which the world does not wait, in its first moment."""
    controller = RecedingHorizon(
        planner, constraints, fallback=fallback, latency=latency, **settings
    )
    controller.reset(GOAL, 0)
    return controller


class Late(Fixed):
    """Its first plan begins whenever one is asked for; ``asked`` gets the states asked from."""

    def __init__(self, planner, first, asked=None):
        super().__init__(planner, first)
        self._asked = [] if asked is None else asked

    def plan(self, start, *args, t_start, **kwargs):
        self._asked.append(start)
        plan = super().plan(start, *args, t_start=t_start, **kwargs)
        return replace(plan, trajectory=replace(plan.trajectory, t_start=t_start))


def driven_late(planner, constraints, latency, *, options=PLACES, **settings):
    """An episode in UMaze in a world that does not wait."""
    env = gymnasium.make(ENV_ID, constraints=constraints, max_episode_steps=1000)
    controller = RecedingHorizon(planner, constraints, latency=latency, **settings)
    episode = run_episode(env, controller, seed=0, options=options)
    env.close()
    return episode


def test_a_robot_at_rest_stays_until_there_is_a_plan(planner):
    controller = latent(planner, None, 0.25)
    waiting = [controller.act(START, 0.01 * k) for k in range(25)]
    assert not np.any(waiting)
    assert controller.plan is None
    assert np.any(controller.act(START, 0.25))
    told = controller.decisions
    assert [(d.outcome, d.time) for d in told] == [
        (Outcome.FALLBACK, 0.0),
        (Outcome.FALLBACK, 0.1),
        (Outcome.FALLBACK, 0.2),
        (Outcome.PLANNED, 0.25),
    ]
    assert {d.reason for d in told[:3]} == {"no plan in hand; brakes until there is a plan"}
    assert controller.plan.trajectory.t_start == 0.25


def test_a_plan_costs_once_and_also_if_the_episode_ends_before_it_is_there(planner):
    controller = latent(planner, None, 0.25)
    controller.act(START, 0.0)
    assert [d.nfe for d in controller.decisions] == [96]
    assert controller.decisions[0].wall_time > 0
    controller.act(START, 0.25)
    assert [(d.nfe, d.wall_time) for d in controller.decisions[1:]] == [(0, 0.0)]
    assert controller.plan.nfe == 96


@pytest.mark.parametrize("latency", [0.1, 0.203, 0.4])
def test_a_plan_begins_where_the_robot_is_when_it_is_there(planner, latency):
    """The region is missed by the first plan, so the robot plans again while it drives."""
    visit = Reach(Ball((1.3, 1.3), 0.12)).named("visit")
    missing = planner.plan(START, GOAL, seed=0)
    assert float(visit.margin(missing.trajectory)) < 0
    missing = replace(missing, status=Status.INFEASIBLE, margins={"visit": -0.3})
    episode = driven_late(Late(planner, missing), visit, latency, fallback="brake")
    first, second = [d for d in episode.decisions if d.outcome is Outcome.PLANNED][:2]
    asked = max(d.time for d in episode.decisions if d.nfe and d.time < second.time)
    assert asked >= first.time
    assert second.plan.trajectory.t_start == pytest.approx(asked + latency)
    assert asked + latency <= second.time + 1e-9 < asked + latency + 0.01
    on_the_way = [d for d in episode.decisions if asked <= d.time < second.time and d is not first]
    assert {d.outcome for d in on_the_way} == {Outcome.REUSED}
    assert on_the_way[0].reason.endswith(" s hold, goes on until there is a plan")
    columns = episode.states.T
    here = [np.interp(asked + latency, episode.times, column) for column in columns]
    assert np.linalg.norm(here[2:]) > 0.5
    assert second.plan.states[0] == pytest.approx(here, abs=1e-3)


@pytest.mark.parametrize(
    ("fallback", "outcome"), [("brake", Outcome.FALLBACK), ("follow", Outcome.REUSED)]
)
def test_it_brakes_while_it_plans_where_what_is_in_hand_would_hit(planner, fallback, outcome):
    """A disc leaves the way, and turns back when it will be met before there is a new plan."""
    plan = planner.plan(START, GOAL, seed=0)
    met = plan.states[int(np.searchsorted(plan.times, 0.8)), :2]
    turns, up = 0.5, np.array([0.0, 1.0])
    way = tuple(tuple(met + distance * up) for distance in (0.5, 2.0, 0.0))
    disc = Avoid(Moving(Ball((0.0, 0.0), 0.2), way, speed=3.0)).named("disc")
    controller = latent(Late(planner, plan), disc, 0.3, fallback=fallback, observed=True)
    controller.act(START, 0.0)
    for time in np.arange(0.3, turns + 0.2, CHECK_EVERY):
        state = np.concatenate(Reference.of(plan).at(time - 0.3)[:2])
        action = controller.act(state, time)
    told = controller.decisions
    first = [d.outcome for d in told].index(Outcome.PLANNED)
    doubt = next(d for d in told[first:] if d.reason.endswith("until there is a plan"))
    assert doubt.outcome is outcome
    assert doubt.time >= turns - CHECK_EVERY
    assert "disc has margin -" in doubt.reason
    assert (action == pytest.approx(brake(state))) == (outcome is Outcome.FALLBACK)


@pytest.mark.parametrize("latency", [0.0, 1.0])
def test_a_robot_gets_out_of_what_it_stands_in(planner, latency):
    disc = Avoid(Ball((-1.0, -1.15), 0.2)).named("disc")
    episode = driven_late(planner, disc, latency, fallback="brake")
    assert episode.success
    assert episode.margins["disc"][0] < 0 < episode.margins["disc"][-1]
    inside = 0.01 * int((episode.margins["disc"] < 0).sum())
    assert inside < 2 * latency + 0.6


@pytest.mark.parametrize("settings", [{"fallback": "follow"}, {"monitored": False}])
def test_a_robot_that_leans_on_a_wall_plans_from_there(planner, settings):
    """A drive in the mind goes through walls; what is drawn from behind one is not followed."""
    through = planner.plan(START, GOAL, seed=0)
    x = through.trajectory.x.clone()
    layout, count = through.trajectory.layout, len(x)
    straight = torch.linspace(-1.0, 1.0, count).to(x)
    x[:, layout.slice("position")] = torch.stack([torch.full_like(straight, -1.0), straight], -1)
    x[:, layout.slice("velocity")] = torch.tensor([0.0, 1.0]).to(x)
    x[:, layout.slice("dt")] = 2.0 / count
    through = replace(
        through,
        trajectory=replace(through.trajectory, x=x),
        status=Status.INFEASIBLE,
        margins={"walls": -0.3},
    )
    episode = driven_late(Late(planner, through), None, 1.0, **{"fallback": "brake", **settings})
    assert episode.success
    assert episode.times[-1] < 8.0


def test_a_robot_whose_plan_ends_while_it_waits_is_at_rest_then(planner):
    """The plan in hand ends at the goal, the region is still to be visited."""
    visit = Reach(Ball((1.3, 1.3), 0.12)).named("visit")
    missing = planner.plan(START, GOAL, seed=0)
    missing = replace(missing, status=Status.INFEASIBLE, margins={"visit": -0.3})
    latency = float(missing.times[-1]) + 0.3
    asked = []
    controller = latent(Late(planner, missing, asked), visit, latency)
    controller.act(START, 0.0)
    controller.act(START, latency)
    assert [(d.outcome, d.nfe > 0) for d in controller.decisions] == [
        (Outcome.FALLBACK, True),
        (Outcome.PLANNED, False),
        (Outcome.REUSED, True),
    ]
    assert asked[1] == pytest.approx([*GOAL, 0.0, 0.0], abs=0.02)


def test_a_plan_in_hand_that_holds_again_is_kept(planner):
    """A disc turns towards the way, and off again before there is another plan."""
    plan = planner.plan(START, GOAL, seed=0)
    met = plan.states[int(np.searchsorted(plan.times, 1.2)), :2]
    up = np.array([0.0, 1.0])
    way = tuple(tuple(met + distance * up) for distance in (2.4, 3.45, 2.85, 4.5))
    disc = Avoid(Moving(Ball((0.0, 0.0), 0.2), way, speed=3.0)).named("disc")
    controller = latent(Late(planner, plan), disc, 0.3, observed=True, fallback="follow")
    for time in np.arange(0.0, 1.0, CHECK_EVERY):
        now = max(time - 0.3, 0.0)
        controller.act(np.concatenate(Reference.of(plan).at(now)[:2]), time)
    reasons = [d.reason for d in controller.decisions]
    doubt = max(k for k, reason in enumerate(reasons) if reason.endswith("until there is a plan"))
    assert controller.decisions[doubt].time > 0.3
    assert set(reasons[doubt + 1 :]) == {"the rest of the plan holds"}
    assert controller.plan.trajectory.t_start == 0.3


def test_a_robot_that_has_to_go_back_awaits_no_plan(planner, monkeypatch):
    """What was drawn begins where it will not be."""
    controller = latent(planner, None, 0.5)
    controller.act(START, 0.0)
    back = [np.array([0.3, 0.0])]
    monkeypatch.setattr(PointMassTracker, "retreat", lambda self, driven: list(back))
    assert controller.act(START, 0.1) == pytest.approx(back[0])
    monkeypatch.undo()
    controller.act(START, 0.5)
    told = controller.decisions
    assert told[1].reason == "no plan in hand; goes back"
    assert [(d.time, d.nfe) for d in told if d.nfe] == [(0.0, 96), (0.5, 96)]
    assert not [d for d in told if d.plan]
    controller.act(START, 1.0)
    assert controller.plan.trajectory.t_start == 1.0


def test_a_plan_that_begins_elsewhere_is_not_followed(planner):
    controller = latent(planner, None, 0.5)
    controller.act(START, 0.0)
    controller.act(START + np.array([0.3, 0.0, 0.0, 0.0]), 0.5)
    told = controller.decisions
    assert told[1].outcome is Outcome.FALLBACK
    assert told[1].reason == "no plan in hand; feasible, but it begins 0.30 m from here"
    assert controller.plan is None
    assert [(d.time, d.nfe) for d in told if d.nfe] == [(0.0, 96), (0.5, 96)]


@pytest.mark.parametrize("latency", [-0.1, float("nan"), float("inf")])
def test_a_latency_that_is_none_is_refused(planner, latency):
    with pytest.raises(RequestError, match="latency must be 0 s or more"):
        RecedingHorizon(planner, None, fallback="brake", latency=latency)
