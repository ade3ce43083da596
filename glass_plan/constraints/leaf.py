"""Leaves: a predicate that holds always, or at some time; negation ends here.

always p: margin = min over time, violation = sum of relu(buffer - p)^2 over samples.
eventually p: margin = max over time, violation = (soft least relu(buffer - p))^2.
not always p = eventually not p. Knows nothing of what a predicate measures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.base import Constraint, negated
from glass_plan.constraints.joined import NOTHING
from glass_plan.constraints.smooth import Instants, soft_max, soft_min
from glass_plan.errors import LayoutError, SpecError
from glass_plan.layout import Layout, Trajectory, interleaved

REACH_POWER = 8
"""Exponent of ``soft_least``: a waypoint twice as far from the goal gets 1/2^9 of the gradient."""

TINY = 1e-12
"""Shortfalls below this count as this inside a logarithm."""


def soft_least(shortfall: Float[Tensor, "... K"]) -> Float[Tensor, "..."]:
    """(sum_k d_k^-p)^(-1/p) <= min d over the last axis, d >= 0; zero iff some d_k is zero.

    Scale free: from afar many waypoints are pulled, close by only the nearest.
    """
    log_d = shortfall.clamp_min(TINY).log()
    soft = torch.exp(torch.logsumexp(-REACH_POWER * log_d, dim=-1) / -REACH_POWER)
    return torch.where(shortfall.amin(-1) == 0, 0.0, soft)


class Predicate(ABC):
    """A signed number at every instant of a trajectory, > 0 where the predicate holds."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Channels of the trajectory it needs."""

    @abstractmethod
    def __invert__(self) -> Self:
        """The predicate with the opposite sign."""

    @abstractmethod
    def values(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Values at waypoints, and between them where that adds something; cheap."""

    def lowest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Per stretch of time, a number not above the smallest value; here, the value itself."""
        return self.values(trajectory)

    def highest(self, trajectory: Trajectory) -> Float[Tensor, "... K"]:
        """Per stretch of time, a value that is attained, so not above the largest."""
        return self.values(trajectory)

    def bounds(
        self, trajectory: Trajectory
    ) -> tuple[Float[Tensor, "... K"], Float[Tensor, "... K"]]:
        """``lowest`` and ``highest``, where both are asked for."""
        return self.lowest(trajectory), self.highest(trajectory)

    def least(self, trajectory: Trajectory, temperature: float) -> Float[Tensor, "..."]:
        """(Smooth) minimum of ``lowest``."""
        return soft_min(self.lowest(trajectory), temperature)

    def most(self, trajectory: Trajectory, temperature: float) -> Float[Tensor, "..."]:
        """(Smooth) maximum of ``highest``."""
        return soft_max(self.highest(trajectory), temperature)

    def penalty(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]:
        """Sum over the values of relu(buffer - value)^2."""
        shortfall = torch.relu(buffer - self.values(trajectory))  # (..., K)
        return (shortfall * shortfall).sum(-1)

    def unit(self, layout: Layout) -> str:
        """Unit of the values: here, that of the first channel it reads."""
        return layout.unit(self.reads[0])

    def check(self, layout: Layout) -> None:
        """Raise LayoutError if a channel is missing."""
        for name in self.reads:
            layout.slice(name)


@dataclass(frozen=True, repr=False)
class Leaf(Constraint):
    """A predicate that holds always (``is_safety``) or at some time."""

    word: ClassVar[str]

    @property
    @abstractmethod
    def predicate(self) -> Predicate:
        """What holds, always or at some time."""

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Smallest (always) or largest (eventually) value over time; see ``Constraint.margin``."""
        if self.is_safety:
            return self.predicate.least(trajectory, temperature)
        return self.predicate.most(trajectory, temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Sum over samples of relu(buffer - value)^2 (always), or soft least (eventually)."""
        if self.is_safety:
            return self.predicate.penalty(trajectory, buffer=buffer)
        return soft_least(torch.relu(buffer - self.predicate.values(trajectory))).square()

    @property
    def is_state(self) -> bool:
        """Yes: inside a temporal operator the predicate is read at an instant."""
        return True

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """The predicate's values on every segment; see ``Constraint.instants``."""
        count = max(trajectory.x.shape[-2] - 1, 1)
        low, high = self.predicate.bounds(trajectory)
        if low.shape[-1] > count:  # of waypoints
            low = torch.minimum(low[..., 1:], low[..., :-1])
        if high.shape[-1] > count:
            high = torch.maximum(high[..., 1:], high[..., :-1])
        return Instants(low, high)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """relu(buffer - value)^2 at the samples; see ``Constraint.shortfalls``."""
        values = _in_time_order(self.predicate.values(trajectory), trajectory.x.shape[-2])
        shortfall = torch.relu(buffer - values)
        return shortfall * shortfall

    def remaining(self, driven: Trajectory) -> Constraint:
        """Nothing once it has held, if once is enough; see ``Constraint.remaining``."""
        held = not self.is_safety and bool(self.margin(driven) > 0)
        return NOTHING if held else self

    @property
    def label(self) -> str:
        """The name, or the kind's word."""
        return self.name or self.word

    def check(self, layout: Layout) -> None:
        """Raise LayoutError, naming the constraint, if the layout lacks what it reads."""
        try:
            self.predicate.check(layout)
        except LayoutError as error:
            raise LayoutError(f"{self.label}: {error}") from error

    def __invert__(self) -> Constraint:
        return Not(self)


def _in_time_order(values: Float[Tensor, "... K"], count: int) -> Float[Tensor, "... 2*H-1"]:
    """Values of waypoints and middles, of waypoints or of segments, at samples in time order."""
    given = values.shape[-1]
    if given == 2 * count - 1:  # waypoints first, then middles
        return interleaved(values[..., :count], values[..., count:])
    if given == count:
        return interleaved(values, torch.lerp(values[..., :-1], values[..., 1:], 0.5))
    return interleaved(torch.cat([values, values[..., -1:]], dim=-1), values)


def _check_bare(term: object) -> None:
    if not isinstance(term, Leaf) or isinstance(term, Not):
        raise SpecError(f"Not: wraps a leaf, got a {type(term).__name__}; write ~c instead")


@dataclass(frozen=True, repr=False)
class Not(Leaf):
    """Negation of a leaf: always becomes eventually, and the value changes sign.

    margin(~c) = -margin(c) up to the bound on segments: both are lower bounds, so their sum is
    <= 0 and, for pieces within their cap, above -2 cm.

    Args:
        term: the leaf; write ``~c`` to negate anything else.
    """

    term: Leaf

    def __post_init__(self) -> None:
        _check_bare(self.term)
        object.__setattr__(self, "name", self.name or negated(self.term.name))
        object.__setattr__(self, "term", self.term.named(""))
        super().__post_init__()

    @property
    def predicate(self) -> Predicate:
        """The term's, with the opposite sign."""
        return ~self.term.predicate

    @property
    def is_safety(self) -> bool:
        """The opposite of the term's."""
        return not self.term.is_safety

    @property
    def label(self) -> str:
        """The name or ``not_`` and the term's label."""
        return self.name or f"not_{self.term.label}"

    def __invert__(self) -> Constraint:
        return self.term.named(negated(self.name))

    def __repr__(self) -> str:
        return f"(~{self.term!r}){self._suffix()}" if self.name else f"~{self.term!r}"
