"""Preferences: soft parts of a specification, which steer a plan and do not forbid one.

violation = weight * schedule(t) * the term's, where t is flow time (0 noise, 1 data); the margin is
inf, as nothing is asked. Feasibility, reports and the safety count are about the other parts: a
preference is in none of them, and only preferences have schedules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.base import Constraint, refuse_soft
from glass_plan.constraints.checks import LARGEST, not_negative, shown
from glass_plan.constraints.joined import NOTHING
from glass_plan.constraints.smooth import Instants
from glass_plan.errors import SpecError
from glass_plan.layout import Layout, Trajectory
from glass_plan.strengths import FULL, Constant, Strength


@dataclass(frozen=True, repr=False)
class Prefer(Constraint):
    """The term is wished for, not asked for; a part of an ``All``.

    The target's log-potential is that of t = 1. A schedule that is 0 there (a ``Window`` that ends
    before) steers on the way only: the target does not contain the term, and final weights do not
    count it. Steering looks at the flow times of its own steps, so a window between two of them
    does nothing.

    Args:
        term: any constraint.
        weight: >= 0, of its violation beside those of the other parts.
        schedule: of the weight over flow time.

    Raises:
        SpecError: what is no constraint, no weight or no schedule.
    """

    term: Constraint
    weight: float = 1.0
    schedule: Strength = FULL

    is_safety = True
    is_soft = True

    def __post_init__(self) -> None:
        if not isinstance(self.term, Constraint):
            raise SpecError(f"Prefer: term must be a constraint, got {shown(self.term)}")
        refuse_soft("Prefer", (self.term,))
        object.__setattr__(self, "weight", not_negative("Prefer: weight", self.weight))
        if not isinstance(self.schedule, Strength):
            raise SpecError(
                f"Prefer: schedule must be a Constant, Window or Ramp, got {shown(self.schedule)}"
            )
        super().__post_init__()

    @property
    def label(self) -> str:
        """The name, or for instance ``prefer_reach_ball``."""
        return self.name or f"prefer_{self.term.label}"

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Of what asks for nothing: inf."""
        return torch.full_like(trajectory.x[..., 0, 0], torch.inf)

    def at(self, t: float) -> Constraint:
        """With the weight of that time; what asks for nothing where the schedule is 0."""
        strength = self.schedule(t)
        return replace(self, schedule=Constant(strength)) if strength else NOTHING

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """The term's, times the weight at t = 1; see ``Constraint.violation``."""
        return self._weight * self.term.violation(trajectory, buffer=buffer)

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """Of what asks for nothing."""
        vacuous = torch.full_like(trajectory.stretches[0], LARGEST)
        return Instants(vacuous, vacuous)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """The term's, times the weight at t = 1; see ``Constraint.shortfalls``."""
        return self._weight * self.term.shortfalls(trajectory, buffer=buffer)

    @property
    def _weight(self) -> float:
        """At t = 1."""
        return self.weight * self.schedule(1.0)

    def check(self, layout: Layout) -> None:
        """Check the term."""
        self.term.check(layout)

    def remaining(self, driven: Trajectory) -> Constraint:
        """Of what the term still asks for; see ``Constraint.remaining``."""
        term = self.term.remaining(driven)
        return NOTHING if term == NOTHING else replace(self, term=term)

    def parts(self) -> dict[str, Constraint]:
        """None: it is no conjunct that could fail."""
        return {}

    def __invert__(self) -> Constraint:
        raise SpecError("Prefer: a preference has no opposite; prefer the opposite: Prefer(~c)")
