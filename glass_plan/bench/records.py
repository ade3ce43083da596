"""What every benchmark writes: rows as JSON lines while it runs, then one JSON file and one table.

A row is known by its key (the settings that made it), says which commit measured it, and is not
measured again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from glass_plan.errors import DataError
from glass_plan.goals import Goal
from glass_plan.jsonl import append_line, read_lines
from glass_plan.provenance import commit, made_by
from glass_plan.tables import Entry, markdown_table


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

    def get(self, key: Mapping[str, Any]) -> Entry | None:
        """The row with this key, if it was measured."""
        wanted = json.loads(json.dumps(dict(key)))
        found = (row for row in self.rows if all(row.get(k) == v for k, v in wanted.items()))
        return next(found, None)

    def measured(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> Entry:
        """The row with this key; measured and appended if there is none."""
        found = self.get(key)
        if found is None:
            found = {**key, **measure(), "commit": commit()}
            append_line(self.path("jsonl"), found)
        return found

    def finish(
        self,
        columns: Sequence[str],
        table: Sequence[Entry],
        *,
        title: str,
        goals: Sequence[Goal] = (),
    ) -> str:
        """Write table and goals as JSON and as Markdown; returns the Markdown."""
        text = f"# {title}\n\n{markdown_table(table, columns)}"
        if goals:
            text += "\n" + "".join(f"- {goal}\n" for goal in goals)
        whole = {
            "title": title,
            "made by": made_by(row["commit"] for row in self.rows),
            "table": [{c: row.get(c) for c in columns} for row in table],
            "goals": [{**asdict(goal), "met": goal.met} for goal in goals],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path("json").write_text(json.dumps(whole, indent=1))
        self.path("md").write_text(text)
        return text


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error; not a number from too few."""
    found = np.array(values)
    mean = float(found.mean()) if len(found) else float("nan")
    error = found.std(ddof=1) / len(found) ** 0.5 if len(found) > 1 else float("nan")
    return mean, float(error)


def mean_over(rows: Sequence[Entry], columns: Sequence[str]) -> Entry:
    """Means of the columns; the first row's entries for all others."""
    return {**rows[0], **{c: sum(row[c] for row in rows) / len(rows) for c in columns}}


def grouped(rows: Sequence[Entry], by: Sequence[str]) -> list[list[Entry]]:
    """Rows that are alike in some entries, in the order of their first."""
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return list(groups.values())
