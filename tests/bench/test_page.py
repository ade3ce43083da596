"""The page of benchmarks holds what its results say, and nothing else in its tables."""

from __future__ import annotations

import json
import re

from experiments.benchmark_page import BLOCK, DOCS, filled

PAGE = DOCS / "benchmark.md"


def test_the_page_is_made_from_the_kept_results():
    assert filled(PAGE.read_text(), DOCS / "benchmark") == PAGE.read_text()


def test_every_kept_result_is_on_the_page():
    shown = {match[2] for match in BLOCK.finditer(PAGE.read_text())}
    assert shown == {path.stem for path in (DOCS / "benchmark").glob("*.json")}


def test_a_missed_goal_is_told_as_missed():
    """Also by the words below the tables: each part that misses a goal says so."""
    text = PAGE.read_text()
    for match in BLOCK.finditer(text):
        result = json.loads((DOCS / "benchmark" / f"{match[2]}.json").read_text())
        missed = sum(not goal["met"] for goal in result["goals"])
        assert match[0].count("- MISSED: ") == missed
        if missed:
            after = re.split(r"^## ", text[match.end() :], flags=re.MULTILINE)[0]
            assert "missed" in after, match[2]
