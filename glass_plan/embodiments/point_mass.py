"""A force-driven ball in a maze."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from glass_plan.checkpoint import PriorConfig, World
from glass_plan.constraints import All, Avoid, Constraint, Eventually, Grid, Inflated, Reach, Region
from glass_plan.embodiments.base import Embodiment, as_vector
from glass_plan.errors import RequestError
from glass_plan.guidance import Bend, Visits
from glass_plan.layout import Trajectory
from glass_plan.retiming import retime, settle


class PointMass:
    """A ball between walls, as a checkpoint describes them.

    Args:
        config: of the prior.
        world: of the prior.
    """

    bend = Bend("position")
    buffer = 0.05

    def __init__(self, config: PriorConfig, world: World) -> None:
        self.world, self.dynamics = world, world.dynamics
        self.walls = Grid(world.walls, world.cell)
        self.standing: Constraint = Avoid(self.walls).named("walls")
        self.of_ends: Constraint = self.standing
        self._near, self.radius = config.spacing / 2, config.layout.radius

    def state(self, observation: Mapping[str, ArrayLike] | ArrayLike) -> Float[Tensor, "4"]:
        """Position [m] and velocity [m/s]: the observation itself, or under that key."""
        return as_vector(observation, "start")

    def drivable(
        self, trajectory: Trajectory, *, max_speed: float | None, effort: float
    ) -> Trajectory:
        """At the highest speeds that forces allow, from the present one to rest (``retime``)."""
        return retime(trajectory, self.dynamics, max_speed=max_speed, force_share=effort)

    def settled(self, trajectory: Trajectory) -> Trajectory:
        """At rest once it stays within half a spacing of its end."""
        return settle(trajectory, self._near)

    def visits(self, judged: Mapping[str, Constraint]) -> Visits | None:
        """By the map of the walls."""
        return visits(judged, self.radius)


def as_point_mass(robot: Embodiment, asking: str) -> PointMass:
    """The robot, which has to be a point mass for what is asked of it.

    Raises:
        RequestError: it is another one.
    """
    if not isinstance(robot, PointMass):
        raise RequestError(
            f"{asking} knows the dynamics of a point mass only, got {type(robot).__name__}; take a "
            "prior of a maze"
        )
    return robot


def visits(judged: Mapping[str, Constraint], radius: float) -> Visits | None:
    """What leads to the regions that are asked for and round those that stay, if there are any."""
    walls = judged["walls"]
    assert isinstance(walls, Avoid)
    assert isinstance(walls.region, Grid)
    tours = [tour for part in judged.values() if (tour := _tour(part))]
    others = [part for part in judged.values() if isinstance(part, Avoid)][1:]
    avoid = tuple(grown(part) for part in others if part.region.top_speed == 0)
    return Visits(tours, walls.region, avoid, radius) if tours or avoid else None


def grown(part: Avoid) -> Region:
    """The region with the clearance that is asked for around it."""
    return Inflated(part.region, part.clearance) if part.clearance else part.region


def _tour(part: Constraint) -> tuple[Region, ...]:
    """The regions of a visit or of a sequence of visits; none of anything else, or if one moves."""
    match part:
        case Reach(region=region) if region.top_speed == 0:
            return (region,)
        case Eventually(term=Reach() as visit):
            return _tour(visit)
        case Eventually(term=All(terms=(Reach() as visit, Eventually() as later))):
            first, rest = _tour(visit), _tour(later)
            return first + rest if first and rest else ()
    return ()
