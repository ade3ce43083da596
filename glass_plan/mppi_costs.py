"""What MPPI's roll-outs pay: the rest of the tour, and being close to what must be avoided.

See (2) of ``mppi``. Lengths of ways are interpolated between the nodes of their grid, distances are
exact, at every state of a roll-out and half-way between. Knows neither dynamics nor sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import grid_sample

from glass_plan.constraints import Avoid, Constraint, Region
from glass_plan.embodiments import PointMass, grown, visits
from glass_plan.guidance.tours import Map, Stop, shortest_tour
from glass_plan.guidance.visits import SPACING, about

Array = NDArray[np.float64]

BLOCKED = 2.0
"""Growth of a length per distance [m] into where no way leads."""
SEEN = 0.02
"""A roll-out has seen a region when it is so deep inside [m]."""
HIT = 10.0
"""Cost [m] of every sample of a roll-out that violates something."""


@dataclass(frozen=True)
class Settings:
    """How actions are sampled and weighed.

    Args:
        samples: sequences of actions.
        horizon: actions in a sequence.
        hold: physics steps for which an action is held.
        noise: standard deviation of an action's samples.
        temperature: of the weights [m].
        buffer: distance [m] within which being close costs.
        close: cost [m] of a sample that touches; it grows linearly over the buffer.
    """

    samples: int = 512
    horizon: int = 24
    hold: int = 5
    noise: float = 0.6
    temperature: float = 0.05
    buffer: float = 0.08
    close: float = 1.0


@dataclass(frozen=True)
class Cost:
    """What roll-outs from the present state pay, by (2).

    Args:
        state: (4,) now.
        regions: to be seen, in this order.
        left: (S, X, Y) lengths of the ways to each of them and then to the goal, and of the tour
            from there on [m].
        corners: (2, 2) places of the first and the last node of those [m].
        avoid: what to keep out of, and the distance between it and the body's centre [m].
        times: (T,) plan times of the states [s].
        settings: of the sampling.
    """

    state: Float[Tensor, "4"]
    regions: tuple[Region, ...]
    left: Float[Tensor, "S X Y"]
    corners: Float[Tensor, "2 2"]
    avoid: tuple[tuple[Region, float], ...]
    times: Float[Tensor, "T"]
    settings: Settings

    @classmethod
    def of(
        cls,
        judged: Mapping[str, Constraint],
        state: Array,
        goal: Array,
        time: float,
        robot: PointMass,
        settings: Settings,
    ) -> Cost:
        """At a state (4,) and a time [s], on the way to a goal (2,)."""
        radius, walls = robot.radius, robot.walls
        parts = [part for part in judged.values() if isinstance(part, Avoid)]
        still = tuple(grown(part) for part in parts[1:] if part.region.top_speed == 0)
        found = visits(judged, radius)
        chart = Map(walls, still, radius)
        stops = shortest_tour(state[:2], goal, found.tours if found is not None else (), chart)
        left, corners = _left(stops, goal, chart)
        steps = torch.arange(1, settings.horizon + 1) * settings.hold * robot.dynamics.dt
        return cls(
            state=torch.from_numpy(state).float(),
            regions=tuple(stop.region for stop in stops),
            left=left,
            corners=corners,
            avoid=tuple((part.region, radius + part.clearance) for part in parts),
            times=time + steps,
            settings=settings,
        )

    def __call__(self, states: Float[Tensor, "K T 4"]) -> Float[Tensor, "K"]:
        """Of roll-outs."""
        left = self.to_go(states[..., :2])
        return left.mean(-1) + left[:, -1] + self.harm(states)

    def to_go(self, position: Float[Tensor, "K T 2"]) -> Float[Tensor, "K T"]:
        """L of (2)."""
        lengths = _at(self.left, self.corners, position)  # (K, T, S)
        stage = torch.zeros(position.shape[:2], dtype=torch.int64)
        seen = torch.ones(position.shape[:2], dtype=torch.bool)
        for region in self.regions:
            inside = region.signed_distance(position, position[..., 0]) < -SEEN
            seen = (inside & seen).int().cummax(-1).values.bool()
            stage = stage + seen
        return lengths.gather(-1, stage[..., None]).squeeze(-1)

    def harm(self, states: Float[Tensor, "K T 4"]) -> Float[Tensor, "K"]:
        """Sum of h_c of (2), at the states and between them."""
        now = self.state.expand(len(states), 1, 4)
        position = torch.cat([now, states], dim=1)[..., :2]
        middles = (position[:, 1:] + position[:, :-1]) / 2
        places = torch.cat([middles, position[:, 1:]], dim=1)  # (K, 2 T, 2)
        half = (self.times[1] - self.times[0]) / 2
        times = torch.cat([self.times - half, self.times]).expand(places.shape[:2])
        paid = states.new_zeros(len(states))
        for region, kept in self.avoid:
            away = region.signed_distance(places, times) - kept
            close = (1 - away / self.settings.buffer).clamp(0, 1)
            paid = paid + (HIT * (away < 0) + self.settings.close * close).sum(-1)
        return paid


def _left(
    stops: tuple[Stop, ...], goal: Array, chart: Map
) -> tuple[Float[Tensor, "S X Y"], Float[Tensor, "2 2"]]:
    """What is left of a tour before each of its stops and after the last [m], and its corners."""
    last = _filled(chart, about(goal))
    lefts = [last.left]
    for stop in reversed(stops):
        place = torch.from_numpy(stop.place).float()[None, None]
        rest = float(_at(lefts[0][None], last.corners, place))
        lefts.insert(0, _filled(chart, stop.region).left + rest)
    return torch.stack(lefts), last.corners


@dataclass(frozen=True)
class Field:
    """Lengths of ways, also where none leads.

    Args:
        left: (X, Y) [m].
        corners: (2, 2) places of the first and the last node [m].
    """

    left: Float[Tensor, "X Y"]
    corners: Float[Tensor, "2 2"]


@lru_cache(maxsize=64)
def _filled(chart: Map, region: Region) -> Field:
    """Lengths of the ways to a region; off them, that of the nearest place with one and more."""
    ways = chart.to(region)
    off, nearest = distance_transform_edt(~np.isfinite(ways.length), return_indices=True)
    length = ways.length[tuple(nearest)] + BLOCKED * SPACING * off
    size = np.array(length.shape)
    corners = ways.low + SPACING * np.stack([np.full(2, 0.5), size - 0.5])
    left = torch.from_numpy(np.nan_to_num(length, posinf=0.0)).float()
    return Field(left, torch.from_numpy(corners).float())


def _at(
    fields: Float[Tensor, "S X Y"], corners: Float[Tensor, "2 2"], places: Float[Tensor, "K T 2"]
) -> Float[Tensor, "K T S"]:
    """Values at places, bilinear."""
    low, high = corners
    inside = 2 * (places - low) / (high - low) - 1
    found = grid_sample(
        fields[None], inside[None].flip(-1), padding_mode="border", align_corners=True
    )
    return found[0].movedim(0, -1)
