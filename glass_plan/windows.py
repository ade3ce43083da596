"""Windows of demonstrations: what a prior is trained on.

A window is a part of a trip, resampled to H waypoints equally spaced along its way,

    way(k) = way(k - 1) + sum_c weight_c |change of c in step k| + STANDSTILL,

and the time to the next waypoint is a channel. Short and long ways so share one horizon, slow and
fast drives share one geometry, and the model learns how long a way takes; a wait is time that
passes over hardly any way. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.data import Array, Trip
from glass_plan.errors import DataError
from glass_plan.layout import POINT_MASS, Layout

MIN_STEPS = 1e-3
"""Interval [recorded steps] below which the robot counts as holding the goal."""
HOLD_DT = 0.05
"""Time step [s] of waypoints that hold the goal."""
WHOLE_START_SHARE = 0.5
WHOLE_END_SHARE = 0.5
"""Share of windows that keep a trip's own start (mostly at rest) or end."""
STANDSTILL = 1e-5
"""Way added per recorded step [m], so that the way grows even where the robot stands."""


@dataclass(frozen=True)
class Reading:
    """How recorded states are read as waypoints.

    Args:
        layout: of a waypoint; its last channel is ``dt``. A channel ``action`` before it is the
            mean command on the way to the next waypoint; that and ``velocity`` end at 0.
        columns: for each column of the other channels, those of a state whose mean it is.
        way: what its length is made of: columns of a state, and what their change counts [m].
        dt: between two recorded states [s].
        shortest: window [recorded steps].
        to_the_end: every window ends where its trip ends, and begins late enough to fit the
            horizon; otherwise half of them end anywhere, and what does not fit is cut off.
    """

    layout: Layout
    columns: tuple[tuple[int, ...], ...]
    way: tuple[tuple[tuple[int, ...], float], ...]
    dt: float
    shortest: int
    to_the_end: bool = False

    def waypoints(self, states: Float[Tensor, "... S"]) -> Float[Tensor, "... C"]:
        """The first columns of the layout: all that a state alone tells."""
        parts = [[states[..., k] for k in part] for part in self.columns]
        return torch.stack([reduce(torch.add, part) / len(part) for part in parts], dim=-1)

    def ways(self, states: Array) -> Array:
        """Way to each state from the one before (N,) [m]; to the first from the origin."""
        parts = [
            weight * np.linalg.norm(np.diff(states[:, list(part)], axis=0, prepend=0), axis=1)
            for part, weight in self.way
        ]
        length: Array = np.sum(parts, axis=0) + STANDSTILL
        return length

    def size(self, name: str) -> int:
        """Components of a channel; 0 if there is none of that name."""
        return sum(channel.size for channel in self.layout.channels if channel.name == name)


POINT = Reading(
    POINT_MASS,
    columns=((0,), (1,), (2,), (3,)),
    way=(((0, 1), 1.0),),
    dt=0.01,
    shortest=16,
)
"""PointMaze's ball and D4RL's, recorded at every physics step."""


class Windows:
    """Random windows of a set of trips as trajectories in world units.

    Args:
        trips: those shorter than the shortest window are left out.
        horizon: H waypoints per window.
        spacing: way between waypoints [m].
        reading: how states become waypoints.

    Raises:
        DataError: no trip is long enough.
    """

    def __init__(
        self, trips: Iterable[Trip], *, horizon: int, spacing: float, reading: Reading = POINT
    ) -> None:
        shortest = reading.shortest
        kept = [trip for trip in trips if len(trip.actions) >= shortest]
        if not kept:
            raise DataError(f"data: no trip of at least {shortest} steps; collect more steps")
        self.horizon, self.spacing = horizon, spacing
        self.reading, self.layout = reading, reading.layout
        self.lengths = torch.tensor([len(trip.actions) for trip in kept])
        self.first = torch.cumsum(self.lengths + 1, 0) - (self.lengths + 1)
        states = torch.from_numpy(np.concatenate([trip.states for trip in kept])).float()
        self.states = reading.waypoints(states)
        self.action_sums = torch.from_numpy(_sums(kept, reading.size("action"))).float()
        self.way = torch.from_numpy(np.cumsum(reading.ways(states.double().numpy())))
        self.earliest = self._earliest() if reading.to_the_end else torch.zeros_like(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def spans(self) -> Float[Tensor, "T"]:
        """Way of each whole trip [m]."""
        return self.way[self.first + self.lengths] - self.way[self.first]

    def _earliest(self) -> Tensor:
        """First step of each trip from which the horizon reaches its end."""
        ends = self.way[self.first + self.lengths]
        fits = torch.searchsorted(self.way, ends - self.spacing * (self.horizon - 1)) - self.first
        return torch.minimum(fits.clamp_min(0), self.lengths - self.reading.shortest)

    def sample(self, batch: int, generator: torch.Generator) -> Float[Tensor, "B H D"]:
        """Draw windows, trips in proportion to their length."""
        trip = torch.multinomial(self.lengths.float(), batch, True, generator=generator)
        u = torch.rand(4, batch, generator=generator)
        length, earliest = self.lengths[trip].float(), self.earliest[trip].float()
        slack = length - self.reading.shortest - earliest
        begin = earliest + torch.where(u[0] < WHOLE_START_SHARE, 0.0, (u[1] * slack).floor())
        shortest = begin + self.reading.shortest
        whole = 1.0 if self.reading.to_the_end else WHOLE_END_SHARE
        end = torch.where(u[2] < whole, length, shortest + u[3] * (length - shortest))
        return self.windows(trip, begin, end.floor())

    def windows(
        self, trip: Tensor, begin: Float[Tensor, "B"], end: Float[Tensor, "B"]
    ) -> Float[Tensor, "B H D"]:
        """Parts [begin, end] (recorded steps) of trips as waypoints; the end is held."""
        low, high = self.first[trip] + begin.long(), self.first[trip] + end.long()
        passed = self.spacing * torch.arange(self.horizon, dtype=torch.float64)
        way = torch.minimum(self.way[low][:, None] + passed, self.way[high][:, None])  # (B, H) [m]
        above = torch.searchsorted(self.way, way).clamp(low[:, None] + 1, high[:, None])
        part = (way - self.way[above - 1]) / (self.way[above] - self.way[above - 1])
        part = part.clamp(0, 1).float()[..., None]
        state = torch.lerp(self.states[above - 1], self.states[above], part)
        total = torch.lerp(self.action_sums[above - 1], self.action_sums[above], part)
        steps = torch.diff((above - 1)[..., None] + part, dim=1)
        moving = (steps > MIN_STEPS).float()
        action = moving * torch.diff(total, dim=1) / steps.clamp_min(MIN_STEPS)
        dt = torch.lerp(torch.tensor(HOLD_DT), self.reading.dt * steps, moving)
        held = torch.nn.functional.pad(torch.cat([action, dt], -1), (0, 0, 0, 1))
        held[:, -1, -1] = HOLD_DT
        if self.reading.size("velocity"):
            moves = (way < self.way[high][:, None])[..., None]
            state[:, :, self.layout.slice("velocity")] *= moves
        return torch.cat([state, held], dim=-1)


def _sums(trips: list[Trip], size: int) -> Array:
    """Sums of the first ``size`` commands before each state of all trips, (N, size)."""
    parts = [np.cumsum(trip.actions[:, :size], 0) for trip in trips]
    return np.concatenate([np.pad(part, ((1, 0), (0, 0))) for part in parts])
