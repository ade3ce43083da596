"""Markdown pages as the tests read them: their Python, their prose, their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def python_blocks(page: Path) -> list[str]:
    """What stands in its ```python fences, in order."""
    return [body for language, body in FENCE.findall(page.read_text()) if language == "python"]


def run_block(page: Path, block: str, namespace: dict[str, Any]) -> None:
    """Run a block of a page; a traceback names the page."""
    exec(compile(block, str(page), "exec"), namespace)


def prose(page: Path) -> str:
    """The text without its fences."""
    return FENCE.sub("", page.read_text())


def code_spans(page: Path) -> Iterator[str]:
    """What stands between single backticks."""
    return (span.strip() for span in re.findall(r"`([^`\n]+)`", prose(page)))


def relative_links(page: Path) -> Iterator[str]:
    """Targets of its links that lead to files, without their anchors."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"\w+:|#", target):
            yield target.split("#")[0]
