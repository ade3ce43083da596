"""Constraints as values: signed margins (> 0 is satisfied) joined by ``&``, ``|`` and ``~``.

margin(a & b) = min, margin(a | b) = max, ~ swaps them and stops at the leaves (De Morgan): the
robustness of signal temporal logic (Donze & Maler, 2010). Smooth margins (temperature > 0) never
exceed exact ones. Inside a temporal operator (formulas.py) a constraint is read at an instant.
Knows no geometry and no robot.
"""

from __future__ import annotations

import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import ClassVar, Protocol, Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import LARGEST, check_name, items, shown
from glass_plan.constraints.smooth import Instants, all_instants, any_instants, soft_max, soft_min
from glass_plan.errors import RequestError, SpecError
from glass_plan.layout import Layout, Trajectory
from glass_plan.rewards import Reward, Timed
from glass_plan.strengths import FULL, Constant, Strength


def refuse_soft(kind: str, terms: tuple[Constraint, ...]) -> None:
    """Raise a SpecError if a term is, or holds, a preference."""
    for term in terms:
        if term.is_soft:
            raise SpecError(
                f"{kind}: a preference is neither true nor false, got {term.label!r}; write "
                "prefer outside, or beside in all"
            )


def negated(name: str) -> str:
    """Name of the negation: ``x`` to ``not_x`` and back."""
    bare = name.removeprefix("not_")
    return bare if bare and bare != name else f"not_{name}" if name else ""


class Penalty(Protocol):
    """A violation, see ``Constraint.violation``."""

    def __call__(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]: ...


@dataclass(frozen=True, repr=False)
class Constraint(ABC):
    """A condition on a trajectory, with a signed margin; a frozen value.

    Args:
        name: for reports; empty means the default label.
    """

    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_name(type(self).__name__, self.name)

    @abstractmethod
    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Signed margin in the constraint's unit, (...) of (..., H, D); > 0 is satisfied.

        Args:
            trajectory: (..., H, D), world units; the segments between waypoints are checked.
            temperature: 0 for the exact margin (never above the true one); > 0 for a smooth one,
                never above the exact one.
        """

    @abstractmethod
    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Penalty >= 0 that steering descends, (...); 0 iff the samples hold with ``buffer``.

        Args:
            trajectory: (..., H, D); sampled at waypoints and the middles of segments.
            buffer: margin asked for, in each leaf's own unit.
        """

    @abstractmethod
    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """Margins on segments, as a temporal operator around it reads them, (..., H - 1)."""

    @abstractmethod
    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """Penalties at waypoints and middles of segments in the order of time, (..., 2 H - 1)."""

    @property
    @abstractmethod
    def is_safety(self) -> bool:
        """Whether it must hold at every instant, rather than at some."""

    @property
    def is_state(self) -> bool:
        """Whether an instant alone decides it, inside a temporal operator."""
        return False

    @property
    def is_soft(self) -> bool:
        """Whether it is, or holds, a preference, which is no truth that operators could use."""
        return False

    @property
    @abstractmethod
    def label(self) -> str:
        """The name, or a default made from the kind of constraint."""

    @abstractmethod
    def check(self, layout: Layout) -> None:
        """Raise LayoutError, naming the constraint, if the layout lacks what it reads."""

    def remaining(self, driven: Trajectory) -> Constraint:
        """What is still asked for once one trajectory (H, D) was driven: formula progression.

        What had to hold at some time and has held is ``All(())``; what holds always goes on.
        Bacchus & Kabanza (1998).
        """
        return self

    @abstractmethod
    def __invert__(self) -> Constraint: ...

    def __and__(self, other: Constraint) -> All:
        return All((self, other))

    def __or__(self, other: Constraint) -> AnyOf:
        return AnyOf((self, other))

    @classmethod
    def penalties(cls, terms: Sequence[Constraint]) -> list[Penalty]:
        """Functions whose sum is the sum of the violations of several of a kind."""
        return [term.violation for term in terms]

    def named(self, name: str) -> Self:
        """The same constraint under a name."""
        renamed = copy(self)
        object.__setattr__(renamed, "name", name)
        renamed.__post_init__()
        return renamed

    def parts(self) -> dict[str, Constraint]:
        """Top-level conjuncts under unique names."""
        return {self.label: self}

    def at(self, t: float) -> Constraint:
        """What steering asks for at flow time ``t`` (0 noise, 1 data); itself without schedules."""
        return self

    def soft(
        self, weight: float = 1.0, buffer: float = 0.05, *, schedule: Strength = FULL
    ) -> Reward:
        """Log-potential -weight * schedule(t) * violation at flow time t; a plain call means t = 1.

        Args:
            weight: >= 0 [nat per squared unit].
            buffer: margin asked for, in each leaf's own unit.
            schedule: strength over flow time. One that is 0 at t = 1 steers on the way only: the
                target does not contain the constraint, and final weights do not count it.

        Raises:
            RequestError: weight or buffer out of range, or no schedule.
        """
        for what, value in (("weight", weight), ("buffer", buffer)):
            if not 0 <= value < math.inf:
                raise RequestError(f"{self.label}: {what} must be >= 0 and finite, got {value}")
        if not isinstance(schedule, Strength):
            raise RequestError(
                f"{self.label}: schedule must be a Constant, Window or Ramp, got {shown(schedule)}"
            )
        return Reward(_Penalty(self, float(weight), float(buffer), schedule), self.label)

    def hard(self, margin: float = 0.0) -> Hard:
        """What projection demands: an exact margin of at least ``margin``, in each leaf's unit."""
        if not 0 <= margin < math.inf:
            raise RequestError(f"{self.label}: margin must be >= 0 and finite, got {margin}")
        return Hard(self, float(margin))

    def __repr__(self) -> str:
        shown = []
        for item in fields(self):
            value = getattr(self, item.name)
            if item.default is MISSING:
                shown.append(repr(value))
            elif item.name != "name" and value != item.default:
                shown.append(f"{item.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)}){self._suffix()}"

    def _suffix(self) -> str:
        return f".named({self.name!r})" if self.name else ""


@dataclass(frozen=True)
class Hard:
    """A constraint that has to hold with a margin, in each leaf's own unit."""

    constraint: Constraint
    margin: float


@dataclass(frozen=True)
class _Penalty(Timed):
    """-weight * schedule(t) * violation; a value, so that the reward pickles and compares."""

    constraint: Constraint
    weight: float
    buffer: float
    schedule: Strength

    def __call__(self, trajectory: Trajectory) -> Float[Tensor, "..."]:
        weight = self.weight * self.schedule(1.0)
        return -weight * self.constraint.violation(trajectory, buffer=self.buffer)

    def at(self, t: float) -> _Penalty:
        return replace(self, constraint=self.constraint.at(t), schedule=Constant(self.schedule(t)))


@dataclass(frozen=True, repr=False)
class _Joined(Constraint):
    """Several constraints as one; an unnamed one of the same kind is dissolved into its terms."""

    terms: tuple[Constraint, ...]

    word: ClassVar[str]
    symbol: ClassVar[str]

    def __post_init__(self) -> None:
        flat: list[Constraint] = []
        for term in items(f"{type(self).__name__}: terms", self.terms):
            if not isinstance(term, Constraint):
                got = shown(term)
                raise SpecError(f"{type(self).__name__}: expected constraints, got {got}")
            if isinstance(term, _Joined) and type(term) is type(self) and not term.name:
                flat.extend(term.terms)
            else:
                flat.append(term)
        object.__setattr__(self, "terms", tuple(flat))
        super().__post_init__()

    @property
    def is_safety(self) -> bool:
        """Whether every term is."""
        return all(term.is_safety for term in self.terms)

    @property
    def is_state(self) -> bool:
        """Whether every term is."""
        return all(term.is_state for term in self.terms)

    @property
    def label(self) -> str:
        """The name, or ``all`` or ``any``."""
        return self.name or self.word

    def check(self, layout: Layout) -> None:
        """Check every term."""
        for term in self.terms:
            term.check(layout)

    def __repr__(self) -> str:
        if len(self.terms) < 2:
            return super().__repr__()
        return f"({f' {self.symbol} '.join(map(repr, self.terms))}){self._suffix()}"


@dataclass(frozen=True, repr=False)
class All(_Joined):
    """Conjunction: margin = min, violation = sum; ``All(())`` asks for nothing."""

    word, symbol = "all", "&"

    @property
    def is_soft(self) -> bool:
        """Whether any term is."""
        return any(term.is_soft for term in self.terms)

    def at(self, t: float) -> All:
        """Of the terms at that time; see ``Constraint.at``."""
        terms = tuple(term.at(t) for term in self.terms)
        return self if terms == self.terms else replace(self, terms=terms)

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Smallest of the terms' margins; see ``Constraint.margin``."""
        if not self.terms:
            return torch.full_like(trajectory.x[..., 0, 0], math.inf)
        margins = [term.margin(trajectory, temperature=temperature) for term in self.terms]
        return soft_min(torch.stack(margins, dim=-1), temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Sum of the terms' violations; see ``Constraint.violation``."""
        if not self.terms:
            return 0.0 * trajectory.x[..., 0, 0]  # keeps a gradient, of zeros
        first, *rest = (penalty(trajectory, buffer=buffer) for penalty in self._penalties)
        return sum(rest, start=first)

    @functools.cached_property
    def _penalties(self) -> list[Penalty]:
        """Whose sum is the violation: terms of a kind may share one."""
        kinds: dict[type[Constraint], list[Constraint]] = {}
        for term in self.terms:
            kinds.setdefault(type(term), []).append(term)
        return [penalty for kind, terms in kinds.items() for penalty in kind.penalties(terms)]

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """Smallest of the terms'; see ``Constraint.instants``."""
        if not self.terms:
            vacuous = torch.full_like(trajectory.stretches[0], LARGEST)
            return Instants(vacuous, vacuous)
        every = [term.instants(trajectory, temperature=temperature) for term in self.terms]
        return all_instants(every, temperature)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """Sum of the terms'; see ``Constraint.shortfalls``."""
        if not self.terms:
            return 0.0 * trajectory.sample_times
        first, *rest = (term.shortfalls(trajectory, buffer=buffer) for term in self.terms)
        return sum(rest, start=first)

    def remaining(self, driven: Trajectory) -> Constraint:
        """Of every term that still asks for something; see ``Constraint.remaining``."""
        terms = (term.remaining(driven) for term in self.terms)
        return All(tuple(term for term in terms if term != NOTHING), name=self.name)

    def parts(self) -> dict[str, Constraint]:
        """Terms under unique names: label, label_2, ...; without bare preferences."""
        parts: dict[str, Constraint] = {}
        for term in self.terms:
            if term.is_soft and not term.parts():
                continue
            names = (f"{term.label}_{k}" if k > 1 else term.label for k in itertools.count(1))
            parts[next(name for name in names if name not in parts)] = term
        return parts

    def __invert__(self) -> Constraint:
        return AnyOf(tuple(~term for term in self.terms), name=negated(self.name))


NOTHING = All(())
"""Asks for nothing."""


@dataclass(frozen=True, repr=False)
class AnyOf(_Joined):
    """Disjunction: margin = max, violation = min; needs a term, since none can never hold."""

    word, symbol = "any", "|"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terms:
            raise SpecError(
                "AnyOf: needs at least one constraint, got none; for no demand use All(())"
            )
        refuse_soft("AnyOf", self.terms)

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Largest of the terms' margins; see ``Constraint.margin``."""
        margins = [term.margin(trajectory, temperature=temperature) for term in self.terms]
        return soft_max(torch.stack(margins, dim=-1), temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Smallest of the terms' violations; see ``Constraint.violation``."""
        violations = [term.violation(trajectory, buffer=buffer) for term in self.terms]
        return torch.stack(violations, dim=-1).amin(-1)

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """Largest of the terms'; see ``Constraint.instants``."""
        every = [term.instants(trajectory, temperature=temperature) for term in self.terms]
        return any_instants(every, temperature)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """Smallest of the terms'; see ``Constraint.shortfalls``."""
        every = [term.shortfalls(trajectory, buffer=buffer) for term in self.terms]
        return torch.stack(every, dim=-1).amin(-1)

    def remaining(self, driven: Trajectory) -> Constraint:
        """Nothing once a term asks for nothing more; see ``Constraint.remaining``."""
        terms = tuple(term.remaining(driven) for term in self.terms)
        return NOTHING if NOTHING in terms else AnyOf(terms, name=self.name)

    def __invert__(self) -> Constraint:
        return All(tuple(~term for term in self.terms), name=negated(self.name))
