"""Temporal operators over any constraint: Always, Eventually, sequences of visits, AtEnd.

Signal temporal logic (Donze & Maler, 2010) on segments. Inside an operator a leaf speaks of an
instant: ``Eventually(Always(StayIn(room), window=(0, 2)))`` stays in the room for two seconds. A
window counts from the instant of the operator around it, and from plan time 0 if there is none. It
takes segments as a whole (signals.py), so margins are lower bounds. A window without a segment asks
for nothing of Always and cannot satisfy Eventually: their margins are then +-1e9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints import signals, windows
from glass_plan.constraints.base import Constraint, negated, refuse_soft
from glass_plan.constraints.checks import not_negative, shown
from glass_plan.constraints.geometry import Region
from glass_plan.constraints.joined import NOTHING, All
from glass_plan.constraints.smooth import Instants
from glass_plan.constraints.temporal import Reach
from glass_plan.constraints.windows import Window
from glass_plan.errors import LayoutError, SpecError
from glass_plan.layout import Layout, Trajectory


@dataclass(frozen=True, repr=False)
class Temporal(Constraint):
    """An operator over constraints, perhaps with a window (start, end) [s]."""

    word: ClassVar[str]
    operands: ClassVar[tuple[str, ...]] = ("term",)

    def __post_init__(self) -> None:
        kind = type(self).__name__
        for name in self.operands:
            term = getattr(self, name)
            if not isinstance(term, Constraint):
                raise SpecError(f"{kind}: {name} must be a constraint, got {shown(term)}")
        refuse_soft(kind, self.spoken_of)
        if hasattr(self, "window"):
            object.__setattr__(self, "window", windows.window(kind, self.window))
        super().__post_init__()

    @property
    def spoken_of(self) -> tuple[Constraint, ...]:
        """Its operands."""
        return tuple(getattr(self, name) for name in self.operands)

    @property
    def is_safety(self) -> bool:
        """No, as a rule: one instant may be the one that counts."""
        return False

    @property
    def label(self) -> str:
        """The name, or for instance ``eventually_reach_ball``."""
        return self.name or "_".join((self.word, *(term.label for term in self.spoken_of)))

    def check(self, layout: Layout) -> None:
        """Check every operand, and that time can be told."""
        for term in self.spoken_of:
            term.check(layout)
        try:
            layout.slice("dt")
        except LayoutError as error:
            raise LayoutError(f"{self.label}: {error}") from error


@dataclass(frozen=True, repr=False)
class Always(Temporal):
    """The term holds at every instant of the window.

    Args:
        term: any constraint; a leaf is read at an instant.
        window: (start, end) [s]; empty for all the time there is.
    """

    term: Constraint
    window: Window = ()

    word = "always"

    @property
    def is_safety(self) -> bool:
        """Whether each instant decides for itself."""
        return self.term.is_state

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Least of the term's margins in the window; see ``Constraint.margin``."""
        low = self.term.instants(trajectory, temperature=temperature).low
        return signals.always_from_zero(low, trajectory, self.window, temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Sum over samples in the window; see ``Constraint.violation``."""
        penalty = self.term.shortfalls(trajectory, buffer=buffer)
        return (penalty * signals.in_window(trajectory, self.window)).sum(-1)

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """See ``Constraint.instants``."""
        low = self.term.instants(trajectory, temperature=temperature).low
        return signals.always_within(low, trajectory, self.window, temperature)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """Sum over the samples in the window from each on; see ``Constraint.shortfalls``."""
        penalty = self.term.shortfalls(trajectory, buffer=buffer)
        return signals.sum_within(penalty, trajectory, self.window)

    def __invert__(self) -> Constraint:
        return Eventually(~self.term, self.window, name=negated(self.name))


@dataclass(frozen=True, repr=False)
class Eventually(Temporal):
    """The term holds at some instant of the window.

    Args:
        term: any constraint; a leaf is read at an instant.
        window: (start, end) [s]; empty for all the time there is.
    """

    term: Constraint
    window: Window = ()

    word = "eventually"

    def then(self, region: Region, within: float | None = None) -> Eventually:
        """And after that, at some time, in another region.

        Args:
            region: to be visited by the body's centre.
            within: at most so much later than the visit before [s]; any time by default.
        """
        match self.term:
            case All(terms=(*now, Eventually() as later)):
                term = All((*now, later.then(region, within)), name=self.term.name)
            case now:
                term = now & Visit(region, within)
        return Eventually(term, self.window, name=self.name)

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Largest of the term's margins in the window; see ``Constraint.margin``."""
        inner = self.term.instants(trajectory, temperature=temperature)
        return signals.eventually_from_zero(inner, trajectory, self.window, temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Soft least over samples in the window; see ``Constraint.violation``."""
        penalty = self.term.shortfalls(trajectory, buffer=buffer)
        return signals.least_of(penalty, signals.in_window(trajectory, self.window))

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """See ``Constraint.instants``."""
        inner = self.term.instants(trajectory, temperature=temperature)
        return signals.eventually_within(inner, trajectory, self.window, temperature)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """Least in the window from each sample on; see ``Constraint.shortfalls``."""
        penalty = self.term.shortfalls(trajectory, buffer=buffer)
        return signals.least_within(penalty, trajectory, self.window)

    def remaining(self, driven: Trajectory) -> Constraint:
        """Nothing once it has held; the later visits of a sequence once the first was made.

        A later visit, and its window, then counts from the segment on which the first was made.
        """
        if self.margin(driven) > 0:
            return NOTHING
        match self.term:
            case All(terms=(*now, Eventually() as later)) if now:
                since = _since(Eventually(All(tuple(now)), self.window), driven)
                if since is not None:
                    window = tuple(float(since.times[0]) + t for t in later.window)
                    return replace(later, window=window, name=self.label).remaining(since)
        return self

    def __invert__(self) -> Constraint:
        return Always(~self.term, self.window, name=negated(self.name))


@dataclass(frozen=True, repr=False)
class AtEnd(Temporal):
    """The term holds at the last waypoint, as if there were no other.

    Args:
        term: any constraint; a leaf is read at an instant.
    """

    term: Constraint

    word = "at_end"

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """The term's margin there; see ``Constraint.margin``."""
        return self.term.margin(_last(trajectory), temperature=temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """The term's violation there; see ``Constraint.violation``."""
        return self.term.violation(_last(trajectory), buffer=buffer)

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """The same at every instant; see ``Constraint.instants``."""
        margin = self.margin(trajectory, temperature=temperature)[..., None]
        constant = margin.expand_as(trajectory.stretches[0])
        return Instants(constant, constant)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """The same at every sample; see ``Constraint.shortfalls``."""
        penalty = self.violation(trajectory, buffer=buffer)[..., None]
        return penalty.expand_as(trajectory.sample_times)

    def __invert__(self) -> Constraint:
        return AtEnd(~self.term, name=negated(self.name))


def _last(trajectory: Trajectory) -> Trajectory:
    """The last waypoint alone."""
    return replace(trajectory, x=trajectory.x[..., -1:, :], t_start=trajectory.times[..., -1:])


def Visit(region: Region, within: float | None = None) -> Eventually:  # noqa: N802
    """The body's centre is in a region at some time; ``.then(...)`` goes on from there.

    Spelt like a class, since it reads like one: ``Visit(a).then(b)``.

    Args:
        region: to be visited.
        within: at most so much later than the start [s]; any time by default.
    """
    window = () if within is None else (0.0, not_negative("Visit: within", within))
    return Eventually(Reach(region), window)


def _since(visit: Eventually, driven: Trajectory) -> Trajectory | None:
    """One trajectory (H, D) from the segment on which a visit is first made; None if it is not."""
    if not visit.margin(driven) > 0:
        return None
    counts = range(1, len(driven.x) + 1)
    seen = (k for k in counts if visit.margin(replace(driven, x=driven.x[:k])) > 0)
    begin = max(0, next(seen) - 2)
    return replace(driven, x=driven.x[begin:], t_start=float(driven.times[begin]))
