"""Drawing in the plane: walls, constraints and plans on matplotlib axes.

Colours are Okabe & Ito's (2008), told apart by colour-blind readers: what to avoid is red, what to
reach green, what to stay in a blue outline. Knows nothing of simulators; regions of more than two
coordinates are seen from above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle, Patch, Rectangle
from numpy.typing import ArrayLike, NDArray

from glass_plan.constraints.base import All, AnyOf, Constraint
from glass_plan.constraints.compounds import Union
from glass_plan.constraints.geometry import Ball, Box, Region
from glass_plan.constraints.grids import Grid
from glass_plan.constraints.leaf import Leaf
from glass_plan.constraints.moving import Moving
from glass_plan.constraints.temporal import In
from glass_plan.errors import RequestError
from glass_plan.layout import Trajectory
from glass_plan.records import Plan

RED, GREEN, BLUE, SKY, BLACK = "#D55E00", "#009E73", "#0072B2", "#56B4E9", "#000000"
WALL, FLOOR = "#B8B8B8", "#FFFFFF"

STYLES = {(True, -1): (RED, True), (False, 1): (GREEN, True)}
"""Colour, and whether filled, by (holds always, inside: 1 or outside: -1); others: blue outline."""

Shape = Ball | Box


@dataclass(frozen=True)
class Mark:
    """A shape of a constraint, as drawn.

    Args:
        shape: at the time asked for, in the plane [m].
        colour: hexadecimal.
        filled: or only an outline.
    """

    shape: Shape
    colour: str
    filled: bool


def shapes(region: Region, *, time: float = 0.0) -> list[Shape]:
    """The balls and boxes, in the plane, that make up a region at a plan time [s].

    Raises:
        RequestError: the region has fewer than two coordinates, or is of an unknown kind.
    """
    match region:
        case Ball() if region.dim >= 2:
            return [Ball(region.center[:2], region.radius)]
        case Box() if region.dim >= 2:
            return [Box(region.low[:2], region.high[:2])]
        case Union():
            return [shape for part in region.parts for shape in shapes(part, time=time)]
        case Moving():
            at = region.position(torch.tensor([time], dtype=torch.float64))[0].tolist()
            return [_moved(shape, at) for shape in shapes(region.shape, time=time)]
        case Grid():
            return _cells(region)
    raise RequestError(
        f"viz: cannot draw {region!r:.80}; known are Ball, Box, Grid, Moving and Union "
        "in two coordinates or more"
    )


def _moved(shape: Shape, by: Sequence[float]) -> Shape:
    if isinstance(shape, Ball):
        return Ball(_sum(shape.center, by), shape.radius)
    return Box(_sum(shape.low, by), _sum(shape.high, by))


def _sum(point: Sequence[float], by: Sequence[float]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(point, by, strict=False))  # the plane's coordinates only


def _cells(grid: Grid) -> list[Shape]:
    height, width = len(grid.occupancy), len(grid.occupancy[0])
    corners = [
        (grid.cell * (column - width / 2), grid.cell * (height / 2 - row - 1))
        for row, column in np.argwhere(np.array(grid.occupancy)).tolist()
    ]
    return [Box((x, y), (x + grid.cell, y + grid.cell)) for x, y in corners]


def marks(constraint: Constraint, *, time: float = 0.0) -> list[Mark]:
    """What there is to draw of a constraint at a plan time [s]; nothing of a speed limit, say."""
    if isinstance(constraint, All | AnyOf):
        return [mark for term in constraint.terms for mark in marks(term, time=time)]
    predicate = constraint.predicate if isinstance(constraint, Leaf) else None
    if not isinstance(predicate, In):
        return []
    colour, filled = STYLES.get((constraint.is_safety, predicate.sign), (BLUE, False))
    return [Mark(shape, colour, filled) for shape in shapes(predicate.region, time=time)]


def draw_walls(ax: Axes, occupancy: ArrayLike, cell: float) -> None:
    """A map centred at the origin, row 0 on top; sets limits and equal scales, removes the ticks.

    Args:
        ax: drawn on.
        occupancy: (rows, columns), true or 1 for a wall.
        cell: side of a cell [m].
    """
    grid = np.asarray(occupancy, dtype=bool)
    half_height, half_width = np.array(grid.shape) * cell / 2
    extent = (-half_width, half_width, -half_height, half_height)
    colours = ListedColormap([FLOOR, WALL])
    ax.imshow(grid, cmap=colours, vmin=0, vmax=1, extent=extent, interpolation="nearest", zorder=0)
    ax.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xticks=[], yticks=[])


def draw_region(
    ax: Axes,
    region: Region,
    *,
    time: float = 0.0,
    colour: str = RED,
    alpha: float = 0.6,
    filled: bool = True,
) -> None:
    """A region at a plan time.

    Args:
        ax: drawn on.
        region: of two coordinates, or more and seen from above.
        time: plan time at which moving regions are read [s].
        colour: of the area, or of the outline.
        alpha: 0 (invisible) to 1.
        filled: or only an outline.
    """
    for shape in shapes(region, time=time):
        ax.add_patch(_patch(shape, colour, alpha, filled))


def draw_constraint(
    ax: Axes, constraint: Constraint, *, time: float = 0.0, alpha: float = 0.6
) -> None:
    """All regions of a constraint at a plan time [s], coloured by what is demanded of them."""
    for mark in marks(constraint, time=time):
        ax.add_patch(_patch(mark.shape, mark.colour, alpha, mark.filled))


def _patch(shape: Shape, colour: str, alpha: float, filled: bool) -> Patch:
    face, width = (colour, 0.0) if filled else ("none", 2.0)
    if isinstance(shape, Ball):
        at = (shape.center[0], shape.center[1])
        patch: Patch = Circle(at, shape.radius)
    else:
        (x, y), (x_high, y_high) = shape.low, shape.high
        patch = Rectangle((x, y), x_high - x, y_high - y)
    patch.set(facecolor=face, edgecolor=colour, linewidth=width, alpha=alpha, zorder=2)
    return patch


def draw_trajectory(
    ax: Axes, positions: ArrayLike, *, colour: str = BLACK, alpha: float = 1.0, width: float = 1.5
) -> None:
    """A path through positions (H, 2) [m]; ``width`` in points."""
    xy = np.asarray(positions, dtype=np.float64)
    ax.plot(xy[:, 0], xy[:, 1], color=colour, alpha=alpha, linewidth=width, zorder=4)


def draw_plan(ax: Axes, plan: Plan) -> None:
    """A plan over what it was chosen from: candidates faint, the chosen one bold with waypoints."""
    others = _positions(plan.candidates)
    faint = LineCollection(list(others), colors=SKY, alpha=0.4, linewidths=1.0, zorder=3)
    ax.add_collection(faint)
    chosen = _positions(plan.trajectory)
    draw_trajectory(ax, chosen, width=2.5)
    ax.scatter(chosen[:, 0], chosen[:, 1], s=8, color=BLACK, zorder=4)


def _positions(trajectory: Trajectory) -> NDArray[np.float64]:
    """(..., H, 2) [m]."""
    return np.asarray(trajectory.channel("position")[..., :2].detach().double().cpu().numpy())
