"""Methods on one protocol side by side: every rate with n and interval, and paired with one method.

Writes a table (.md), all numbers (.json) and a figure (.png) beside the results, under the name of
the protocol.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glass_plan.errors import RequestError, did_you_mean
from glass_plan.evaluation import load_results
from glass_plan.goals import AHEAD, AT_LEAST, SIGNIFICANT, Goal, load_goals
from glass_plan.provenance import made_by
from glass_plan.report.earlier import Told, completed, load_comparison
from glass_plan.results import Results, Row
from glass_plan.safety import Comparison, SafetyReport, compare, paired
from glass_plan.statistics import PairedDifference, Rate
from glass_plan.tables import Entry, markdown_table

FIRST_PLAN = "first_feasible"
"""Measure of whether the first plan satisfied everything."""
UNGUIDED = "unguided"
"""The method whose plans are the measure of roughness."""


def write_comparison(
    folder: Path, against: str, goals: Path | None = None, beside: Path | None = None
) -> str:
    """Compare all methods of a results folder; returns the Markdown that it writes.

    Args:
        folder: of results of one protocol.
        against: method that the others are paired with.
        goals: file of what is wanted (``goals.load_goals``).
        beside: what an earlier comparison wrote (.json), whose methods without rows here are shown
            as they were then.

    Raises:
        RequestError: no results of that method.
        ProtocolError: no protocol, foreign rows, cases left out, a file of goals that is none, or
            an earlier comparison that these rows do not go with (``earlier.completed``).
    """
    results = load_results(folder)
    if against not in results:
        raise RequestError(
            f"compare: no rows of {against!r}, which all are paired with, in {folder}"
            f"{did_you_mean(against, results)}"
        )
    protocol = results[against].protocol
    whole = _whole(results, against)
    if beside is not None:
        whole = completed(whole, load_comparison(beside), results[against])
    _compare_roughness(whole)
    wanted = {} if goals is None else load_goals(goals, protocol.name)
    reached = [
        goal
        for name, asked in wanted.items()
        if name in whole["methods"]
        for goal in _goals(name, asked, whole, results)
    ]
    text = f"# {whole['title']}\n\n"
    text += "".join(f"{sentence}\n\n" for sentence in whole["text"])
    for lines in filter(None, (whole["table"], whole["paired table"])):
        text += markdown_table(lines) + "\n"
    text += "".join(f"- {goal}\n" for goal in reached)
    if goals is not None and not wanted:
        text += f"- {goals} has no goals for {protocol.name!r}\n"
    whole["goals"] = [{**asdict(goal), "met": goal.met} for goal in reached]
    (folder / f"{protocol.name}.json").write_text(json.dumps(whole, indent=1, allow_nan=False))
    (folder / f"{protocol.name}.md").write_text(text)
    _figure(whole["methods"]).savefig(folder / f"{protocol.name}.png", dpi=150)
    return text


def _whole(results: Mapping[str, Results], against: str) -> Told:
    """All that rows tell."""
    reports = {name: SafetyReport.from_rows(r.rows, name) for name, r in results.items()}
    others = [r for name, r in results.items() if name != against]
    compared = [compare(results[against], other) for other in others]
    protocol = results[against].protocol
    return {
        "title": f"{protocol.name}, protocol {protocol.digest}",
        "made by": made_by(row.commit for r in results.values() for row in r.rows),
        "text": [],
        "goals": [],
        "methods": {
            name: {**report.to_dict(), **_besides(results[name].rows)}
            for name, report in reports.items()
        },
        "table": [_entry(reports[name], results[name]) for name in results],
        "paired": [pair.to_dict() for pair in compared],
        "paired table": [
            _pair(pair, paired(results[against], other))
            for pair, other in zip(compared, others, strict=True)
        ],
    }


def _besides(rows: Sequence[Row]) -> Entry:
    """What a comparison keeps of a method besides its report."""
    return {
        "trapped": _trapped(rows).to_dict(),
        "roughness": _rounded(_mean(rows, "roughness"), 6),
        "settings": sorted({row.settings for row in rows}),
    }


def _entry(report: SafetyReport, results: Results) -> Entry:
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
        "roughness": None,  # of all methods at once
        "plans": round(sum(len(row.nfe) for row in rows) / len(rows), 1),
        "fallback": round(report.outcomes["fallback"] / len(rows), 1),
        "shielded": round(report.outcomes["shielded"] / len(rows), 1),
        "rows": max((n for row in rows for n in row.nfe), default=0),
        "calls": max((int(row.info.get("calls", 0)) for row in rows), default=0),
        "plan s p50": _rounded(report.wall_time[0], 3),
        "plan s p95": _rounded(report.wall_time[1], 3),
        "errors": report.errors,
    }


def _compare_roughness(whole: Told) -> None:
    """Plans' roughness over that of unguided ones, where both are known."""
    rough = {name: method.get("roughness") for name, method in whole["methods"].items()}
    for line in whole["table"]:
        ours, unguided = rough[line["method"]], rough.get(UNGUIDED)
        if ours is not None:
            line["roughness"] = round(ours / unguided, 2) if unguided else None


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
    name: str, wanted: Mapping[str, Any], whole: Told, results: Mapping[str, Results]
) -> list[Goal]:
    """What was wanted of one method and what it did; unfinished baselines count as they are."""
    method = whole["methods"][name]
    got = {
        "success %": 100 * method["success"]["rate"],
        "safe %": 100 * method["safe"]["rate"],
        "both %": 100 * method["success_and_safe"]["rate"],
        "trapped %": 100 * method["trapped"]["rate"],
        "violations": method["entries"] / method["n"],
    }
    units = {label.removesuffix(" %"): label for label in got}
    goals = [
        Goal(f"{name}: {units[key]}", got[units[key]], bound, above=key in AT_LEAST)
        for key, bound in wanted.items()
        if key != AHEAD
    ]
    for other in wanted.get(AHEAD, ()):
        pair = _pair_of(name, other, whole, results)
        if pair is not None:
            p = pair["p_value"] if pair["difference"] > 0 else 1.0
            told = f"{name} ahead of {other} in success and safety, n = {pair['n']}: p"
            goals.append(Goal(told, p, SIGNIFICANT))
        else:
            why = "not paired with it" if other in whole["methods"] else "not run"
            goals.append(Goal(f"{name} ahead of {other}, which was {why}: p", 1.0, SIGNIFICANT))
    return goals


def _pair_of(
    name: str, other: str, whole: Told, results: Mapping[str, Results]
) -> Mapping[str, Any] | None:
    """Two methods in success and safety: as they were paired, else of rows if both have some."""
    for pair in whole["paired"]:
        if (pair["first"], pair["second"]) == (name, other):
            found: Told = pair["success_and_safe"]
            return found
    if name in results and other in results:
        return compare(results[name], results[other]).success_and_safe.to_dict()
    return None


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


def _figure(methods: Mapping[str, Entry]) -> Figure:
    """Rates of all methods with their intervals, and how long their plans take."""
    figure = Figure(figsize=(12, 0.3 * len(methods) + 1.4), layout="constrained")
    *rates, times = figure.subplots(1, 4, sharey=True)
    panels = ("success", "safe", "success_and_safe")
    for axes, panel in zip(rates, panels, strict=True):
        for k, method in enumerate(methods.values()):
            value, (low, high) = method[panel]["rate"], method[panel]["interval"]
            axes.errorbar(
                value, k, xerr=[[value - low], [high - value]], fmt="o", color="C0", capsize=3
            )
        axes.set(title=panel.replace("_", " "), xlim=(-0.02, 1.02))
    for k, method in enumerate(methods.values()):
        if None not in method["wall_time"]:
            times.plot(method["wall_time"], (k, k), "|-", color="C1")
    times.set(title="plan [s], median to 95 %", xscale="log", xlim=(0.01, 10))
    rates[0].set(yticks=range(len(methods)), yticklabels=list(methods))
    rates[0].invert_yaxis()
    for axes in (*rates, times):
        axes.grid(axis="x", alpha=0.3)
    return figure
