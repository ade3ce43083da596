"""What the numbers of a trajectory mean: channels with units, waypoints in time.

A trajectory is a tensor ``(..., H, D)`` in world units. The time from each waypoint to the next is
one of its channels, ``dt`` [s]: a plan of H waypoints spans two cells or the whole maze, and
steering may slow it down anywhere. Knows nothing of models and constraints, and of a
robot only the name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import LayoutError, RequestError, did_you_mean

MIN_DT = 1e-4
"""Shortest time between two waypoints [s] that a generated trajectory may claim."""

AT_ORIGIN = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
"""The pose that changes nothing."""


@dataclass(frozen=True)
class Channel:
    """A named slice of the transition vector.

    Args:
        name: e.g. ``"position"``.
        size: number of components.
        unit: of every component, e.g. ``"m"``.
    """

    name: str
    size: int
    unit: str


@dataclass(frozen=True)
class Sphere:
    """A ball that moves with a frame.

    Args:
        frame: a link of the robot, or a channel of 3 components (a position [m]) or 7 (a position
            and a quaternion w, x, y, z of any length but 0, on from the waypoint before).
        center: x, y, z in the frame [m].
        radius: [m]; 0 for a point.
    """

    frame: str
    center: tuple[float, ...] = (0.0, 0.0, 0.0)
    radius: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", tuple(map(float, self.center)))
        numbers = (*self.center, self.radius)
        if len(numbers) != 4 or not all(map(math.isfinite, numbers)) or self.radius < 0:
            raise LayoutError(
                f"sphere on {self.frame!r}: needs 3 finite coordinates and a radius >= 0, got "
                f"{self.center} and {self.radius}"
            )


@dataclass(frozen=True)
class Body:
    """Spheres on the links of a robot and on the poses of objects: what must not touch.

    Args:
        spheres: whose union is the body.
        tool: the point that ``Reach`` means; None for the channel ``position``.
        robot: a key of ``glass_plan.robots.ROBOTS``; empty if no sphere is on a link.
        joints: channels whose components, one after the other, are the robot's joints in its own
            order [rad, or m for one that slides]; one named twice counts twice.
        rest: values of the last joints, which no channel holds.
        base: pose of the robot's root in the world: position [m], quaternion w, x, y, z.
    """

    spheres: tuple[Sphere, ...]
    tool: Sphere | None = None
    robot: str = ""
    joints: tuple[str, ...] = ()
    rest: tuple[float, ...] = ()
    base: tuple[float, ...] = AT_ORIGIN

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", tuple(map(float, self.base)))
        if not self.spheres:
            raise LayoutError("body: needs at least one sphere, got none; a point has no body")
        if len(self.base) != 7 or not math.isclose(math.hypot(*self.base[3:]), 1.0, abs_tol=1e-6):
            raise LayoutError(
                "body: base must be a position and a quaternion of length 1, x, y, z, w, x, y, z, "
                f"got {self.base}"
            )


@dataclass(frozen=True)
class Layout:
    """The channels of a transition in order, and which of them a request pins.

    Args:
        channels: in the order of the last tensor axis.
        start: channels held at the first waypoint (the present).
        goal: channels held at the last waypoint; the others are left free.
        radius: of the body around the channel ``position`` [m].
        body: in the place of that ball, if given.
    """

    channels: tuple[Channel, ...]
    start: tuple[str, ...] = ("position", "velocity")
    goal: tuple[str, ...] = ("position",)
    radius: float = 0.0
    body: Body | None = None

    def __post_init__(self) -> None:
        if self.body is not None and self.radius:
            raise LayoutError(
                f"layout: a radius of {self.radius} beside a body counts for nothing; write a "
                "Sphere on the channel 'position'"
            )

    @property
    def dim(self) -> int:
        """Size D of a transition."""
        return sum(channel.size for channel in self.channels)

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names in order."""
        return tuple(channel.name for channel in self.channels)

    def slice(self, name: str) -> slice:
        """Where channel ``name`` sits on the last axis.

        Raises:
            LayoutError: no such channel.
        """
        first = 0
        for channel in self.channels:
            if channel.name == name:
                return slice(first, first + channel.size)
            first += channel.size
        raise LayoutError(f"layout: unknown channel {name!r}{did_you_mean(name, self.names)}")

    def unit(self, name: str) -> str:
        """Unit of channel ``name``."""
        return next(channel.unit for channel in self.channels if channel.name == name)

    def columns(self, names: tuple[str, ...]) -> list[int]:
        """Indices on the last axis of several channels, in the order given."""
        return [k for name in names for k in range(self.dim)[self.slice(name)]]

    def check_values(self, where: str, values: Tensor, names: tuple[str, ...]) -> None:
        """Raise RequestError unless values are finite, and as many as the channels have."""
        sizes = {name: len(self.columns((name,))) for name in names}
        if values.shape != (sum(sizes.values()),):
            asked = ", ".join(f"{name} ({size})" for name, size in sizes.items())
            raise RequestError(f"{where} must be {asked}, got shape {tuple(values.shape)}")
        if not bool(values.isfinite().all()):
            raise RequestError(f"{where} must be finite, got {values.tolist()}")


POINT_MASS = Layout(
    (
        Channel("position", 2, "m"),
        Channel("velocity", 2, "m/s"),
        Channel("action", 2, "1"),
        Channel("dt", 1, "s"),
    ),
    radius=0.1,
)
"""PointMaze's force-driven ball in the plane: what the Maze2D priors generate."""


@dataclass(frozen=True)
class Trajectory:
    """A batch of trajectories in world units.

    Args:
        x: (..., H, D).
        layout: meaning of the last axis.
        t_start: plan time of the first waypoint [s], one for all or (..., 1); moving obstacles are
            read at ``times``.
    """

    x: Float[Tensor, "... H D"]
    layout: Layout
    t_start: float | Float[Tensor, "... 1"] = 0.0

    def channel(self, name: str) -> Float[Tensor, "... H C"]:
        """One channel, shape (..., H, size)."""
        return self.x[..., self.layout.slice(name)]

    @property
    def dt(self) -> Float[Tensor, "... H"]:
        """Time from each waypoint to the next [s]; the last value has no meaning."""
        return self.channel("dt").squeeze(-1).clamp_min(MIN_DT)

    @property
    def times(self) -> Float[Tensor, "... H"]:
        """Plan time of every waypoint [s]."""
        passed = self.dt[..., :-1].cumsum(-1)
        return self.t_start + torch.nn.functional.pad(passed, (1, 0))

    @property
    def stretches(self) -> tuple[Float[Tensor, "... K"], Float[Tensor, "... K"]]:
        """Plan times [s] at which each segment begins and ends; a lone waypoint is one of them."""
        times = self.times
        return (times, times) if times.shape[-1] == 1 else (times[..., :-1], times[..., 1:])

    @property
    def sample_times(self) -> Float[Tensor, "... 2*H-1"]:
        """Plan times of waypoints and middles of segments, in order [s]."""
        return interleaved(self.times, torch.lerp(*self.stretches, 0.5))


def interleaved(
    waypoints: Float[Tensor, "... H"], middles: Float[Tensor, "... K"]
) -> Float[Tensor, "... 2*H-1"]:
    """Values at waypoints and at the middles between them, in the order of time."""
    count = waypoints.shape[-1] - 1
    both = torch.stack([waypoints[..., :-1], middles[..., :count]], dim=-1).flatten(-2)
    return torch.cat([both, waypoints[..., -1:]], dim=-1)
