"""Receding-horizon control: plan, follow, check what is left, plan again; never silent.

At every check the rest of the plan in hand is judged by exact margins from the present state. It is
followed while it stays feasible and is tracked (REUSED); else a new one is drawn, from the old one
as a warm start where that is of use (PLANNED); and if nothing acceptable is found in time, the
fallback acts (FALLBACK) and the next check tries again. A robot that has lost what it held goes
back first (FALLBACK). A feasible plan is driven in the mind first
(``Follower.foreseen``): where following it would violate what must always hold, another candidate
takes its place. Every decision has its reason. What had to hold once and was seen to hold is asked
for no more (``Constraint.remaining``).

The world waits for a plan, unless a ``latency`` is declared: then a plan begins where the robot
will be by then, on the plan in hand as long as that holds, or braking.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glass_plan.constraints import All, Constraint, as_observed, asked
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Trajectory
from glass_plan.planner import Planner, ranked, speed_limit
from glass_plan.progress import as_driven, head, last_state, until
from glass_plan.records import Decision, Outcome, Plan, Status
from glass_plan.shield import Shield
from glass_plan.trackers import Follower, tracker

Array = NDArray[np.float64]

CHECK_EVERY = 0.1
"""Time between checks of the plan in hand [s]."""
LOST = 0.12
"""Distance [m] from the plan at which it no longer describes the motion."""
TRACKED_SHARE = 0.98
"""Of a speed limit, beyond which tracking does not push, however far behind the robot is."""
DRIVE_MARGIN = 0.005
"""Asked for along a drive in the mind, in each constraint's unit, or half of what there is now."""
TRIES = 5
"""Candidates of a plan that are driven in the mind at most."""
FALLBACKS = ("brake", "follow")
SOON = 0.6
"""An infeasible plan may be followed while its first violation is farther off than this [s], or
where by then it gets out of one in which the robot is, without going deeper."""


@dataclass(frozen=True)
class _Verdict:
    """On a plan that was drawn.

    Args:
        plan: that is best, with the time that it took.
        acceptable: whether it may be followed.
        reason: why it was drawn, and why it may be followed or not.
        begins: time of the episode from which on [s].
    """

    plan: Plan
    acceptable: bool
    reason: str
    begins: float


@dataclass
class _Pursuit:
    """What changes during an episode."""

    goal: Array
    seed: int
    asked: Constraint
    seen: Constraint = All(())
    driven: list[Array] = field(default_factory=list)
    path: list[Array] = field(default_factory=list)
    retreat: list[Array] = field(default_factory=list)
    plan: Plan | None = None
    follower: Follower | None = None
    began: float = 0.0
    awaited: _Verdict | None = None
    next_check: float = 0.0
    attempts: int = 0
    shielded: bool = False
    decisions: list[Decision] = field(default_factory=list)


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
        every = planner.judged(everything).parts().values()
        safety = All(tuple(part for part in every if part.is_safety))
        self._shield: Shield | None = None
        if shield:
            self._shield = Shield(safety, self._tracker)
        self._pursuit: _Pursuit | None = None

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
        self._pursuit = _Pursuit(np.asarray(goal, dtype=np.float64), seed, self.constraints)

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
            pursuit.next_check = time + (self.latency if pursuit.awaited else CHECK_EVERY)
        action = self._intended(pursuit, state, time)
        if self._shield is None:
            return action
        action, overridden = self._shield.filter(state, action, time)
        if overridden and not pursuit.shielded:
            self._note(pursuit, time, Outcome.SHIELDED, "no way out after the intended action")
        pursuit.shielded = overridden
        return action

    def _intended(self, pursuit: _Pursuit, state: Array, time: float) -> Array:
        """A step back, or what the plan in hand asks for, or braking if there is neither."""
        if pursuit.retreat:
            return pursuit.retreat.pop(0)
        if pursuit.follower is None:
            return self._tracker.stop(state)
        return pursuit.follower.action(state, time - pursuit.began)

    def _decide(self, pursuit: _Pursuit, state: Array, time: float) -> None:
        driven = as_driven(np.stack(pursuit.driven), self.planner.prior.layout)
        pursuit.asked, pursuit.driven = pursuit.asked.remaining(driven), pursuit.driven[-1:]
        if pursuit.awaited is not None:
            self._take(pursuit, pursuit.awaited, time)
            return
        pursuit.seen = self._seen(pursuit.asked, time)
        rest, why = self._rest(pursuit, state, time)
        if why == "":
            seen = "the rest of the plan holds" if self.monitored else "not monitored"
            self._note(pursuit, time, Outcome.REUSED, seen)
            return
        pursuit.retreat = self._tracker.retreat(np.stack(pursuit.path))
        if pursuit.retreat:
            pursuit.plan, pursuit.follower = None, None
            self._note(pursuit, time, Outcome.FALLBACK, f"{why}; goes back")
        elif self.latency == 0:
            self._take(pursuit, self._draw(pursuit, state, time, rest, why), time)
        else:
            ahead, rest = self._meanwhile(pursuit, state, time, rest, why)
            pursuit.seen = self._seen(pursuit.asked.remaining(ahead), time)
            begins = time + self.latency
            pursuit.awaited = self._draw(pursuit, last_state(ahead), begins, rest, why)

    def _seen(self, constraint: Constraint, time: float) -> Constraint:
        return as_observed(constraint, time) if self.observed else constraint

    def _draw(
        self, pursuit: _Pursuit, state: Array, time: float, rest: Trajectory | None, why: str
    ) -> _Verdict:
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
        plan, acceptable, verdict = self._chosen(pursuit, plan, state, time)
        plan = replace(plan, wall_time=clock.perf_counter() - began)
        return _Verdict(plan, acceptable, f"{why}; {verdict}", time)

    def _take(self, pursuit: _Pursuit, drawn: _Verdict, time: float) -> None:
        """Follow a plan that was drawn, or brake."""
        pursuit.awaited = None
        if drawn.acceptable:
            pursuit.plan, pursuit.began = drawn.plan, drawn.begins
            pursuit.follower = self._tracker.follower(drawn.plan)
            self._note(pursuit, time, Outcome.PLANNED, drawn.reason, drawn.plan)
        else:
            pursuit.plan, pursuit.follower = None, None
            self._note(pursuit, time, Outcome.FALLBACK, drawn.reason, drawn.plan)

    def _meanwhile(
        self, pursuit: _Pursuit, state: Array, time: float, rest: Trajectory | None, why: str
    ) -> tuple[Trajectory, Trajectory | None]:
        """What the robot drives while a plan is made, and what is left then of the one in hand.

        It goes on with what is left now if that holds until ``SOON`` after a new plan is there, or
        if nobody checks; else it brakes.
        """
        if rest is not None and pursuit.plan is not None:
            going_on = replace(pursuit.plan, trajectory=rest)
            follower = self._tracker.follower(going_on)
            driven = follower.foreseen(state, time)
            soon = head(driven, self.latency + SOON)
            unchecked = not self.monitored or self.fallback == "follow"
            if unchecked or float(self._safety(pursuit).margin(soon)) > 0:
                pursuit.plan, pursuit.follower, pursuit.began = going_on, follower, time
                self._note(pursuit, time, Outcome.REUSED, f"{why}; goes on until there is a plan")
                ahead = until(driven, self.latency)
                if self.latency >= follower.end:
                    return ahead, None
                later = time + self.latency
                return ahead, follower.rest(last_state(ahead), self.latency, later)
        pursuit.plan, pursuit.follower = None, None
        self._note(pursuit, time, Outcome.FALLBACK, f"{why}; brakes until there is a plan")
        braked = self._tracker.backup(state, self._tracker.stop(state), time)
        return until(braked, self.latency), None

    def _rest(self, pursuit: _Pursuit, state: Array, time: float) -> tuple[Trajectory | None, str]:
        """What is left of the plan from here, and why it cannot be kept ("" if it can)."""
        plan, follower = pursuit.plan, pursuit.follower
        if plan is None or follower is None:
            return None, "no plan in hand"
        now = time - pursuit.began
        if now >= follower.end:
            done = self._tracker.arrived(state, pursuit.goal)
            done = done and not self._lacking(pursuit, state, time)
            return None, "" if done else "the plan has ended"
        rest = follower.rest(state, now, time)
        off = follower.off(state, now)
        if off > LOST:
            return rest, f"{off:.2f} m off the plan"
        if not self.monitored:
            return rest, ""
        margins = {k: float(v.margin(rest)) for k, v in self._judged(pursuit).parts().items()}
        worst = min(margins, key=lambda name: margins[name])
        if margins[worst] <= 0:
            return rest, f"in the rest of the plan {worst} has margin {margins[worst]:.3f}"
        return rest, "" if plan.status is Status.FEASIBLE else f"the plan is {plan.status}"

    def _lacking(self, pursuit: _Pursuit, state: Array, time: float) -> bool:
        """Whether something that must hold once has not, and does not here."""
        still = np.array([[*state, time], [*state, time + CHECK_EVERY]])
        here = as_driven(still, self.planner.prior.layout)
        parts = pursuit.seen.parts().values()
        return any(not part.is_safety and float(part.margin(here)) <= 0 for part in parts)

    def _chosen(
        self, pursuit: _Pursuit, plan: Plan, state: Array, time: float
    ) -> tuple[Plan, bool, str]:
        """What to follow of a plan's candidates, whether it may be followed, and why.

        A feasible plan whose drive does not keep what must always hold gives way to the next best
        that does, if one of the first ``TRIES`` does; it is INFEASIBLE if none does.
        """
        if not self.monitored:
            return plan, True, f"{plan.status}, not monitored"
        if not bool(plan.trajectory.x.isfinite().all()):
            return plan, False, f"{plan.status}: no candidate is finite"
        if plan.status is not Status.FEASIBLE:
            name = min(plan.margins, key=lambda key: plan.margins[key])
            evidence = f"{plan.status}: {name} has margin {plan.margins[name]:.3f}"
            return plan, *self._acceptable(pursuit, plan, evidence, state, time)
        driven = self._driven(plan, state, time)
        if self._holds(pursuit, driven):
            return plan, True, "feasible"
        for other in self._others(pursuit, plan):
            if self._holds(pursuit, self._driven(other, state, time)):
                return other, True, "feasible"
        evidence = f"infeasible: its drive has margin {self._safety(pursuit).margin(driven):.3f}"
        plan = replace(plan, status=Status.INFEASIBLE)
        return plan, *self._acceptable(pursuit, plan, evidence, state, time)

    def _others(self, pursuit: _Pursuit, plan: Plan) -> Iterator[Plan]:
        """The feasible candidates of a plan besides the one that it chose, the best first."""
        order = ranked(plan.candidates, self._judged(pursuit).parts())
        for index, margins, feasible in order[1:TRIES]:
            x = plan.candidates.x[index]
            if feasible:
                yield replace(plan, trajectory=replace(plan.candidates, x=x), margins=margins)

    def _driven(self, plan: Plan, state: Array, time: float) -> Trajectory:
        """What following a plan will come to."""
        return self._tracker.follower(plan).foreseen(state, time)

    def _holds(self, pursuit: _Pursuit, driven: Trajectory) -> bool:
        """Whether a drive keeps what must always hold, with what room there is now at most."""
        safety = self._safety(pursuit)
        now = float(safety.margin(replace(driven, x=driven.x[:1])))
        return float(safety.margin(driven)) > min(DRIVE_MARGIN, 0.5 * now)

    def _safety(self, pursuit: _Pursuit) -> Constraint:
        parts = self._judged(pursuit).parts().values()
        return All(tuple(part for part in parts if part.is_safety))

    def _judged(self, pursuit: _Pursuit) -> Constraint:
        return self.planner.judged(pursuit.seen)

    def _acceptable(
        self, pursuit: _Pursuit, plan: Plan, evidence: str, state: Array, time: float
    ) -> tuple[bool, str]:
        """Whether a plan that is not feasible, for some evidence, may be followed for a while."""
        if self.fallback == "follow" and plan.status is Status.INFEASIBLE:
            return True, f"{evidence}, the least violating one"
        driven, safety = self._driven(plan, state, time), self._safety(pursuit)
        soon = head(driven, SOON)
        if float(safety.margin(soon)) > 0:
            return True, f"{evidence}, but the next {SOON} s hold"
        count = len(soon.x) - 1
        later = replace(driven, x=driven.x[count:], t_start=float(driven.times[count]))
        now = float(safety.margin(replace(driven, x=driven.x[:1])))
        if now <= float(safety.margin(soon)) and float(safety.margin(later)) > 0:
            return True, f"{evidence}, but it gets out within {SOON} s"
        return False, evidence

    def _note(
        self, pursuit: _Pursuit, time: float, outcome: Outcome, why: str, plan: Plan | None = None
    ) -> None:
        nfe, wall_time = (plan.nfe, plan.wall_time) if plan is not None else (0, 0.0)
        pursuit.decisions.append(Decision(time, outcome, why, nfe, wall_time, plan))
