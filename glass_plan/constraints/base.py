"""Constraints as values: signed margins (> 0 is satisfied) joined by ``&``, ``|`` and ``~``.

margin(a & b) = min, margin(a | b) = max, ~ swaps them and stops at the leaves (De Morgan): the
robustness of signal temporal logic (Donze & Maler, 2010). Smooth margins (temperature > 0) never
exceed exact ones. Inside a temporal operator (formulas.py) a constraint is read at an instant.
Knows no geometry and no robot.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, NoReturn, Protocol, Self

from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import check_name, shown
from glass_plan.constraints.smooth import Instants
from glass_plan.errors import RequestError, SpecError
from glass_plan.layout import Layout, Trajectory
from glass_plan.rewards import Reward, Timed
from glass_plan.strengths import FULL, Constant, Strength

if TYPE_CHECKING:
    from glass_plan.constraints.joined import All, AnyOf


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
        from glass_plan.constraints.joined import All  # which is made of constraints

        return All((self, other))

    def __or__(self, other: Constraint) -> AnyOf:
        from glass_plan.constraints.joined import AnyOf

        return AnyOf((self, other))

    def __bool__(self) -> NoReturn:
        """Refused: ``a and b`` would be ``b`` alone."""
        raise SpecError(
            f"{self.label}: a constraint is neither true nor false; write a & b, a | b, ~a in "
            "place of and, or, not, and .margin(trajectory) > 0 for whether it holds"
        )

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
