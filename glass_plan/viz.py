"""Drawing in the plane: walls, constraints and plans on matplotlib axes.

Colours are Okabe & Ito's (2008), told apart by colour-blind readers: what to avoid is red, what to
reach green, what to stay in a blue outline. Balls, upright boxes and maps of cells are drawn as
such, any other region by its contour within the axes' limits (contours.py). Regions of more than
two coordinates are seen from above, bodies of spheres from any side. Knows nothing of simulators.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Circle, Patch, PathPatch, Rectangle
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from glass_plan.bodies import spheres_of
from glass_plan.constraints.base import Constraint
from glass_plan.constraints.compounds import Union
from glass_plan.constraints.formulas import Temporal
from glass_plan.constraints.geometry import Ball, Box, Region
from glass_plan.constraints.grids import Grid
from glass_plan.constraints.inside import In
from glass_plan.constraints.joined import All, AnyOf
from glass_plan.constraints.leaf import Leaf
from glass_plan.constraints.moving import Carried
from glass_plan.constraints.preferences import Prefer
from glass_plan.contours import contours
from glass_plan.errors import RequestError
from glass_plan.layout import Layout, Trajectory
from glass_plan.records import Plan

RED, GREEN, BLUE, SKY, BLACK = "#D55E00", "#009E73", "#0072B2", "#56B4E9", "#000000"
WALL, FLOOR = "#B8B8B8", "#FFFFFF"

STYLES = {(True, -1): (RED, True), (False, 1): (GREEN, True)}
"""Colour, and whether filled, by (holds always, inside: 1 or outside: -1); others: blue outline."""

FADING = (0.5, 0.15)
"""Shares of the opacity at the first and the last of the later times of what moves."""

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
        RequestError: the region has fewer than two coordinates, or is made of anything else.
    """
    match region:
        case Ball() if region.dim >= 2:
            return [Ball(region.center[:2], region.radius)]
        case Box(rotation=()) if region.dim >= 2:
            return [Box(region.low[:2], region.high[:2])]
        case Union():
            return [shape for part in region.parts for shape in shapes(part, time=time)]
        case Carried():
            at = region.position(torch.tensor([time], dtype=torch.float64))[0].tolist()
            return [_moved(shape, at) for shape in shapes(region.shape, time=time)]
        case Grid():
            return _cells(region)
    raise RequestError(
        f"viz: no balls and upright boxes make up {region!r:.80}; those of two coordinates or "
        "more do, and Grid, Union and what moves, if it is made of them"
    )


def _has_shapes(region: Region) -> bool:
    """Whether ``shapes`` knows what makes up a region."""
    match region:
        case Union():
            return all(map(_has_shapes, region.parts))
        case Carried():
            return _has_shapes(region.shape)
    return isinstance(region, Ball | Grid) or (isinstance(region, Box) and not region.rotation)


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
    """What there is to draw of a constraint at a plan time [s]; nothing of a speed limit, say.

    Raises:
        RequestError: ``has_marks`` says no.
    """
    return [
        Mark(shape, colour, filled)
        for region, colour, filled in demands(constraint)
        for shape in shapes(region, time=time)
    ]


def has_marks(constraint: Constraint) -> bool:
    """Whether balls and upright boxes make up all that there is to draw of a constraint."""
    return all(_has_shapes(region) for region, _, _ in demands(constraint))


def demands(constraint: Constraint) -> Iterator[tuple[Region, str, bool]]:
    """The regions that a constraint speaks of, each with its colour and whether it is filled."""
    match constraint:
        case All() | AnyOf():
            terms = constraint.terms
        case Temporal():
            terms = constraint.spoken_of
        case Prefer():
            terms = (constraint.term,)
        case Leaf(predicate=In() as about):
            yield about.region, *STYLES.get((constraint.is_safety, about.sign), (BLUE, False))
            return
        case _:
            return
    for term in terms:
        yield from demands(term)


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
    """A region at a plan time; of one that no balls and boxes make up, what the axes' limits show.

    Args:
        ax: drawn on.
        region: of two coordinates, or more and seen from above.
        time: plan time at which moving regions are read [s].
        colour: of the area, or of the outline.
        alpha: 0 (invisible) to 1.
        filled: or only an outline.

    Raises:
        RequestError: the region has one coordinate, or more than three and no balls and boxes.
    """
    if region.dim < 2 or (region.dim > 3 and not _has_shapes(region)):
        raise RequestError(
            f"viz: cannot draw {region!r:.80} with {region.dim} coordinates; draw what is in the "
            "plane or in space"
        )
    if _has_shapes(region):
        patches = [_patch(shape) for shape in shapes(region, time=time)]
    else:
        x, y = ax.get_xlim(), ax.get_ylim()
        patches = [*map(PathPatch, contours(region, x=x, y=y, time=time, filled=filled))]
    face, width = (colour, 0.0) if filled else ("none", 2.0)
    for patch in patches:
        patch.set(facecolor=face, edgecolor=colour, linewidth=width, alpha=alpha, zorder=2)
        ax.add_patch(patch)


def draw_constraint(
    ax: Axes,
    constraint: Constraint,
    *,
    time: float = 0.0,
    later: Sequence[float] = (),
    alpha: float = 0.6,
) -> None:
    """All regions of a constraint, coloured by what is demanded of them.

    Args:
        ax: drawn on.
        constraint: of which the regions are drawn.
        time: plan time [s].
        later: more plan times [s], at which what moves is drawn again, each fainter.
        alpha: 0 (invisible) to 1, at the plan time.
    """
    fading = np.linspace(*FADING, num=len(later)) * alpha
    for region, colour, filled in demands(constraint):
        draw_region(ax, region, time=time, colour=colour, alpha=alpha, filled=filled)
        moments = zip(later, fading.tolist(), strict=True) if region.top_speed else ()
        for moment, faint in moments:
            draw_region(ax, region, time=moment, colour=colour, alpha=faint, filled=filled)


def _patch(shape: Shape) -> Patch:
    if isinstance(shape, Ball):
        return Circle((shape.center[0], shape.center[1]), shape.radius)
    (x, y), (x_high, y_high) = shape.low, shape.high
    return Rectangle((x, y), x_high - x, y_high - y)


def draw_trajectory(
    ax: Axes, positions: ArrayLike, *, colour: str = BLACK, alpha: float = 1.0, width: float = 1.5
) -> None:
    """A path through positions (H, 2) [m]; ``width`` in points."""
    xy = np.asarray(positions, dtype=np.float64)
    ax.plot(xy[:, 0], xy[:, 1], color=colour, alpha=alpha, linewidth=width, zorder=4)


def draw_body(
    ax: Axes,
    x: Float[Tensor, "D"],
    layout: Layout,
    *,
    axes: tuple[int, int] = (0, 2),
    colour: str = BLACK,
    alpha: float = 0.3,
    zorder: float = 3.0,
) -> None:
    """The spheres of a body in one transition, as one shape.

    Args:
        ax: drawn on.
        x: (D,) joints, positions and poses in world units.
        layout: whose body is drawn.
        axes: coordinates to the right and upwards; (0, 2) from the side, (0, 1) from above.
        colour: hexadecimal.
        alpha: how strong the filling is, 0 (white) to 1.
        zorder: matplotlib's, higher is further in front.

    Raises:
        LayoutError: the layout has no body, or it does not fit.
    """
    spheres = spheres_of(layout, tool=False, dtype=x.dtype, device=x.device)
    centers = spheres.centers(x.detach())[:, list(axes)].tolist()
    rim = np.array(to_rgb(colour))
    for face, width in ((rim, 1.5), (1 - alpha * (1 - rim), 0.0)):  # an outline of them all
        for center, radius in zip(centers, spheres.radii.tolist(), strict=True):
            ax.add_patch(Circle(center, radius, color=face, linewidth=width, zorder=zorder))


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
