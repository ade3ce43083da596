"""Tables, goals and figure of the planar benchmark, from its rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from glass_plan.bench.mixture_arms import EXACT
from glass_plan.bench.records import Record, grouped, mean_and_error, mean_over
from glass_plan.goals import Goal
from glass_plan.statistics import wilson
from glass_plan.tables import Entry

ALIKE = ("field", "regime", "method", "setting")
COLUMNS = (
    *ALIKE,
    *("coverage %", "satisfied %", "MMD2", "MMD2 / floor", "+-", "std x", "std y"),
    *("rows", "ms", "n"),
)
RARE_COLUMNS = ("field", "method", "setting", "feasible %", "low %", "high %", "rows", "ms", "n")


def write(main: Record, rare: Record, rows: Sequence[Entry], odds: Sequence[Entry]) -> str:
    """JSON, Markdown and figure of both tasks; returns the Markdown."""
    table = [main_line(group) for group in grouped(rows, ALIKE)]
    rare_table = [rare_line(group) for group in grouped(odds, ALIKE)]
    text = main.finish(
        COLUMNS, table, title="Planar mixture: one cluster of three", goals=main_goals(table)
    )
    rare_text = rare.finish(
        RARE_COLUMNS,
        rare_table,
        title="Planar mixture: 0.5 % of the data",
        goals=rare_goals(rare_table),
    )
    draw(table, rare_table, main.path("png"))
    return f"{text}\n{rare_text}"


def main_line(group: Sequence[Entry]) -> Entry:
    """Means over seeds; ``+-`` is the standard error of MMD2 / floor."""
    _, error = mean_and_error([row["MMD2 / floor"] for row in group])
    n = sum(row["outputs"] for row in group)
    return {**mean_over(group, [c for c in COLUMNS[4:-1] if c != "+-"]), "+-": error, "n": n}


def rare_line(group: Sequence[Entry]) -> Entry:
    """Share of feasible outputs with Wilson's interval."""
    k, n = sum(row["feasible"] for row in group), sum(row["outputs"] for row in group)
    low, high = wilson(k, n)
    shares = {"feasible %": 100 * k / n, "low %": 100 * low, "high %": 100 * high, "n": n}
    return {**mean_over(group, ("rows", "ms")), **shares}


def main_goals(table: Sequence[Entry]) -> list[Goal]:
    """What steering has to reach with the analytic field."""
    known = [row for row in table if row["field"] == "analytic"]
    exact = [row for row in known if row["method"] == EXACT.name]
    goals = []
    for regime, rows, floor, satisfied in (
        ("one population", 40, 1.5, 99.9),
        ("independent", 200, 2.0, 99.5),
    ):
        where = f"{regime}, {rows} rows"
        for row in known:
            if row["regime"] != regime or row["method"] != f"ours, <= {rows} rows":
                continue
            goals.append(Goal(f"{where}: MMD2 / floor", row["MMD2 / floor"], floor))
            goals.append(Goal(f"{where}: satisfied %", row["satisfied %"], satisfied, above=True))
            if regime == "one population" and exact:
                off = abs(row["coverage %"] - exact[0]["coverage %"])
                goals.append(Goal(f"{where}: coverage off the exact one, points", off, 1.0))
    return goals


def rare_goals(table: Sequence[Entry]) -> list[Goal]:
    """What steering has to reach at 400 rows, alone and against the best of N."""
    level = [row for row in table if row["field"] == "analytic" and round(row["rows"]) == 400]
    share = {row["method"]: row["feasible %"] for row in level}
    chosen = share.pop("best of N ODE", None)
    if chosen is None:
        return []
    goals = []
    for method, reached in share.items():
        goals.append(Goal(f"{method}, 400 rows: feasible %", reached, 95.0, above=True))
        times = reached / max(chosen, 1e-9)
        goals.append(Goal(f"{method}, 400 rows: times best of N", times, 3.0, above=True))
    return goals


def draw(table: Sequence[Entry], rare_table: Sequence[Entry], path: Path) -> None:
    """Distance to the exact law and feasible share of the rare task, with the first field."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    marks = itertools.cycle("os^Dv<>Pp*Xhd8")
    field = table[0]["field"]
    known = [row for row in table if row["field"] == field and row["rows"] > 0]
    for lines, mark in zip(grouped(known, ("regime", "method")), marks, strict=False):
        label = f"{lines[0]['method']} ({lines[0]['regime']})"
        left.plot(*_points(lines, "MMD2 / floor"), mark, label=label)
    left.axhline(1, color="0.5", lw=1)
    left.set(title=f"{field} field", xscale="log", yscale="log")
    left.set(xlabel="network rows per output", ylabel="MMD² / floor")
    known = [row for row in rare_table if row["field"] == field]
    for lines in grouped(known, ("method",)):
        right.plot(*_points(lines, "feasible %"), "o-", label=lines[0]["method"])
    right.set(xlabel="network rows per output", ylabel="feasible outputs of the rare task [%]")
    for axes in (left, right):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=6)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _points(rows: Sequence[Entry], value: str) -> tuple[list[float], list[float]]:
    return [row["rows"] for row in rows], [row[value] for row in rows]
