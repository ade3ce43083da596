"""Makes docs/constraints.md and its pictures from the list in gallery_entries.py.

python -m experiments.gallery

The page's text stands outside its marks, the entries between them.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import CubicSpline

import glass_plan as gp
from experiments import gallery_arm
from experiments.gallery_entries import ENTRIES, Entry, Limit, Way
from glass_plan.constraints.dynamics import Below
from glass_plan.constraints.leaf import Leaf
from glass_plan.constraints.limits import Within
from glass_plan.layout import POINT_MASS
from glass_plan.report.figures import VIOLATED
from glass_plan.viz import BLACK, BLUE, draw_constraint, draw_trajectory

BLOCK = re.compile(r"(<!-- gallery: ([\w-]+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, IMAGES = DOCS / "constraints.md", "images/constraints"

DURATION = 4.0
"""Of every drive [s]."""
WAYPOINTS = 41
"""Of every drive: ten a second."""
LATER = (1.0, 2.0, 3.0)
"""Plan times [s] at which what moves is shown again."""
WIDTH, HEIGHT, DPI = 300, 220, 100
"""Of a picture [px]."""
SIDE = 4.0
"""Shown of the plane from left to right [m]."""
COLOURS = 32
"""Of a picture, which keeps its file small."""


def main() -> None:
    """Draw the pictures, fill the page."""
    folder = DOCS / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for entry in (entry for entries in ENTRIES.values() for entry in entries):
        save(picture(entry), folder / image_name(entry))
    save(gallery_arm.picture((WIDTH / DPI, HEIGHT / DPI), DPI), folder / f"{gallery_arm.NAME}.png")
    PAGE.write_text(filled(PAGE.read_text()))


def filled(page: str) -> str:
    """The page with its blocks made from the list."""

    def block(match: re.Match[str]) -> str:
        if match[2] == gallery_arm.NAME:
            return f"{match[1]}\n{arm_section()}{match[3]}"
        return f"{match[1]}\n{''.join(map(section, ENTRIES[match[2]]))}{match[3]}"

    return BLOCK.sub(block, page)


def section(entry: Entry) -> str:
    """Title, sentence, picture, Python and YAML of an entry."""
    text = f"### {entry.title}\n\n{entry.sentence}\n\n"
    text += f"![{entry.title}]({IMAGES}/{image_name(entry)})\n\n"
    text += f"```python\n{entry.python}\n```\n\n"
    if entry.in_python_only:
        return f"{text}In Python only: a specification file holds no functions.\n\n"
    return f"{text}```yaml\n{gp.dump_spec(value(entry))}```\n\n"


def arm_section() -> str:
    """Picture and Python of the arm."""
    image = f"![An arm]({IMAGES}/{gallery_arm.NAME}.png)"
    return f"{image}\n\n```python\n{gallery_arm.PYTHON}```\n\n"


def image_name(entry: Entry) -> str:
    """Of the picture's file."""
    return f"{re.sub('(?<=[a-z])(?=[A-Z])', '_', entry.title).lower()}.png"


def value(entry: Entry) -> gp.Constraint:
    """What the entry's Python says."""
    made = eval(entry.python, {"gp": gp, "torch": torch})
    assert isinstance(made, gp.Constraint), entry.title
    return made


def drive(way: Way) -> gp.Trajectory:
    """A smooth drive through points in even steps of time, (H, D); its action is what it takes."""
    spline = CubicSpline(np.linspace(0.0, DURATION, len(way)), np.array(way))
    times = np.linspace(0.0, DURATION, WAYPOINTS)
    dt = np.full((WAYPOINTS, 1), DURATION / (WAYPOINTS - 1))
    x = np.concatenate([spline(times), spline(times, 1), spline(times, 2), dt], axis=-1)
    return gp.Trajectory(torch.from_numpy(x), POINT_MASS)


def picture(entry: Entry) -> Figure:
    """The constraint with a drive that meets it and one that fails it."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    if isinstance(entry, Limit):
        _draw_over_time(figure.add_axes((0.17, 0.16, 0.8, 0.78)), entry)
    else:
        _draw_in_plane(figure.add_axes((0.005, 0.005, 0.99, 0.99)), entry)
    return figure


def _draw_in_plane(ax: Axes, entry: Entry) -> None:
    half, aspect = SIDE / 2, HEIGHT / WIDTH
    ax.set(xlim=(-half, half), ylim=(-half * aspect, half * aspect), xticks=[], yticks=[])
    ax.spines[:].set_color("#D0D0D0")
    draw_constraint(ax, value(entry), later=LATER)
    for way, colour in ((entry.fails, VIOLATED), (entry.meets, BLACK)):
        if way:
            positions = drive(way).channel("position").numpy()
            draw_trajectory(ax, positions, colour=colour)
            _mark_seconds(ax, positions, colour)


def _mark_seconds(ax: Axes, positions: NDArray[np.float64], colour: str) -> None:
    """A ring at the start, a dot at every second."""
    x, y = positions[:: round((WAYPOINTS - 1) / DURATION)].T
    ax.scatter(x[1:], y[1:], s=14, color=colour, zorder=5)
    ax.scatter(x[0], y[0], s=26, facecolor="white", edgecolor=colour, zorder=5)


def _draw_over_time(ax: Axes, entry: Limit) -> None:
    """What a leaf limits, with its limits dashed."""
    leaf = value(entry)
    assert isinstance(leaf, Leaf)
    predicate = leaf.predicate
    for way, colour in ((entry.fails, VIOLATED), (entry.meets, BLACK)):
        trajectory = drive(way)
        if isinstance(predicate, Below):
            shown, limits = predicate.size(trajectory)[:, None], (predicate.limit,)
        else:
            assert isinstance(predicate, Within)
            shown = trajectory.channel(predicate.channel)
            limits = (*predicate.low, *predicate.high)
        ax.plot(trajectory.times[: len(shown)], shown, color=colour, linewidth=1.5)
    for limit in limits:
        ax.axhline(limit, color=BLUE, linestyle="--", linewidth=1.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7)
    ax.set_xlabel("time [s]", fontsize=7, labelpad=1)
    unit = predicate.unit(POINT_MASS)
    ax.set_ylabel(f"[{unit}]" if unit else "", fontsize=7, labelpad=1)
    ax.margins(x=0.01)


def save(figure: Figure, path: Path) -> None:
    """As a PNG of few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main()
