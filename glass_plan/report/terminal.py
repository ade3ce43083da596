"""The report as a table in the terminal, one row a method."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import JustifyMethod
from rich.table import Table

from glass_plan.safety import SafetyReport
from glass_plan.statistics import Rate


def summary_table(reports: Sequence[SafetyReport]) -> Table:
    """Success and safety side by side, with n and intervals; fits 80 columns."""
    title = f"{reports[0].n} scenes: k/n [95 % interval], entries into violation"
    table = Table(box=SIMPLE_HEAD, title=title)
    for heading in ("method", "success", "safe", "entries", "rows", "plan"):
        side: JustifyMethod = "left" if heading == "method" else "right"
        table.add_column(heading, justify=side, no_wrap=True)
    for report in reports:
        table.add_row(
            report.name,
            _short(report.success),
            _short(report.safe),
            str(report.entries),
            f"{report.nfe:.0f}",
            f"{1e3 * report.wall_time[0]:.0f} ms",
        )
    return table


def _short(rate: Rate) -> str:
    """k/n and the interval in whole percent."""
    low, high = rate.interval
    return f"{rate.k}/{rate.n} [{100 * low:.0f}, {100 * high:.0f}]"
