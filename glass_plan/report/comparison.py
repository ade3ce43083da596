"""Methods on one protocol side by side: every rate with n and interval, and paired with one method.

Writes a table (.md), all numbers (.json) and a figure (.png) beside the results, under the name of
the protocol.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from glass_plan.errors import RequestError, did_you_mean
from glass_plan.evaluation import load_results
from glass_plan.provenance import made_by
from glass_plan.results import Results, Row
from glass_plan.safety import Comparison, SafetyReport, compare
from glass_plan.statistics import Rate
from glass_plan.tables import Entry, markdown_table

UNGUIDED = "unguided"
"""The method whose plans are the measure of roughness."""


def write_comparison(folder: Path, against: str) -> str:
    """Compare all methods of a results folder; returns the Markdown that it writes.

    Args:
        folder: of results of one protocol.
        against: method that the others are paired with.

    Raises:
        RequestError: no results of that method.
        ProtocolError: no protocol, foreign rows, or cases left out.
    """
    results = load_results(folder)
    if against not in results:
        raise RequestError(
            f"compare: no rows of {against!r} in {folder}{did_you_mean(against, results)}"
        )
    reports = {name: SafetyReport.from_rows(r.rows, name) for name, r in results.items()}
    rough = _mean(results[UNGUIDED].rows, "roughness") if UNGUIDED in results else math.nan
    table = [_entry(reports[name], results[name], rough) for name in results]
    paired = [compare(results[against], r) for name, r in results.items() if name != against]
    protocol = results[against].protocol
    title = f"{protocol.name}, protocol {protocol.digest}"
    text = f"# {title}\n\n{markdown_table(list(table[0]), table)}\n{_paired(paired)}"
    whole = {
        "title": title,
        "made by": made_by(row.commit for r in results.values() for row in r.rows),
        "methods": {name: report.to_dict() for name, report in reports.items()},
        "goals": [],
        "table": table,
        "paired": [pair.to_dict() for pair in paired],
        "paired text": [str(pair) for pair in paired],
    }
    (folder / f"{protocol.name}.json").write_text(json.dumps(whole, indent=1, allow_nan=False))
    (folder / f"{protocol.name}.md").write_text(text)
    _figure(reports).savefig(folder / f"{protocol.name}.png", dpi=150)
    return text


def _entry(report: SafetyReport, results: Results, rough: float) -> Entry:
    rows = results.rows
    trapped = Rate(round(sum(row.info.get("trapped", 0.0) for row in rows)), len(rows))
    return {
        "method": report.name,
        "n": report.n,
        "success": str(report.success).strip(),
        "safe": str(report.safe).strip(),
        "both": str(report.success_and_safe).strip(),
        "trapped": str(trapped).strip(),
        "entries": report.entries,
        "violated s": _rounded(report.violated_time, 2),
        "length": _rounded(_mean([row for row in rows if row.success], "length_ratio"), 2),
        "time s": _rounded(_mean([row for row in rows if row.success], "duration"), 2),
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


def _mean(rows: Sequence[Row], name: str) -> float:
    found = [row.info[name] for row in rows if name in row.info]
    return float(np.mean(found)) if found else math.nan


def _rounded(value: float, digits: int) -> float | None:
    """For a table; None for what is not known."""
    return round(value, digits) if math.isfinite(value) else None


def _paired(pairs: Sequence[Comparison]) -> str:
    return "".join(f"\n```\n{pair}\n```\n" for pair in pairs)


def _figure(reports: Mapping[str, SafetyReport]) -> Figure:
    """Rates of all methods with their intervals."""
    panels: dict[str, Callable[[SafetyReport], Rate]] = {
        "success": lambda report: report.success,
        "safe": lambda report: report.safe,
        "success and safe": lambda report: report.success_and_safe,
    }
    figure = Figure(figsize=(10, 0.35 * len(reports) + 1.4), layout="constrained")
    for axes, (name, rate) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
        for k, report in enumerate(reports.values()):
            low, high = rate(report).interval
            value = rate(report).value
            axes.errorbar(
                value, k, xerr=[[value - low], [high - value]], fmt="o", color="C0", capsize=3
            )
        axes.set(title=name, xlim=(-0.02, 1.02), yticks=range(len(reports)))
        axes.set_yticklabels(list(reports))
        axes.grid(axis="x", alpha=0.3)
    axes.invert_yaxis()
    return figure
