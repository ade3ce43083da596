"""Methods on one protocol side by side: every rate with n and interval, and paired with one method.

Writes a table (.md), all numbers (.json) and a figure (.png) beside the results, under the name of
the protocol.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glass_plan.errors import RequestError, did_you_mean
from glass_plan.evaluation import load_results
from glass_plan.goals import AHEAD, AT_LEAST, SIGNIFICANT, Goal, load_goals
from glass_plan.provenance import made_by
from glass_plan.results import Results, Row
from glass_plan.safety import Comparison, SafetyReport, compare, paired
from glass_plan.statistics import PairedDifference, Rate
from glass_plan.tables import Entry, markdown_table

FIRST_PLAN = "first_feasible"
"""Measure of whether the first plan satisfied everything."""
UNGUIDED = "unguided"
"""The method whose plans are the measure of roughness."""


def write_comparison(folder: Path, against: str, goals: Path | None = None) -> str:
    """Compare all methods of a results folder; returns the Markdown that it writes.

    Args:
        folder: of results of one protocol.
        against: method that the others are paired with.
        goals: file of what is wanted (``goals.load_goals``).

    Raises:
        RequestError: no results of that method.
        ProtocolError: no protocol, foreign rows, cases left out, or a file of goals that is none.
    """
    results = load_results(folder)
    if against not in results:
        raise RequestError(
            f"compare: no rows of {against!r} in {folder}{did_you_mean(against, results)}"
        )
    reports = {name: SafetyReport.from_rows(r.rows, name) for name, r in results.items()}
    rough = _mean(results[UNGUIDED].rows, "roughness") if UNGUIDED in results else math.nan
    table = [_entry(reports[name], results[name], rough) for name in results]
    others = [r for name, r in results.items() if name != against]
    compared = [compare(results[against], other) for other in others]
    protocol = results[against].protocol
    wanted = {} if goals is None else load_goals(goals, protocol.name)
    reached = [
        goal
        for name, asked in wanted.items()
        if name in results
        for goal in _goals(results[name], reports[name], asked, results)
    ]
    title = f"{protocol.name}, protocol {protocol.digest}"
    pairs = [
        _pair(pair, paired(results[against], other))
        for pair, other in zip(compared, others, strict=True)
    ]
    text = f"# {title}\n\n{markdown_table(list(table[0]), table)}\n"
    text += markdown_table(list(pairs[0]), pairs) + "\n" if pairs else ""
    text += "".join(f"- {goal}\n" for goal in reached)
    if goals is not None and not wanted:
        text += f"- {goals} has no goals for {protocol.name!r}\n"
    whole = {
        "title": title,
        "made by": made_by(row.commit for r in results.values() for row in r.rows),
        "methods": {name: report.to_dict() for name, report in reports.items()},
        "goals": [{**asdict(goal), "met": goal.met} for goal in reached],
        "table": table,
        "paired": [pair.to_dict() for pair in compared],
        "paired table": pairs,
    }
    (folder / f"{protocol.name}.json").write_text(json.dumps(whole, indent=1, allow_nan=False))
    (folder / f"{protocol.name}.md").write_text(text)
    _figure(reports).savefig(folder / f"{protocol.name}.png", dpi=150)
    return text


def _entry(report: SafetyReport, results: Results, rough: float) -> Entry:
    rows = results.rows
    arrived = [row for row in rows if row.success]
    return {
        "method": report.name,
        "n": report.n,
        "success": str(report.success).strip(),
        "safe": str(report.safe).strip(),
        "both": str(report.success_and_safe).strip(),
        "scenes": str(_every_seed(rows)).strip(),
        "first plan": _percent(_mean(rows, FIRST_PLAN)),
        "trapped": str(_trapped(rows)).strip(),
        "entries": report.entries,
        **_of_an_object(report, rows),
        "violated s": _rounded(report.violated_time, 2),
        "length": _rounded(_mean(arrived, "length_ratio"), 2),
        "time s": _rounded(_mean(arrived, "duration"), 2),
        "s / m": _rounded(_time_a_metre(arrived), 3),
        "roughness": _rounded(_mean(rows, "roughness") / rough, 2),
        "plans": round(sum(len(row.nfe) for row in rows) / len(rows), 1),
        "fallback": round(report.outcomes["fallback"] / len(rows), 1),
        "shielded": round(report.outcomes["shielded"] / len(rows), 1),
        "rows": max((n for row in rows for n in row.nfe), default=0),
        "calls": max((int(row.info.get("calls", 0)) for row in rows), default=0),
        "plan s p50": _rounded(report.wall_time[0], 3),
        "plan s p95": _rounded(report.wall_time[1], 3),
        "errors": report.errors,
    }


def _of_an_object(report: SafetyReport, rows: Sequence[Row]) -> Entry:
    """What is told besides where an object is moved."""
    if not any("dropped" in row.info for row in rows):
        return {}
    dropped = Rate(round(sum(row.info.get("dropped", 0.0) for row in rows)), len(rows))
    return {
        "entries an episode": round(report.entries / report.n, 3),
        "dropped": str(dropped).strip(),
        "success at end": _percent(_mean(rows, "success_at_end")),
        "impulse N s": _rounded(_mean(rows, "impulse"), 3),
    }


def _goals(
    results: Results,
    report: SafetyReport,
    wanted: Mapping[str, Any],
    others: Mapping[str, Results],
) -> list[Goal]:
    """What was wanted of one method and what it did; unfinished baselines count as they are."""
    got = {
        "success %": 100 * report.success.value,
        "safe %": 100 * report.safe.value,
        "both %": 100 * report.success_and_safe.value,
        "trapped %": 100 * _trapped(results.rows).value,
        "violations": report.entries / report.n,
    }
    units = {label.removesuffix(" %"): label for label in got}
    name = report.name
    goals = [
        Goal(f"{name}: {units[key]}", got[units[key]], bound, above=key in AT_LEAST)
        for key, bound in wanted.items()
        if key != AHEAD
    ]
    for other in wanted.get(AHEAD, ()):
        if other not in others:
            goals.append(Goal(f"{name} ahead of {other}, which was not run: p", 1.0, SIGNIFICANT))
        else:
            pair = compare(results, others[other]).success_and_safe
            p = pair.p_value if pair.value > 0 else 1.0
            told = f"{name} ahead of {other} in success and safety, n = {pair.n}: p"
            goals.append(Goal(told, p, SIGNIFICANT))
    return goals


def _trapped(rows: Sequence[Row]) -> Rate:
    return Rate(round(sum(row.info.get("trapped", 0.0) for row in rows)), len(rows))


def _every_seed(rows: Sequence[Row]) -> Rate:
    """Scenes in which every sampler seed that was run succeeded, safely."""
    scenes: dict[int, bool] = {}
    for row in rows:
        scenes[row.seed] = scenes.get(row.seed, True) and row.success and row.safe
    return Rate(sum(scenes.values()), len(scenes))


def _mean(rows: Sequence[Row], name: str) -> float:
    found = [row.info[name] for row in rows if name in row.info]
    return float(np.mean(found)) if found else math.nan


def _time_a_metre(rows: Sequence[Row]) -> float:
    """Mean time of an episode over the shortest way that there was, where that is known [s/m]."""
    infos = [row.info for row in rows if "length_ratio" in row.info]
    paces = [told["duration"] * told["length_ratio"] / told["length"] for told in infos]
    return float(np.mean(paces)) if paces else math.nan


def _percent(share: float) -> str | None:
    """For a table; None for what is not known."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else None


def _rounded(value: float, digits: int) -> float | None:
    """For a table; None for what is not known."""
    return round(value, digits) if math.isfinite(value) else None


def _pair(pair: Comparison, rows: Sequence[tuple[Row, Row]]) -> Entry:
    """Two methods in a line, and their first plans, where both plan."""
    planned = [(a.info.get(FIRST_PLAN), b.info.get(FIRST_PLAN)) for a, b in rows]
    known = [(bool(a), bool(b)) for a, b in planned if a is not None and b is not None]
    return {
        f"{pair.first} less": pair.second,
        "n": pair.safe.n,
        "success": str(pair.success),
        "safe": str(pair.safe),
        "success and safe": str(pair.success_and_safe),
        "first plan": str(PairedDifference.of(known)) if known else None,
    }


def _figure(reports: Mapping[str, SafetyReport]) -> Figure:
    """Rates of all methods with their intervals, and how long their plans take."""
    panels: dict[str, Callable[[SafetyReport], Rate]] = {
        "success": lambda report: report.success,
        "safe": lambda report: report.safe,
        "success and safe": lambda report: report.success_and_safe,
    }
    figure = Figure(figsize=(12, 0.3 * len(reports) + 1.4), layout="constrained")
    *rates, times = figure.subplots(1, 4, sharey=True)
    for axes, (name, rate) in zip(rates, panels.items(), strict=True):
        for k, report in enumerate(reports.values()):
            low, high = rate(report).interval
            value = rate(report).value
            axes.errorbar(
                value, k, xerr=[[value - low], [high - value]], fmt="o", color="C0", capsize=3
            )
        axes.set(title=name, xlim=(-0.02, 1.02))
    for k, report in enumerate(reports.values()):
        times.plot(report.wall_time, (k, k), "|-", color="C1")
    times.set(title="plan [s], median to 95 %", xscale="log", xlim=(0.01, 10))
    rates[0].set(yticks=range(len(reports)), yticklabels=list(reports))
    rates[0].invert_yaxis()
    for axes in (*rates, times):
        axes.grid(axis="x", alpha=0.3)
    return figure
