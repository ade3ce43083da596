"""What may be followed: plans are driven in the mind before they are driven.

A feasible plan whose drive (``Follower.foreseen``) would violate what must always hold gives way to
another candidate whose drive does not. A plan that is not feasible may be followed while what it
does wrong is far off, or where it gets the robot out of a violation in which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glass_plan.constraints import All, Constraint
from glass_plan.layout import Trajectory
from glass_plan.planner import Planner, ranked
from glass_plan.progress import as_driven, head
from glass_plan.records import Plan, Status
from glass_plan.trackers import Tracker

Array = NDArray[np.float64]

DRIVE_MARGIN = 0.005
"""Asked for along a drive in the mind, in each constraint's unit, or half of what there is now."""
TRIES = 5
"""Candidates of a plan that are driven in the mind at most."""


@dataclass(frozen=True)
class Monitor:
    """Says what of a plan may be followed.

    Args:
        planner: whose plans they are.
        tracker: of its robot.
        lenient: whether the least violating plan may be followed where none is feasible.
        soon: an infeasible plan may be followed while its first violation is farther off than this
            [s], or where by then it gets out of one in which the robot is, without going deeper.
    """

    planner: Planner
    tracker: Tracker
    lenient: bool
    soon: float

    def chosen(
        self, plan: Plan, asked: Constraint, state: Array, time: float
    ) -> tuple[Plan, bool, str]:
        """What to follow of a plan's candidates, whether it may be followed, and why.

        A feasible plan whose drive does not keep what must always hold gives way to the next best
        that does, if one of the first ``TRIES`` does; it is INFEASIBLE if none does.

        Args:
            plan: from a state at a time.
            asked: what must hold, besides what always has to there.
            state: (S,) in which it begins.
            time: of the episode, at which it begins [s].
        """
        if not bool(plan.trajectory.x.isfinite().all()):
            return plan, False, f"{plan.status}: no candidate is finite"
        if plan.status is not Status.FEASIBLE:
            name = min(plan.margins, key=lambda key: plan.margins[key])
            evidence = f"{plan.status}: {name} has margin {plan.margins[name]:.3f}"
            return plan, *self._acceptable(plan, asked, evidence, state, time)
        driven = self._driven(plan, state, time)
        if self.holds(asked, driven):
            return plan, True, "feasible"
        for other in self._others(plan, asked):
            if self.holds(asked, self._driven(other, state, time)):
                return other, True, "feasible"
        margin = float(self.safety(asked).margin(driven))
        evidence = f"infeasible: its drive has margin {margin:.3f}"
        plan = replace(plan, status=Status.INFEASIBLE)
        return plan, *self._acceptable(plan, asked, evidence, state, time)

    def excuse(self, driven: Trajectory, asked: Constraint, duration: float) -> str:
        """Why a drive may go on for so long [s], whatever comes later; "" if it may not."""
        safety, soon = self.safety(asked), head(driven, duration)
        if float(safety.margin(soon)) > 0:
            return f"the next {duration:g} s hold"
        count = len(soon.x) - 1
        later = replace(driven, x=driven.x[count:], t_start=float(driven.times[count]))
        now = float(safety.margin(replace(driven, x=driven.x[:1])))
        if now <= float(safety.margin(soon)) and float(safety.margin(later)) > 0:
            return f"it gets out within {duration:g} s"
        return ""

    def holds(self, asked: Constraint, driven: Trajectory) -> bool:
        """Whether a drive keeps what must always hold, with what room there is now at most."""
        safety = self.safety(asked)
        now = float(safety.margin(replace(driven, x=driven.x[:1])))
        return float(safety.margin(driven)) > min(DRIVE_MARGIN, 0.5 * now)

    def broken(self, asked: Constraint, rest: Trajectory) -> str:
        """What is kept worst of all that must hold, in words; "" if everything is kept."""
        parts = self.planner.judged(asked).parts()
        margins = {name: float(part.margin(rest)) for name, part in parts.items()}
        worst = min(margins, key=lambda name: margins[name])
        return f"{worst} has margin {margins[worst]:.3f}" if margins[worst] <= 0 else ""

    def lacking(self, asked: Constraint, state: Array, time: float, lasting: float) -> bool:
        """Whether something that must hold once does not for so long [s] where the robot is."""
        still = np.array([[*state, time], [*state, time + lasting]])
        here = as_driven(still, self.planner.prior.layout)
        parts = asked.parts().values()
        return any(not part.is_safety and float(part.margin(here)) <= 0 for part in parts)

    def safety(self, asked: Constraint) -> Constraint:
        """Of what must hold that which must always hold."""
        parts = self.planner.judged(asked).parts().values()
        return All(tuple(part for part in parts if part.is_safety))

    def _acceptable(
        self, plan: Plan, asked: Constraint, evidence: str, state: Array, time: float
    ) -> tuple[bool, str]:
        """Whether a plan that is not feasible, for some evidence, may be followed for a while."""
        if self.lenient and plan.status is Status.INFEASIBLE:
            return True, f"{evidence}, the least violating one"
        excuse = self.excuse(self._driven(plan, state, time), asked, self.soon)
        return (True, f"{evidence}, but {excuse}") if excuse else (False, evidence)

    def _others(self, plan: Plan, asked: Constraint) -> Iterator[Plan]:
        """The feasible candidates of a plan besides the one that it chose, the best first."""
        order = ranked(plan.candidates, self.planner.judged(asked).parts())
        for index, margins, feasible in order[1:TRIES]:
            x = plan.candidates.x[index]
            if feasible:
                yield replace(plan, trajectory=replace(plan.candidates, x=x), margins=margins)

    def _driven(self, plan: Plan, state: Array, time: float) -> Trajectory:
        """What following a plan will come to."""
        return self.tracker.follower(plan).foreseen(state, time)
