"""Tables in Markdown, made from rows by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]
"""A row: values by column."""


def markdown_table(rows: Sequence[Entry], columns: Sequence[str] | None = None) -> str:
    """A table with aligned columns; numbers to the right, missing entries as a dash.

    Args:
        rows: of which no one has to have every column.
        columns: in order; by default all that a row has.
    """
    if columns is None:
        columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[_shown(row.get(column)) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(line[k]) for line in cells), 3) if cells else len(column)
        for k, column in enumerate(columns)
    ]
    numeric = [all(not isinstance(row.get(column), str) for row in rows) for column in columns]
    rule = ["-" * (w - 1) + ":" if n else "-" * w for w, n in zip(widths, numeric, strict=True)]
    lines = [list(columns), rule, *cells]
    return "".join(f"| {' | '.join(_fit(line, widths, numeric))} |\n" for line in lines)


def _fit(line: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    fitted = zip(line, widths, numeric, strict=True)
    return [cell.rjust(w) if n else cell.ljust(w) for cell, w, n in fitted]


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
