"""Benchmark rows: measured once, kept in order, shown as tables and goals."""

from __future__ import annotations

import json
import math
import subprocess

import pytest

from glass_plan.bench.records import Record, grouped, mean_and_error, mean_over
from glass_plan.errors import DataError
from glass_plan.goals import Goal
from glass_plan.provenance import commit
from glass_plan.tables import markdown_table


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "out", "speed")


def test_a_row_is_measured_once(record):
    calls = []

    def measure():
        calls.append(1)
        return {"ms": 1.5}

    first = record.measured({"method": "a", "steps": (1, 2)}, measure)
    again = Record(record.folder, "speed").measured({"method": "a", "steps": (1, 2)}, measure)
    assert first["ms"] == again["ms"] == 1.5
    assert len(calls) == 1


def test_another_key_is_another_row(record):
    record.measured({"method": "a"}, lambda: {"ms": 1.0})
    assert record.measured({"method": "b"}, lambda: {"ms": 2.0})["ms"] == 2.0
    assert [row["method"] for row in record.rows] == ["a", "b"]
    assert record.get({"method": "c"}) is None


def test_a_measurement_that_raises_leaves_no_row(record):
    with pytest.raises(ZeroDivisionError):
        record.measured({"method": "a"}, lambda: {"ms": 1 / 0})
    assert record.rows == []


def test_a_line_that_was_cut_is_measured_again(record):
    record.measured({"method": "a"}, lambda: {"ms": 1.0})
    with record.path("jsonl").open("a") as file:
        file.write('{"method": "b", "m')
    assert record.measured({"method": "b"}, lambda: {"ms": 2.0})["ms"] == 2.0
    assert len(record.rows) == 2


def test_a_line_that_is_no_row_is_named(record):
    record.folder.mkdir()
    record.path("jsonl").write_text("not json\n")
    with pytest.raises(DataError, match=r"speed\.jsonl: not a benchmark row .* delete the file"):
        _ = record.rows


def test_finish_writes_table_and_goals(record):
    goals = [Goal("ratio", 1.3, 1.25), Goal("share %", 99.0, 95.0, above=True)]
    text = record.finish(("what", "ms"), [{"what": "ode", "ms": 1.5}], title="Speed", goals=goals)
    whole = json.loads(record.path("json").read_text())
    assert record.path("md").read_text() == text
    assert whole["table"] == [{"what": "ode", "ms": 1.5}]
    assert whole["made by"]["threads"] >= 1
    assert [goal["met"] for goal in whole["goals"]] == [False, True]
    assert "- MISSED: ratio 1.3, wanted <= 1.25\n- met: share % 99, wanted >= 95\n" in text


def test_a_result_names_the_commit_of_its_sources(repository):
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    asked = ("git", "rev-parse", "--short", "HEAD")
    head = subprocess.run(asked, cwd=repository, capture_output=True, text=True, check=True)
    assert commit().startswith(head.stdout.strip())


def test_a_table_names_the_commits_that_measured_its_rows(record, monkeypatch):
    for k, name in enumerate(("bbb", "aaa", "bbb")):
        monkeypatch.setattr("glass_plan.bench.records.commit", lambda name=name: name)
        record.measured({"k": k}, lambda: {"ms": 1.0})
    record.finish(("k", "ms"), record.rows, title="Speed")
    assert json.loads(record.path("json").read_text())["made by"]["commit"] == "aaa, bbb"


def test_the_error_of_a_mean_needs_two_values():
    assert mean_and_error([1.0, 3.0]) == (2.0, 1.0)
    assert all(math.isnan(x) for x in mean_and_error([]))
    assert math.isnan(mean_and_error([1.0])[1])


def test_a_result_without_git_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() == "unknown"


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("x", 1.0, 1.0), True),
        (Goal("x", 1.1, 1.0), False),
        (Goal("x", 1.1, 1.0, above=True), True),
        (Goal("x", 0.9, 1.0, above=True), False),
        (Goal("x", math.nan, 1.0), False),
        (Goal("x", math.nan, 1.0, above=True), False),
    ],
)
def test_a_goal_is_met_on_its_side_of_the_bound(goal, met):
    assert goal.met is met


def test_groups_keep_the_order_of_their_first_row():
    rows = [{"m": "b", "x": 1.0}, {"m": "a", "x": 2.0}, {"m": "b", "x": 3.0}]
    found = grouped(rows, ("m",))
    assert [[row["x"] for row in group] for group in found] == [[1.0, 3.0], [2.0]]
    assert mean_over(found[0], ("x",)) == {"m": "b", "x": 2.0}


def test_a_table_aligns_numbers_to_the_right_and_dashes_what_is_missing():
    text = markdown_table([{"name": "a", "x": 1.23456}, {"name": "bcd", "x": None}])
    assert text.splitlines() == [
        "| name |     x |",
        "| ---- | ----: |",
        "| a    | 1.235 |",
        "| bcd  |     - |",
    ]


def test_a_table_has_all_columns_that_a_row_has_or_those_that_are_named():
    lines = [{"name": "a"}, {"x": 1, "name": "b"}]
    assert markdown_table(lines).splitlines()[0] == "| name |   x |"
    assert markdown_table(lines, ("x",)).splitlines() == [
        "|   x |",
        "| --: |",
        "|   - |",
        "|   1 |",
    ]
