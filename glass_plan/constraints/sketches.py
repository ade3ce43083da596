"""Following a sketch: near to a path, or to where it is at each plan time.

NearTo(path) = always In(tube around the path); with times, always In(ball that follows the path).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from glass_plan.constraints.checks import Numbers, items, point, positive
from glass_plan.constraints.geometry import Ball, Region
from glass_plan.constraints.inside import In
from glass_plan.constraints.leaf import Leaf, Predicate
from glass_plan.constraints.moving import Tracked
from glass_plan.constraints.polygons import Tube
from glass_plan.errors import SpecError
from glass_plan.layout import Trajectory


@dataclass(frozen=True, repr=False)
class NearTo(Leaf):
    """Always within a distance of a path, with the body's centre.

    Anywhere along it, unless times say where on it; beyond them it waits at its ends. That it be
    followed to its end is for ``Visit`` and ``AtEnd`` to say.

    Args:
        waypoints: of the path [m], or one trajectory (H, D), whose times count.
        within: distance [m].
        times: of the waypoints in plan time [s]; empty if they do not matter.
    """

    waypoints: tuple[Numbers, ...] | Trajectory
    within: float
    times: Numbers = ()

    word = "near_to"
    is_safety = True

    def __post_init__(self) -> None:
        path: object = self.waypoints
        times: object = self.times
        if isinstance(path, Trajectory):
            path, times = _timed(path)
        where = "NearTo: waypoints"
        points = tuple(point(f"{where}[{k}]", at) for k, at in enumerate(items(where, path)))
        object.__setattr__(self, "waypoints", points)
        object.__setattr__(self, "within", positive("NearTo: within", self.within))
        moments = point("NearTo: times", times) if items("NearTo: times", times) else ()
        object.__setattr__(self, "times", moments)
        try:
            _ = self.region
        except SpecError as error:
            raise SpecError(f"NearTo: {error}") from error
        super().__post_init__()

    @property
    def region(self) -> Region:
        """Where the body's centre has to be."""
        path = cast(tuple[Numbers, ...], self.waypoints)
        if not self.times:
            return Tube(path, self.within)
        return Tracked(Ball((0.0,) * len(path[0]), self.within), self.times, path)

    @property
    def predicate(self) -> Predicate:
        """The body's centre is there."""
        return In(self.region)


def _timed(trajectory: Trajectory) -> tuple[object, object]:
    """Positions and plan times of one trajectory, as numbers."""
    if trajectory.x.ndim != 2:
        shape = tuple(trajectory.x.shape)
        raise SpecError(f"NearTo: takes one trajectory (H, D), got shape {shape}; choose one")
    return trajectory.channel("position").tolist(), trajectory.times.tolist()
