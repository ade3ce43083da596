"""Receding-horizon control: plan, follow, check what is left, plan again; never silent.

At every check the rest of the plan in hand is judged by exact margins from the present state. It is
followed while it stays feasible and is tracked (REUSED); else a new one is drawn, from the old one
as a warm start where that is of use (PLANNED); and if nothing acceptable is found in time
(``Monitor``), the fallback acts (FALLBACK) and the next check tries again. A robot that has lost
what it held goes back first (FALLBACK). Every decision has its reason. What had to hold once and
was seen to hold is asked for no more (``Constraint.remaining``).

The world waits for a plan, unless a ``latency`` is declared. Then a plan begins where the robot is
foreseen to be when it is there: on the plan in hand as long as that may be followed, or braking.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glass_plan.constraints import All, Constraint, as_observed, asked
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Trajectory
from glass_plan.monitor import Monitor
from glass_plan.planner import Planner, speed_limit
from glass_plan.progress import as_driven, head, state_after
from glass_plan.pursuit import Pursuit, Verdict
from glass_plan.records import Decision, Outcome, Plan, Status
from glass_plan.shield import Shield
from glass_plan.trackers import tracker

Array = NDArray[np.float64]

CHECK_EVERY = 0.1
"""Time between checks of the plan in hand [s]."""
LOST = 0.12
"""Distance [m] from the plan at which it no longer describes the motion."""
TRACKED_SHARE = 0.98
"""Of a speed limit, beyond which tracking does not push, however far behind the robot is."""
FALLBACKS = ("brake", "follow")
SOON = 0.6
"""How long [s] a plan must hold, once another could be there, to be followed though it is not
feasible."""


class RecedingHorizon:
    """Drives a robot by plans.

    Args:
        planner: draws plans.
        constraints: what must hold besides what always has to there, e.g. its walls.
        fallback: what acts when no feasible plan is found: ``"brake"`` follows an infeasible one
            only while its first violation is far off and then stops the robot; ``"follow"``
            follows the least violating one, which shows what the planner is worth by itself.
        deadline: wall time [s] that one plan may take; None waits for it. The drives in the mind,
            of some milliseconds each, come on top.
        latency: time of the episode [s] that goes by while a plan is made, whatever it takes; with
            0 the world waits. Choose one that plans keep to, or a ``deadline`` as long.
        shield: whether a last filter on every action may override it (``Shield``).
        aware: whether the plan in hand is checked against ``constraints`` too, as it should be; an
            unguided control arm says False and knows the walls only.
        observed: whether of moving regions only the present place and velocity are known, at each
            check anew (``constraints.as_observed``), and not where they will go.
        monitored: whether plans are driven in the mind, and the one in hand is judged at every
            check. Without, the best one is followed, as bad as it may be, until it ends or is
            lost, as planners are published: this shows what plans are worth by themselves.

    Raises:
        RequestError: no constraints, an unknown fallback, a latency that is none, or a shield,
            which reads motions in advance, where they are to be observed.
    """

    def __init__(
        self,
        planner: Planner,
        constraints: Constraint | None,
        *,
        fallback: Literal["brake", "follow"],
        deadline: float | None = None,
        latency: float = 0.0,
        shield: bool = False,
        aware: bool = True,
        observed: bool = False,
        monitored: bool = True,
    ) -> None:
        if observed and shield:
            raise RequestError(
                "controller: a shield reads the motion of regions in advance; leave out shield or "
                "observed"
            )
        if fallback not in FALLBACKS:
            hint = did_you_mean(fallback, FALLBACKS)
            raise RequestError(f"controller: unknown fallback {fallback!r}{hint}")
        if not 0 <= latency < math.inf:
            raise RequestError(f"controller: latency must be 0 s or more, got {latency}")
        everything = asked("controller", constraints)
        self.planner, self.fallback = planner, fallback
        self.deadline, self.latency = deadline, latency
        self.constraints = everything if aware else All(())
        self.observed, self.monitored = observed, monitored
        robot, layout = planner.embodiment, planner.prior.layout
        max_speed = speed_limit(self.constraints.parts(), TRACKED_SHARE)
        self._tracker = tracker(robot, layout, max_speed=max_speed)
        self._monitor = Monitor(
            planner, self._tracker, lenient=fallback == "follow", soon=SOON + latency
        )
        self._shield: Shield | None = None
        if shield:
            self._shield = Shield(self._monitor.safety(everything), self._tracker)
        self._pursuit: Pursuit | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Decisions since the last reset, in order."""
        return tuple(self._pursuit.decisions) if self._pursuit else ()

    @property
    def plan(self) -> Plan | None:
        """The plan in hand."""
        return self._pursuit.plan if self._pursuit else None

    def reset(self, goal: ArrayLike, seed: int) -> None:
        """Begin an episode.

        Args:
            goal: (G,) place [m], as the planner takes it.
            seed: of the sampler; the k-th plan of the episode draws from (seed, k).
        """
        self._pursuit = Pursuit(np.asarray(goal, dtype=np.float64), seed, self.constraints)

    def act(self, observation: Mapping[str, ArrayLike] | ArrayLike, time: float) -> Array:
        """The action (A,) for the present state.

        Args:
            observation: of the world, or the state itself (``Embodiment.state``).
            time: of the episode [s].

        Raises:
            RequestError: not reset, or a state that is not finite.
        """
        pursuit = self._pursuit
        if pursuit is None:
            raise RequestError("controller: call reset(goal, seed) before act")
        state = self.planner.state(observation)
        pursuit.path.append(state)
        pursuit.driven.append(np.array([*state, time]))
        if time >= pursuit.next_check - 1e-9 and not pursuit.retreat:
            self._decide(pursuit, state, time)
            pursuit.next_check = time + CHECK_EVERY
            if pursuit.awaited is not None:
                pursuit.next_check = min(pursuit.next_check, pursuit.awaited.begins)
        action = self._intended(pursuit, state, time)
        if self._shield is None:
            return action
        action, overridden = self._shield.filter(state, action, time)
        if overridden and not pursuit.shielded:
            pursuit.note(time, Outcome.SHIELDED, "no way out after the intended action")
        pursuit.shielded = overridden
        return action

    def _intended(self, pursuit: Pursuit, state: Array, time: float) -> Array:
        """A step back, or what the plan in hand asks for, or braking if there is neither."""
        if pursuit.retreat:
            return pursuit.retreat.pop(0)
        if pursuit.follower is None:
            return self._tracker.stop(state)
        return pursuit.follower.action(state, time - pursuit.began)

    def _decide(self, pursuit: Pursuit, state: Array, time: float) -> None:
        driven = as_driven(np.stack(pursuit.driven), self.planner.prior.layout)
        pursuit.asked, pursuit.driven = pursuit.asked.remaining(driven), pursuit.driven[-1:]
        pursuit.seen = self._seen(pursuit.asked, time)
        rest, why = self._rest(pursuit, state, time)
        if why == "":
            seen = "the rest of the plan holds" if self.monitored else "not monitored"
            pursuit.awaited = None
            pursuit.note(time, Outcome.REUSED, seen)
            return
        pursuit.retreat = self._tracker.retreat(np.stack(pursuit.path))
        if pursuit.retreat:
            pursuit.drop()
            pursuit.awaited = None
            pursuit.note(time, Outcome.FALLBACK, f"{why}; goes back")
        elif self.latency == 0:
            self._take(pursuit, self._draw(pursuit, state, time, rest, why), time)
        else:
            self._wait(pursuit, state, time, why)

    def _seen(self, constraint: Constraint, time: float) -> Constraint:
        """What of a constraint is known."""
        return as_observed(constraint, time) if self.observed else constraint

    def _draw(
        self, pursuit: Pursuit, state: Array, time: float, rest: Trajectory | None, why: str
    ) -> Verdict:
        """A plan that begins with a state at a time, and whether it may be followed."""
        began = clock.perf_counter()
        plan = self.planner.plan(
            state,
            pursuit.goal,
            pursuit.seen,
            seed=int(np.random.SeedSequence((pursuit.seed, pursuit.attempts)).generate_state(1)[0]),
            t_start=time,
            warm_start=rest if pursuit.attempts % 2 else None,
            deadline=self.deadline,
            strict=False,
        )
        pursuit.attempts += 1
        acceptable, verdict = True, f"{plan.status}, not monitored"
        if self.monitored:
            plan, acceptable, verdict = self._monitor.chosen(plan, pursuit.seen, state, time)
        plan = replace(plan, wall_time=clock.perf_counter() - began)
        return Verdict(plan, acceptable, f"{why}; {verdict}", time)

    def _take(self, pursuit: Pursuit, verdict: Verdict, time: float) -> None:
        """Follow a plan that was drawn now, or brake."""
        plan, outcome = verdict.plan, Outcome.FALLBACK
        pursuit.drop()
        if verdict.acceptable:
            outcome = Outcome.PLANNED
            pursuit.take(plan, self._tracker.follower(plan), time)
        pursuit.note(time, outcome, verdict.reason, plan, cost=plan)

    def _wait(self, pursuit: Pursuit, state: Array, time: float, why: str) -> None:
        """Take the plan that was awaited, or go on or brake until there is one."""
        if pursuit.awaited is not None and time >= pursuit.awaited.begins - 1e-9:
            self._take_awaited(pursuit, pursuit.awaited, state, time)
            _, why = self._rest(pursuit, state, time)
            if why == "":
                return
        begins = pursuit.awaited.begins if pursuit.awaited else time + self.latency
        ahead, does = self._going_on(pursuit, state, time, begins)
        action = self._intended(pursuit, state, time)
        if ahead is None:
            pursuit.drop()
        follower, cost = pursuit.follower, None
        if pursuit.awaited is None:
            if ahead is None:
                _, backups = self._tracker.evasions(state, action, time)
                ahead = replace(backups, x=backups.x[0])  # the first brakes
            there, rest = state_after(ahead, self.latency), None
            if follower is not None and begins - pursuit.began < follower.end:
                rest = follower.rest(there, begins - pursuit.began, begins)
            pursuit.seen = self._seen(pursuit.asked.remaining(head(ahead, self.latency)), time)
            pursuit.awaited = self._draw(pursuit, there, begins, rest, why)
            cost = pursuit.awaited.plan
        outcome = Outcome.FALLBACK if follower is None else Outcome.REUSED
        pursuit.note(time, outcome, f"{why}; {does} until there is a plan", cost=cost)

    def _take_awaited(self, pursuit: Pursuit, verdict: Verdict, state: Array, time: float) -> None:
        """Follow a plan that was awaited if it may be from here; else the one in hand stays."""
        pursuit.awaited, plan, objection = None, verdict.plan, None
        if verdict.acceptable:
            follower, began = self._tracker.follower(plan), min(verdict.begins, time)
            off = follower.off(state, time - began)
            if off > LOST:
                objection = f"but it begins {off:.2f} m from here"
            elif self.monitored and plan.status is Status.FEASIBLE:
                driven = follower.foreseen(state, time, now=time - began)
                held = self._monitor.holds(pursuit.seen, driven)
                objection = None if held else "but not from here"
            if objection is None:
                pursuit.take(plan, follower, began)
                pursuit.note(time, Outcome.PLANNED, verdict.reason, plan)
                return
        reason = ", ".join(filter(None, (verdict.reason, objection)))
        pursuit.note(time, Outcome.FALLBACK, reason, plan)

    def _going_on(
        self, pursuit: Pursuit, state: Array, time: float, begins: float
    ) -> tuple[Trajectory | None, str]:
        """What the plan in hand will come to until another begins, in words too; None to brake.

        It is gone on with if it is tracked and may be until ``SOON`` after the other begins.
        """
        follower, now, lasting = pursuit.follower, time - pursuit.began, begins - time + SOON
        if follower is not None and now < follower.end and follower.off(state, now) <= LOST:
            ahead = follower.foreseen(state, time, now=now, lasting=lasting)
            excuse = self._monitor.excuse(ahead, pursuit.seen, lasting)
            if excuse or self.fallback == "follow":
                return ahead, f"{excuse or 'the least violating one'}, goes on"
        return None, "brakes"

    def _rest(self, pursuit: Pursuit, state: Array, time: float) -> tuple[Trajectory | None, str]:
        """What is left of the plan from here, and why it cannot be kept ("" if it can)."""
        plan, follower = pursuit.plan, pursuit.follower
        if plan is None or follower is None:
            return None, "no plan in hand"
        now = time - pursuit.began
        if now >= follower.end:
            done = self._tracker.arrived(state, pursuit.goal)
            done = done and not self._monitor.lacking(pursuit.seen, state, time, CHECK_EVERY)
            return None, "" if done else "the plan has ended"
        rest = follower.rest(state, now, time)
        off = follower.off(state, now)
        if off > LOST:
            return rest, f"{off:.2f} m off the plan"
        if not self.monitored:
            return rest, ""
        if broken := self._monitor.broken(pursuit.seen, rest):
            return rest, f"in the rest of the plan {broken}"
        return rest, "" if plan.status is Status.FEASIBLE else f"the plan is {plan.status}"
