"""Tables, goals and figure of the transitions' benchmark, from its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from glass_plan.bench.records import Record, grouped, mean_and_error, mean_over
from glass_plan.goals import Goal
from glass_plan.tables import Entry

QUALITY = ("sliced W", "MMD", "touch %")
QUALITY_COLUMNS = ("method", "NFE", *QUALITY, "+- touch", "windows", "seeds")
VALUE_COLUMNS = ("t", "estimate", "rows", "correlation", "+-", "rms error", "requests")
LEVEL = 20
"""Network rows at which the methods are compared."""


def write(
    quality: Record, values: Record, samples: Sequence[Entry], valued: Sequence[Entry]
) -> str:
    """JSON, Markdown and figure of both parts; returns the Markdown."""
    table = [quality_line(group) for group in grouped(samples, ("method", "NFE"))]
    value_table = [value_line(group) for group in grouped(valued, ("t", "estimate"))]
    text = quality.finish(
        QUALITY_COLUMNS,
        table,
        title="Samples of the prior against held-out windows",
        goals=quality_goals(table),
    )
    value_text = values.finish(
        VALUE_COLUMNS,
        value_table,
        title="Estimates of the value of noised samples",
        goals=value_goals(valued),
    )
    draw(table, value_table, quality.path("png"))
    return f"{text}\n{value_text}"


def quality_line(group: Sequence[Entry]) -> Entry:
    """Means over seeds, and the standard error of one of them; both distances unsquared."""
    rows = [{**row, "MMD": math.sqrt(row["MMD2"])} for row in group]
    _, error = mean_and_error([row["touch %"] for row in rows])
    return {**mean_over(rows, QUALITY), "+- touch": error, "seeds": len(rows)}


def value_line(group: Sequence[Entry]) -> Entry:
    """Mean correlation over all requests whose values differ."""
    found = [r for row in group for r in row["correlations"] if r is not None]
    mean, error = mean_and_error(found)
    about = {"correlation": mean, "+-": error, "requests": len(found)}
    return {**mean_over(group, ("rms error",)), **about}


def quality_goals(table: Sequence[Entry]) -> list[Goal]:
    """GLASS near the ODE and away from the SDE, at ``LEVEL`` rows."""
    level = {row["method"]: row for row in table if row["NFE"] == LEVEL}
    if level.keys() < {"ode", "glass", "sde"}:
        return []
    goals = []
    for name in ("sliced W", "MMD"):
        ode, glass, sde = (level[method][name] for method in ("ode", "glass", "sde"))
        goals.append(Goal(f"{name} at {LEVEL} NFE: glass / ode", glass / ode, 1.1))
        goals.append(Goal(f"{name} at {LEVEL} NFE: sde / ode", sde / ode, 1.1, above=True))
    return goals


def value_goals(valued: Sequence[Entry]) -> list[Goal]:
    """GLASS posterior samples before the look-ahead and SDE samples, request by request."""
    goals = []
    for group in grouped(valued, ("t",)):
        found: dict[str, list[float | None]] = {}
        for row in group:
            found.setdefault(row["estimate"], []).extend(row["correlations"])
        for name in (name for name in found if name.startswith("glass")):
            for other in ("look-ahead", name.replace("glass", "sde")):
                mean, error = paired(found[name], found[other])
                what = f"t = {group[0]['t']}: correlation of {name}, less that of {other}"
                goals.append(Goal(f"{what} (+- {error:.2g})", mean, 0.0, above=True))
    return goals


def paired(a: Sequence[float | None], b: Sequence[float | None]) -> tuple[float, float]:
    """Mean difference and its standard error over the cases that both have."""
    both = zip(a, b, strict=True)
    return mean_and_error([x - y for x, y in both if x is not None and y is not None])


def draw(table: Sequence[Entry], values: Sequence[Entry], path: Path) -> None:
    """Quality against network rows, and correlation against time."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for axis, name in zip(axes[:2], ("sliced W", "touch %"), strict=True):
        for group in grouped([row for row in table if row["NFE"] > 0], ("method",)):
            points = [row["NFE"] for row in group], [row[name] for row in group]
            axis.plot(*points, "o-", label=group[0]["method"])
        floor = [row[name] for row in table if row["NFE"] == 0]
        axis.axhline(floor[0], color="0.5", lw=1, label="held-out windows")
        axis.set(xscale="log", xlabel="network rows per sample", ylabel=name)
        axis.legend(fontsize=8)
    for group in grouped(values, ("estimate",)):
        times, found = [row["t"] for row in group], [row["correlation"] for row in group]
        axes[2].plot(times, found, "o-", label=group[0]["estimate"])
    axes[2].set(xlabel="t", ylabel="correlation with the reference value")
    axes[2].legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)
