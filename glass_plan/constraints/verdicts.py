"""Whether a trajectory meets each part of a constraint, since when not, and what decided.

A leaf decided if the margin of the whole moves with the leaf's values: d margin / d (shift of the
leaf) is not 0. That holds for every operator, so that none has to say so itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.formulas import Always, Temporal
from glass_plan.constraints.joined import All, AnyOf
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.constraints.preferences import Prefer
from glass_plan.constraints.windows import Window
from glass_plan.errors import RequestError
from glass_plan.layout import Layout, Trajectory

PIECES = 64
"""Into which a segment is cut to find when a violation begins."""


@dataclass(frozen=True)
class Verdict:
    """On one part of a specification.

    Args:
        name: of the part.
        margin: exact, in the unit; inf if nothing is asked.
        unit: of the leaf that decided.
        met: whether the margin is positive.
        first_violation: plan time [s] at which a part that must hold at every instant fails.
        decided_by: labels of the leaves that the margin comes from.
    """

    name: str
    margin: float
    unit: str
    met: bool
    first_violation: float | None
    decided_by: tuple[str, ...]


def judge(constraint: Constraint, trajectory: Trajectory) -> tuple[Verdict, ...]:
    """A verdict on every part, in order.

    Args:
        constraint: whose parts are judged.
        trajectory: one, (H, D).

    Raises:
        RequestError: several trajectories at once, or a waypoint that is not finite.
        LayoutError: the trajectory lacks what a part reads.
    """
    if not isinstance(trajectory, Trajectory):
        raise RequestError(
            f"judge: takes a Trajectory, got a {type(trajectory).__name__}; of a plan, "
            "plan.trajectory"
        )
    if trajectory.x.ndim != 2:
        shape = tuple(trajectory.x.shape)
        raise RequestError(f"judge: takes one trajectory (H, D), got shape {shape}; choose one")
    broken = (~trajectory.x.isfinite()).any(-1).nonzero()
    if len(broken):
        raise RequestError(f"judge: waypoint {int(broken[0])} is not finite; leave it out")
    return tuple(_verdict(name, part, trajectory) for name, part in constraint.parts().items())


def _verdict(name: str, part: Constraint, trajectory: Trajectory) -> Verdict:
    part.check(trajectory.layout)
    margin, decisive = deciding(part, trajectory)
    met = margin > 0
    return Verdict(
        name=name,
        margin=margin,
        unit=decisive[0].predicate.unit(trajectory.layout) if decisive else "",
        met=met,
        first_violation=None if met else first_violation(part, trajectory),
        decided_by=tuple(dict.fromkeys(leaf.label for leaf in decisive)),
    )


def deciding(constraint: Constraint, trajectory: Trajectory) -> tuple[float, tuple[Leaf, ...]]:
    """The exact margin of one trajectory, and the leaves it comes from."""
    leaves: list[Leaf] = []
    shifts: list[Tensor] = []

    def shifted(leaf: Leaf) -> Leaf:
        leaves.append(leaf)
        shifts.append(trajectory.x.new_zeros(()).requires_grad_())
        return _Shifted(leaf, shifts[-1])

    with torch.enable_grad():
        margin = _rebuilt(constraint, shifted).margin(trajectory)
        if not margin.requires_grad:  # no leaf at all
            return margin.item(), ()
        slopes = torch.autograd.grad(margin, shifts, allow_unused=True)
    decisive = (leaf for leaf, slope in zip(leaves, slopes, strict=True) if slope)
    return margin.item(), tuple(decisive)


def units(constraint: Constraint, layout: Layout) -> tuple[str, ...]:
    """Units that a margin may be in, those of the leaves; one as a rule, none of no leaf."""
    found: set[str] = set()

    def noted(leaf: Leaf) -> Leaf:
        found.add(leaf.predicate.unit(layout))
        return leaf

    _rebuilt(constraint, noted)
    return tuple(sorted(found))


def first_violation(constraint: Constraint, trajectory: Trajectory) -> float | None:
    """Plan time [s] at which what must hold at every instant fails; None for anything else."""
    match constraint:
        case All() | AnyOf():
            times = [first_violation(term, trajectory) for term in constraint.terms]
            failed = [time for time in times if time is not None]
            if isinstance(constraint, All):
                return min(failed, default=None)
            return max(failed) if len(failed) == len(times) else None
        case Always() if constraint.is_safety:
            return _first_fault(constraint.term, trajectory, constraint.window)
        case Leaf() if constraint.is_safety:
            return _first_fault(constraint, trajectory, ())
    return None


def _first_fault(
    term: Constraint, trajectory: Trajectory, window: Window, pieces: int = PIECES
) -> float | None:
    """When, in the window, the term's margin is first not positive."""
    start, end = window or (-torch.inf, torch.inf)
    begins, ends = trajectory.stretches
    fails = (term.instants(trajectory).low <= 0) & (ends > start) & (begins < end)
    if not fails.any():
        return None
    first = int(fails.nonzero()[0])
    coarse = max(float(begins[first]), start)
    if pieces == 1 or len(trajectory.x) == 1:
        return coarse
    finer = _first_fault(term, _cut(trajectory, first, pieces), window, pieces=1)
    return coarse if finer is None else finer  # a jerk, say, is in no piece


def _cut(trajectory: Trajectory, segment: int, pieces: int) -> Trajectory:
    """One segment, cut into pieces."""
    here, there = trajectory.x[segment], trajectory.x[segment + 1]
    share = torch.linspace(0, 1, pieces + 1, dtype=here.dtype, device=here.device)[:, None]
    x = torch.lerp(here, there, share)
    x[:, trajectory.layout.slice("dt")] = trajectory.dt[segment] / pieces
    return replace(trajectory, x=x, t_start=float(trajectory.times[segment]))


def _rebuilt(constraint: Constraint, wrap: Callable[[Leaf], Leaf]) -> Constraint:
    """The same constraint with every leaf wrapped."""
    match constraint:
        case Leaf():
            return wrap(constraint)
        case All() | AnyOf():
            return replace(constraint, terms=tuple(_rebuilt(t, wrap) for t in constraint.terms))
        case Temporal():
            names = constraint.operands
            inner: dict[str, Any] = {n: _rebuilt(getattr(constraint, n), wrap) for n in names}
            return replace(constraint, **inner)
        case Prefer():  # nothing is asked, so no leaf of it can decide
            return constraint
    raise RequestError(f"judge: unknown kind of constraint {type(constraint).__name__}")


@dataclass(frozen=True, repr=False)
class _Shifted(Leaf):
    """A leaf whose values are larger by a number."""

    leaf: Leaf
    by: Tensor

    @property
    def predicate(self) -> Predicate:
        """The leaf's, shifted."""
        return _Plus(self.leaf.predicate, self.by)

    @property
    def is_safety(self) -> bool:
        """The leaf's."""
        return self.leaf.is_safety

    @property
    def label(self) -> str:
        """The leaf's."""
        return self.leaf.label


@dataclass(frozen=True)
class _Plus(Predicate):
    """A predicate whose values are larger by a number."""

    predicate: Predicate
    by: Tensor

    @property
    def reads(self) -> tuple[str, ...]:
        """What the predicate does."""
        return self.predicate.reads

    def __invert__(self) -> _Plus:
        return _Plus(~self.predicate, -self.by)

    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Shifted values."""
        return self.predicate.values(trajectory) + self.by

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Shifted bounds."""
        return self.predicate.lowest(trajectory) + self.by

    def highest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Shifted bounds."""
        return self.predicate.highest(trajectory) + self.by
