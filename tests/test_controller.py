"""The controller: never silent, keeps what holds, falls back when nothing does."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from glass_plan.constraints import Avoid, Ball, Moving, Reach, as_observed
from glass_plan.controller import CHECK_EVERY, RecedingHorizon
from glass_plan.errors import RequestError
from glass_plan.planner import Planner
from glass_plan.progress import head, remainder
from glass_plan.records import Outcome, Status
from glass_plan.rollout import run_episode
from glass_plan.tracking import Reference, brake
from tests.models import ENV_ID, MODEL

START, GOAL = np.array([-1.0, -1.0, 0.0, 0.0]), (-1.0, 1.0)
PLACES = {"start": (-1.0, -1.0), "goal": GOAL}


@pytest.fixture(scope="module")
def planner():
    return Planner.from_pretrained(MODEL)


@pytest.fixture
def env():
    made = gymnasium.make(ENV_ID)
    yield made
    made.close()


def test_act_before_reset_is_refused(planner):
    with pytest.raises(RequestError, match="call reset"):
        RecedingHorizon(planner, None, fallback="brake").act(START, 0.0)


def test_an_observation_that_is_not_finite_is_refused(planner):
    controller = RecedingHorizon(planner, None, fallback="brake")
    controller.reset(GOAL, 0)
    with pytest.raises(RequestError, match="finite"):
        controller.act([np.nan, 0, 0, 0], 0.0)


@pytest.mark.parametrize("observation", [{"state": START}, START[:2], None])
def test_an_observation_without_a_state_is_refused(planner, observation):
    controller = RecedingHorizon(planner, None, fallback="brake")
    controller.reset(GOAL, 0)
    with pytest.raises(RequestError, match=r"lacks the key 'observation'|state must be position"):
        controller.act(observation, 0.0)


def test_an_unknown_fallback_is_refused(planner):
    with pytest.raises(RequestError, match="did you mean 'brake'"):
        RecedingHorizon(planner, None, fallback="brakes")


def test_it_plans_once_and_keeps_a_plan_that_holds(planner, env):
    controller = RecedingHorizon(planner, None, fallback="brake")
    episode = run_episode(env, controller, seed=0, options=PLACES)
    assert episode.success
    outcomes = [decision.outcome for decision in episode.decisions]
    assert outcomes[0] is Outcome.PLANNED
    assert outcomes.count(Outcome.REUSED) >= len(outcomes) - 2
    assert all(decision.reason for decision in episode.decisions)
    times = [decision.time for decision in episode.decisions]
    assert np.allclose(np.diff(times), CHECK_EVERY)


def test_having_arrived_it_stays_without_planning_again(planner):
    controller = RecedingHorizon(planner, None, fallback="brake")
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    arrived = np.array([*GOAL, 0.0, 0.0])
    action = controller.act(arrived, float(controller.plan.times[-1]) + CHECK_EVERY)
    assert np.allclose(action, 0.0, atol=0.02)
    assert controller.decisions[-1].outcome is Outcome.REUSED
    assert controller.decisions[-1].reason


def test_an_obstacle_on_its_way_to_the_plan_makes_it_plan_again(planner):
    controller = RecedingHorizon(planner, None, fallback="follow")
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    plan = controller.plan
    ahead = plan.states[len(plan.states) // 2, :2]
    meets = float(plan.times[len(plan.times) // 2])
    # it comes from far off and is on the way just when the robot is
    path = tuple(map(tuple, (ahead + np.array([4.0 * meets, 0.0]), ahead)))
    obstacle = Avoid(Moving(Ball((0.0, 0.0), 0.2), path, speed=4.0))
    assert float(obstacle.margin(plan.trajectory)) < 0
    aware = RecedingHorizon(Fixed(planner, plan), obstacle, fallback="follow")
    aware.reset(GOAL, 0)
    aware.act(START, 0.0)
    state = np.concatenate(Reference.of(plan).at(CHECK_EVERY)[:2])
    aware.act(state, CHECK_EVERY)
    assert [d.outcome for d in aware.decisions] == [Outcome.PLANNED] * 2
    assert "margin -" in aware.decisions[1].reason
    assert np.allclose(aware.plan.states[0], state, atol=1e-2)
    assert float(obstacle.margin(aware.plan.trajectory)) > float(obstacle.margin(plan.trajectory))


class Fixed:
    """A planner whose first plan is given, said to be feasible; the others are drawn."""

    def __init__(self, planner, first):
        self.embodiment, self.prior, self.judged = planner.embodiment, planner.prior, planner.judged
        self.state = planner.state
        self._planner, self._first = planner, first

    def plan(self, *args, **kwargs):
        first, self._first = self._first, None
        return first or self._planner.plan(*args, **kwargs)


class Hopeless:
    """A planner whose plans all end as infeasible from their first step on."""

    def __init__(self, planner):
        self.embodiment, self.prior, self.judged = planner.embodiment, planner.prior, planner.judged
        self.state = planner.state
        self.asked = 0
        self.seeds = []
        self._plan = planner.plan(START, GOAL, seed=0)

    def plan(self, *args, **kwargs):
        self.asked += 1
        self.seeds.append(kwargs["seed"])
        return replace(self._plan, status=Status.INFEASIBLE, margins={"everything": -1.0})


def test_the_fallback_brakes_and_tries_again(planner):
    hopeless = Hopeless(planner)
    disc = Avoid(Ball((-1.0, -1.0), 3.0))  # no plan is safe, nor soon gets out
    controller = RecedingHorizon(hopeless, disc, fallback="brake")
    controller.reset(GOAL, 0)
    moving = np.array([-1.0, -1.0, 2.0, 0.0])
    assert np.allclose(controller.act(moving, 0.0), brake(moving))
    controller.act(moving, CHECK_EVERY)
    assert hopeless.asked == 2
    assert [d.outcome for d in controller.decisions] == [Outcome.FALLBACK] * 2
    assert "infeasible" in controller.decisions[0].reason


def test_out_of_time_the_fallback_says_so(planner):
    wall_ahead = Avoid(Ball((-0.6, -1.0), 0.25))
    controller = RecedingHorizon(planner, wall_ahead, fallback="brake", deadline=0.0)
    controller.reset(GOAL, 0)
    controller.act(np.array([-1.0, -1.0, 3.0, 0.0]), 0.0)
    assert controller.decisions[0].plan.status is Status.TIMEOUT
    assert "timeout" in controller.decisions[0].reason


def test_every_plan_of_an_episode_draws_anew(planner):
    spy = Hopeless(planner)
    controller = RecedingHorizon(spy, Avoid(Ball((-1.0, -1.0), 3.0)), fallback="brake")
    for seed in (0, 0, 1):
        controller.reset(GOAL, seed)
        controller.act(START, 0.0)
        controller.act(START, CHECK_EVERY)
    first, again, other = (spy.seeds[k : k + 2] for k in (0, 2, 4))
    assert first == again
    assert len({*first, *other}) == 4


def test_it_gets_out_of_what_it_has_grazed(planner, env):
    """2 mm deep in a disc beside its start, no plan is feasible."""
    beside = Avoid(Ball((START[0], START[1] - 0.298), 0.2)).named("beside")
    controller = RecedingHorizon(planner, beside, fallback="brake")
    episode = run_episode(env, controller, 0, options=PLACES)
    assert episode.decisions[0].outcome is Outcome.PLANNED
    assert "gets out within" in episode.decisions[0].reason
    assert episode.success


def test_following_drives_the_least_violating_plan(planner):
    controller = RecedingHorizon(
        Hopeless(planner), Avoid(Ball((-1.0, -1.0), 0.3)), fallback="follow"
    )
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    assert controller.decisions[0].outcome is Outcome.PLANNED
    assert "least violating" in controller.decisions[0].reason


def test_same_seeds_same_episode(planner, env):
    disc = Avoid(Ball((1.0, 0.2), 0.15))
    first, again = (
        run_episode(
            env, RecedingHorizon(planner, disc, fallback="brake"), 5, sampler_seed=7, options=PLACES
        )
        for _ in range(2)
    )
    assert np.array_equal(first.states, again.states)
    assert [d.outcome for d in first.decisions] == [d.outcome for d in again.decisions]


def test_a_push_off_the_plan_makes_it_plan_again(planner):
    controller = RecedingHorizon(planner, None, fallback="brake")
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    controller.act(START + np.array([0.25, 0.2, 0.0, 0.0]), CHECK_EVERY)
    assert controller.decisions[1].outcome is Outcome.PLANNED
    assert "off the plan" in controller.decisions[1].reason


def test_the_remainder_starts_here_and_ends_at_the_goal(planner):
    plan = planner.plan(START, GOAL, seed=0)
    reference = Reference.of(plan)
    state = np.array([*reference.spline(0.5), *reference.spline(0.5, 1)])
    rest = remainder(plan, reference, 0.5, state, time=2.0)
    assert np.allclose(rest.x[0, :4], state, atol=1e-5)
    assert np.allclose(rest.x[-1, :2], GOAL, atol=1e-3)
    assert float(rest.times[0]) == pytest.approx(2.0)
    assert float(rest.times[-1]) == pytest.approx(2.0 + reference.end - 0.5, abs=1e-3)


def test_the_head_is_the_first_moments(planner):
    plan = planner.plan(START, GOAL, seed=0)
    soon = head(plan.trajectory, 0.4)
    assert 2 <= soon.x.shape[0] < plan.trajectory.x.shape[0]
    assert float(soon.times[-2]) <= 0.4 < float(soon.times[-1])


def test_a_region_that_was_reached_is_asked_for_no_more(planner):
    spec = Reach(Ball((1.0, 0.0), 0.3)).named("visit") & Avoid(Ball((0.0, 0.9), 0.1))
    env = gymnasium.make(ENV_ID, constraints=spec)
    controller = RecedingHorizon(planner, spec, fallback="brake")
    episode = run_episode(env, controller, seed=0, options=PLACES)
    env.close()
    assert episode.success
    passed = np.linalg.norm(episode.states[:, :2] - [1.0, 0.0], axis=1).argmin()
    plans = [(d.time, d.plan) for d in episode.decisions if d.plan is not None]
    assert "visit" in plans[0][1].margins
    after = [plan for time, plan in plans if time > episode.times[passed] + CHECK_EVERY]
    assert all("visit" not in plan.margins for plan in after)
    controller.reset(GOAL, 0)
    controller.act(np.array([1.0, 0.0, 0.0, 0.0]), 0.0)
    assert controller.plan is None or "visit" not in controller.plan.margins


def test_what_moves_is_known_by_watching_only(planner):
    """A disc that will turn before the way is taken to come through, until it has turned."""
    patrol = Moving(Ball((0.0, 0.0), 0.2), ((2.0, 0.0), (1.35, 0.0)), speed=0.5, loop=True)
    spec = Avoid(patrol).named("patrol")
    controller = RecedingHorizon(planner, spec, fallback="brake", observed=True)
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    seen = controller.plan or controller.decisions[0].plan
    known = planner.plan(START, GOAL, spec, seed=0)
    assert seen.margins["patrol"] != known.margins["patrol"]
    assert float(as_observed(spec, 0.0).margin(seen.trajectory)) == seen.margins["patrol"]


def test_without_a_monitor_the_best_plan_is_followed_as_bad_as_it_is(planner):
    plan = planner.plan(START, GOAL, seed=0)
    middle = plan.states[len(plan.states) // 2, :2]
    hit = Avoid(Ball(tuple(middle), 0.3)).named("disc")
    assert float(hit.margin(plan.trajectory)) < 0
    bad = replace(plan, status=Status.INFEASIBLE, margins={"disc": -0.3})
    controller = RecedingHorizon(Fixed(planner, bad), hit, fallback="brake", monitored=False)
    env = gymnasium.make(ENV_ID, constraints=hit)
    episode = run_episode(env, controller, seed=0, options=PLACES)
    env.close()
    assert episode.success
    assert episode.margins["disc"].min() < 0
    assert [d.outcome for d in episode.decisions].count(Outcome.PLANNED) == 1
    assert Outcome.FALLBACK not in {d.outcome for d in episode.decisions}


def test_at_the_goal_it_plans_again_for_a_region_that_is_left(planner):
    """A plan that misses the region ends at the goal; whoever is not watched has to see that."""
    visit = Reach(Ball((1.3, 1.3), 0.12)).named("visit")
    around = planner.plan(START, GOAL, seed=0)
    assert float(visit.margin(around.trajectory)) < 0
    missing = replace(around, status=Status.INFEASIBLE, margins={"visit": -0.3})
    controller = RecedingHorizon(Fixed(planner, missing), visit, fallback="brake", monitored=False)
    env = gymnasium.make(ENV_ID, constraints=visit, max_episode_steps=1500)
    episode = run_episode(env, controller, seed=0, options=PLACES)
    env.close()
    assert episode.info["reached_visit"]
    assert episode.success
    reasons = [d.reason for d in episode.decisions if d.outcome is Outcome.PLANNED]
    assert reasons[1].startswith("the plan has ended")


def test_a_shield_that_reads_motions_in_advance_is_refused_where_they_are_observed(planner):
    with pytest.raises(RequestError, match="leave out shield"):
        RecedingHorizon(planner, None, fallback="brake", shield=True, observed=True)


def test_a_plan_whose_drive_would_violate_gives_way_to_another_candidate(planner):
    disc = Avoid(Ball((1.2, 0.0), 0.25)).named("disc")
    good = planner.plan(START, GOAL, disc, seed=0)
    through = planner.plan(START, GOAL, Reach(Ball((1.2, 0.0), 0.1)), seed=0).trajectory
    assert float(disc.margin(through)) < 0
    said = replace(good, trajectory=through)  # feasible, as it says
    controller = RecedingHorizon(Fixed(planner, said), disc, fallback="brake")
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    assert controller.decisions[0].outcome is Outcome.PLANNED
    assert controller.plan.margins["disc"] > 0
    assert np.allclose(controller.plan.states, good.states)


def test_where_no_candidate_can_be_driven_safely_the_plan_is_infeasible(planner):
    disc = Avoid(Ball((-0.5, -1.0), 0.3))
    plan = planner.plan(START, GOAL, seed=0)
    controller = RecedingHorizon(Fixed(planner, plan), disc, fallback="brake")
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    assert controller.decisions[0].plan.status is Status.INFEASIBLE
    assert controller.decisions[0].outcome is Outcome.FALLBACK


def test_a_robot_that_nearly_touches_something_may_still_drive_away(planner):
    disc = Avoid(Ball((-1.0, -1.27), 0.167))  # 3 mm off
    controller = RecedingHorizon(planner, disc, fallback="brake")
    controller.reset(GOAL, 0)
    controller.act(START, 0.0)
    assert controller.decisions[0].reason.endswith("feasible")
    assert controller.decisions[0].outcome is Outcome.PLANNED
