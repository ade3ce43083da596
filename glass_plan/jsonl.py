"""Files of JSON lines that only grow: an interrupted run resumes from what its file holds.

A line cut short by a kill is no line: it is skipped on reading and removed before the next is
appended. One process writes a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_line(path: str | Path, entry: Mapping[str, Any]) -> None:
    """Add one line; makes the file and its folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _drop_half_line(path)
    with path.open("ab") as file:
        file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")


def read_lines(path: str | Path) -> list[bytes]:
    """The complete lines of a file; none if there is no file yet."""
    path = Path(path)
    text = path.read_bytes() if path.exists() else b""
    return text[: text.rfind(b"\n") + 1].splitlines()


def _drop_half_line(path: Path) -> None:
    """Cut a file back to its last line end."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
