"""What a region demands over time: Avoid, StayIn, Reach.

Avoid(R) = always not In(R), StayIn(R) = always In(R), Reach(R) = eventually In(R). The centre of a
body is the channel ``position``, or the tool of its spheres where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.base import Constraint, Penalty
from glass_plan.constraints.checks import not_negative
from glass_plan.constraints.geometry import Region, region
from glass_plan.constraints.inside import In
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.constraints.rounded import AvoidRounded, Rounded, rounded
from glass_plan.constraints.spheres import shared_penalty
from glass_plan.errors import SpecError
from glass_plan.layout import Trajectory


@dataclass(frozen=True, repr=False)
class _About(Leaf):
    """A leaf about one region."""

    region: Region

    def __post_init__(self) -> None:
        region(type(self).__name__, self.region)
        super().__post_init__()

    @property
    def label(self) -> str:
        """The name, or for instance ``stay_in_box``."""
        return self.name or f"{self.word}_{type(self.region).__name__.lower()}"


@dataclass(frozen=True, repr=False, init=False)
class Avoid(_About):
    """Always not in a region: value = signed distance - body radius - clearance [m].

    Args:
        region: to keep out of.
        margin: the distance >= 0 to keep from it [m], an attribute under the name ``clearance``.
        name: for reports.
    """

    clearance: float

    word = "avoid"
    is_safety = True

    def __init__(self, region: Region, margin: float = 0.0, *, name: str = "") -> None:
        # written out because ``margin`` is also the method
        object.__setattr__(self, "region", region)
        object.__setattr__(self, "clearance", not_negative("Avoid: margin", margin))
        object.__setattr__(self, "name", name)
        self.__post_init__()

    @property
    def predicate(self) -> In:
        """No part of the body is in the region, grown by the clearance."""
        return In(self.region, grow=self.clearance, body=1, sign=-1)

    @classmethod
    def penalties(cls, terms: Sequence[Constraint]) -> list[Penalty]:
        """One for all: of a point, balls and upright boxes of a dimension share theirs."""
        shapes: dict[int, list[Rounded]] = {}
        others: list[Penalty] = []
        for term in terms:
            assert isinstance(term, Avoid)
            shape = rounded(term.region, term.clearance)
            if shape is None:
                others.append(term.violation)
            else:
                shapes.setdefault(term.region.dim, []).append(shape)
        of_point = (*map(AvoidRounded.of, shapes.values()), *others)
        predicates = tuple(term.predicate for term in terms if isinstance(term, Avoid))
        return [_AvoidTogether(of_point, predicates)]

    def __repr__(self) -> str:
        margin = f", margin={self.clearance}" if self.clearance else ""
        return f"Avoid({self.region!r}{margin}){self._suffix()}"


@dataclass(frozen=True)
class _AvoidTogether:
    """The violation of avoiding several regions.

    Args:
        of_point: penalties of a point with a radius.
        predicates: of a body of spheres, which is placed once for all.
    """

    of_point: tuple[Penalty, ...]
    predicates: tuple[In, ...]

    def __call__(self, trajectory: Trajectory, *, buffer: float) -> Float[Tensor, "..."]:
        if trajectory.layout.body is not None:
            return shared_penalty(self.predicates, trajectory, buffer=buffer)
        first, *rest = (penalty(trajectory, buffer=buffer) for penalty in self.of_point)
        return sum(rest, start=first)


@dataclass(frozen=True, repr=False)
class StayIn(_About):
    """Always in a region, with the whole body: value = -signed distance - body radius [m]."""

    word = "stay_in"
    is_safety = True

    @property
    def predicate(self) -> Predicate:
        """The whole body is in the region."""
        return In(self.region, body=-1)


@dataclass(frozen=True, repr=False)
class Reach(_About):
    """At some time in a region, with the body's centre: value = -signed distance [m].

    Args:
        region: to come to.
        of: channel whose place has to come there instead, e.g. that of an object's position or
            pose.
    """

    of: str = ""

    word = "reach"
    is_safety = False

    @property
    def predicate(self) -> Predicate:
        """The body's centre, or the channel's place, is in the region."""
        return In(self.region, of=self.of)

    def __post_init__(self) -> None:
        """Refuse what is no name."""
        if not isinstance(self.of, str):
            raise SpecError(f"Reach: of must be the name of a channel, got {self.of!r}")
        super().__post_init__()
