"""What changes while a controller pursues a goal, and what it decided."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glass_plan.constraints import All, Constraint
from glass_plan.records import Decision, Outcome, Plan
from glass_plan.trackers import Follower

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """On a plan that was drawn.

    Args:
        plan: that is best, with the time that it took.
        acceptable: whether it may be followed.
        reason: why it was drawn, and why it may be followed or not.
        begins: time of the episode at which the plan does [s].
    """

    plan: Plan
    acceptable: bool
    reason: str
    begins: float


@dataclass
class Pursuit:
    """One episode.

    Args:
        goal: (G,) place [m].
        seed: of the sampler.
        asked: what still must hold.
        seen: what of that is known.
        driven: states with their times (S + 1,) since the last check.
        path: states (S,) since the beginning.
        retreat: actions (A,) to take before anything else.
        plan: in hand.
        follower: of that plan.
        began: when it did [s].
        awaited: the plan that was drawn and does not begin yet.
        next_check: when [s].
        attempts: plans that were drawn.
        shielded: whether the last action was a shield's.
        decisions: in order.
    """

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
    awaited: Verdict | None = None
    next_check: float = 0.0
    attempts: int = 0
    shielded: bool = False
    decisions: list[Decision] = field(default_factory=list)

    def take(self, plan: Plan, follower: Follower, began: float) -> None:
        """Have a plan in hand that began at a time [s]."""
        self.plan, self.follower, self.began = plan, follower, began

    def drop(self) -> None:
        """Have no plan in hand."""
        self.plan, self.follower = None, None

    def note(
        self,
        time: float,
        outcome: Outcome,
        why: str,
        plan: Plan | None = None,
        *,
        cost: Plan | None = None,
    ) -> None:
        """Add a decision, with a plan that was made, and with what one cost."""
        spent = (0, 0.0) if cost is None else (cost.nfe, cost.wall_time)
        self.decisions.append(Decision(time, outcome, why, *spent, plan))
