"""Writes the tables of docs/benchmark.md from what ``glass-plan bench`` and ``compare`` wrote.

python experiments/benchmark_page.py --results out/bench

Results and figures are kept in docs/benchmark/; the page's tables stand between its marks.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import tyro

from glass_plan.evaluation import PROTOCOL_FILE
from glass_plan.goals import Goal
from glass_plan.tables import Entry, markdown_table

BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
DOCS = Path(__file__).resolve().parents[1] / "docs"


@dataclass
class Args:
    """Where the results are.

    Args:
        results: folder that the benchmarks wrote; by default only the page is made anew.
    """

    results: Path | None = None


def main(args: Args) -> None:
    """Keep the results, fill the page."""
    kept, page = DOCS / "benchmark", DOCS / "benchmark.md"
    for path in sorted(args.results.iterdir()) if args.results else ():
        if path.suffix in (".json", ".png") and path.name != PROTOCOL_FILE:
            shutil.copy(path, kept)
    page.write_text(filled(page.read_text(), kept))


def filled(page: str, kept: Path) -> str:
    """The page with its blocks made from the kept results."""

    def block(match: re.Match[str]) -> str:
        result = json.loads((kept / f"{match[2]}.json").read_text())
        return f"{match[1]}{shown(result)}{match[3]}"

    return BLOCK.sub(block, page)


def shown(result: Entry) -> str:
    """How it was made, what it says in words, the goals, the table, and the pairs if any."""
    made = result["made by"]
    text = f"`{made['command']}`, commit {made['commit']}, torch {made['torch']}, "
    text += f"threads: {made['threads']}.\n\n"
    text += "".join(f"{sentence}\n\n" for sentence in result.get("text", ()))
    for goal in result["goals"]:
        del goal["met"]
        text += f"- {Goal(**goal)}\n"
    tables = [result["table"], result.get("paired table", [])]
    return text + "".join(f"\n{markdown_table(t)}" for t in tables if t)


if __name__ == "__main__":
    main(tyro.cli(Args))
