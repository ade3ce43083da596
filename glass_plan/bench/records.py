"""What every benchmark writes: rows as JSON lines while it runs, then one JSON file and one table.

A row is known by its key (the settings that made it); a row that is there is not measured again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glass_plan.errors import DataError
from glass_plan.jsonl import append_line, read_lines

Entry = dict[str, Any]


class Record:
    """The rows of one benchmark.

    Args:
        folder: of all output.
        name: of the benchmark; the files are NAME.jsonl, NAME.json, NAME.md, NAME.png.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def path(self, suffix: str) -> Path:
        """One of the files."""
        return self.folder / f"{self.name}.{suffix}"

    @property
    def rows(self) -> list[Entry]:
        """All rows so far, each with its key's entries.

        Raises:
            DataError: a complete line that is no row.
        """
        path = self.path("jsonl")
        try:
            return [dict(json.loads(line)) for line in read_lines(path)]
        except ValueError as error:
            raise DataError(f"{path}: not a benchmark row ({error}); delete the file") from error

    def has(self, key: Mapping[str, Any]) -> bool:
        """Whether a row with this key was measured."""
        wanted = json.loads(json.dumps(dict(key)))
        return any(all(row.get(k) == v for k, v in wanted.items()) for row in self.rows)

    def add(self, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Append a measured row."""
        append_line(self.path("jsonl"), {**key, **values})

    def finish(self, columns: Sequence[str], table: Sequence[Entry], *, title: str) -> str:
        """Write the rows as JSON and the table as Markdown; returns the table."""
        text = markdown_table(columns, table)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path("json").write_text(json.dumps({"title": title, "rows": self.rows}, indent=1))
        self.path("md").write_text(f"# {title}\n\n{text}")
        return text


def markdown_table(columns: Sequence[str], rows: Sequence[Entry]) -> str:
    """A table with aligned columns; numbers to the right, missing entries as a dash."""
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
