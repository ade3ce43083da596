"""Figures of a report: plans with what was driven, and clearance over time.

Every figure is made without pyplot, so nothing global changes. Knows nothing of simulators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from glass_plan.constraints.base import Constraint
from glass_plan.errors import RequestError
from glass_plan.records import Array, Episode, Plan
from glass_plan.results import Row, violated_steps
from glass_plan.viz import BLACK, BLUE, GREEN, SKY, draw_constraint, draw_plan, draw_walls

VIOLATED = "#CC0033"
"""Colour of executed motion in violation: deeper than the red of obstacles, to show on them."""
MOMENTS = 5
"""Times at which a still picture shows a moving obstacle."""
FAR = 1.0
"""Margin beyond which the clearance figure is cut off, in the constraint's unit."""
PANELS_A_ROW = 3
DPI = 120


@dataclass(frozen=True)
class Panel:
    """One method on one scene.

    Args:
        name: of the method.
        plan: first plan of the episode, if there was one.
        episode: what was driven, if anything.
    """

    name: str
    plan: Plan | None = None
    episode: Episode | None = None


def plan_figure(
    panels: Sequence[Panel], *, occupancy: ArrayLike, cell: float, constraint: Constraint | None
) -> Figure:
    """Several methods side by side: maze, obstacles, candidates faint, chosen plan, driven path.

    Args:
        panels: one a method.
        occupancy: (rows, columns), true or 1 for a wall.
        cell: side of a cell [m].
        constraint: what was demanded besides the walls.

    Raises:
        RequestError: no panel.
    """
    columns = min(len(panels), PANELS_A_ROW)
    if not panels:
        raise RequestError("plan figure: no panel to draw")
    rows = -(-len(panels) // columns)
    height, width = np.shape(occupancy)
    size = (4.2 * columns, (4.2 * height / width + 0.45) * rows + 0.4)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for ax in grid.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(ax, panel, occupancy, cell, constraint)
    lines = _legend(driven=any(panel.episode is not None for panel in panels))
    beside = 2 * columns  # what fits below so many panels
    figure.legend(
        handles=lines, loc="outside lower center", ncols=beside, frameon=False, fontsize=9
    )
    return figure


def clearance_figure(episodes: Mapping[str, Sequence[Episode]]) -> Figure:
    """Smallest margin over time, one panel a method and one line an episode; violated parts red.

    Args:
        episodes: by name of the method.

    Raises:
        RequestError: no method.
    """
    if not episodes:
        raise RequestError("clearance figure: no method to draw")
    figure = Figure(figsize=(8.0, 0.5 + 1.7 * len(episodes)), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(episodes), 1, squeeze=False, sharex=True, sharey=True)
    for ax, (name, several) in zip(grid.flat, episodes.items(), strict=True):
        ax.axhline(0.0, color=BLACK, linewidth=0.8)
        ax.set_title(name, loc="left", fontsize=10, fontweight="bold")
        ax.set_ylabel("smallest margin", fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
        for episode in several:
            _draw_clearance(ax, episode)
        ax.margins(x=0.01)
    if grid[0, 0].get_ylim()[1] > FAR:
        grid[0, 0].set_ylim(top=FAR)
    grid[-1, 0].set_xlabel("time [s]", fontsize=9)
    return figure


def draw_goal(ax: Axes, episode: Episode) -> None:
    """Where the episode began (a ring) and where it was to end (a star)."""
    start, goal = episode.states[0], episode.goal
    ax.scatter(start[0], start[1], s=45, facecolor="white", edgecolor=BLACK, zorder=6)
    ax.scatter(goal[0], goal[1], s=130, marker="*", color=GREEN, edgecolor=BLACK, zorder=6)


def path_segments(episode: Episode) -> NDArray[np.float64]:
    """The driven path as segments, one a physics step, (T, 2, 2) [m]."""
    xy = episode.states[:, :2]
    return np.stack([xy[:-1], xy[1:]], axis=1)


def verdict(episode: Episode) -> str:
    """Success and safety of one episode in a few words."""
    row = Row.of(episode)
    if row.error is not None:
        return f"error: {row.error:.40}"
    count = sum(row.violations.values())
    entered = f"{count} violation{'s' if count > 1 else ''}"
    return f"{'goal reached' if row.success else 'goal missed'}, {'safe' if row.safe else entered}"


def _draw_panel(
    ax: Axes, panel: Panel, occupancy: ArrayLike, cell: float, constraint: Constraint | None
) -> None:
    draw_walls(ax, occupancy, cell)
    end = 0.0 if panel.episode is None else float(panel.episode.times[-1])
    if constraint is not None:
        later = np.linspace(0.0, end, MOMENTS)[1:].tolist() if end else ()
        draw_constraint(ax, constraint, later=later)
    if panel.plan is not None:
        draw_plan(ax, panel.plan)
    if panel.episode is not None:
        _draw_driven(ax, panel.episode)
    title = panel.name if panel.episode is None else f"{panel.name}\n{verdict(panel.episode)}"
    ax.set_title(title, fontsize=10)


def _draw_driven(ax: Axes, episode: Episode) -> None:
    """The driven path, its violated part in another colour."""
    segments, violated = path_segments(episode), violated_steps(episode)
    for chosen, colour, width in ((~violated, BLUE, 2.0), (violated, VIOLATED, 3.5)):
        lines = LineCollection(list(segments[chosen]), colors=colour, linewidths=width, zorder=5)
        lines.set_capstyle("round")
        ax.add_collection(lines)
    draw_goal(ax, episode)


def _draw_clearance(ax: Axes, episode: Episode) -> None:
    """One episode: least margin of each physics step against the time at its end."""
    if not episode.margins or len(episode.times) < 2:
        return
    least: Array = np.min([np.asarray(m) for m in episode.margins.values()], axis=0)
    times, below = episode.times[1:], least < 0
    ax.plot(times, least, color=BLUE, linewidth=1.0, alpha=0.6)
    ax.plot(times, np.where(below, least, np.nan), color=VIOLATED, linewidth=2.0)
    ax.fill_between(times, least, 0.0, where=below.tolist(), color=VIOLATED, alpha=0.3)


def _legend(*, driven: bool) -> list[Line2D]:
    """What each line means."""
    kinds = {"candidates": (SKY, 1.0), "chosen plan": (BLACK, 2.5)}
    if driven:
        kinds |= {"driven": (BLUE, 2.0), "driven in violation": (VIOLATED, 3.5)}
    return [Line2D([], [], color=c, linewidth=w, label=name) for name, (c, w) in kinds.items()]
