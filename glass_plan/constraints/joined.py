"""Conjunction and disjunction: several constraints as one.

margin(a & b) = min, margin(a | b) = max, ~ swaps them (De Morgan): the robustness of signal
temporal logic (Donze & Maler, 2010). Violations add up, or the smallest counts.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.base import Constraint, Penalty, negated, refuse_soft
from glass_plan.constraints.checks import LARGEST, items, shown
from glass_plan.constraints.smooth import Instants, all_instants, any_instants, soft_max, soft_min
from glass_plan.errors import RequestError, SpecError
from glass_plan.layout import Layout, Trajectory


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


def asked(where: str, value: object) -> Constraint:
    """What somebody asks for: a constraint, or nothing for None.

    Raises:
        RequestError: it is neither.
    """
    if value is None:
        return NOTHING
    if isinstance(value, Constraint):
        return value
    raise RequestError(
        f"{where}: constraints must be a Constraint or None, got a {type(value).__name__}; write "
        "for instance Avoid(Ball((0, 0), 0.3)), a & b for several, load_spec(path) for a file"
    )


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
