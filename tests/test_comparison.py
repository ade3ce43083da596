"""Comparisons: methods side by side and paired, of rows that are written by hand."""

from __future__ import annotations

import json
import sys

import pytest

from glass_plan.cli import main
from glass_plan.errors import ProtocolError, RequestError
from glass_plan.evaluation import keep_protocol, results_path
from glass_plan.report.comparison import _every_seed, write_comparison
from glass_plan.results import EvalProtocol, Row, append_row

PROTOCOL = EvalProtocol("tiny", "Maze-v0", "", (1000, 1001), 100, 300, (0, 1))
CASES = PROTOCOL.cases
SHORTEST, DURATION = 4.5, (3.0, 2.0, 2.5, 2.1)


def rows(
    safe: str,
    success: str = "yyyy",
    *,
    commit: str = "c0ffee0",
    settings: str = "5e771465",
    roughness: float = 0.4,
) -> list[Row]:
    """A row for each letter: y for yes, n for no; every drive is twice the shortest way."""
    return [
        Row(
            seed=seed,
            sampler_seed=sampler_seed,
            success=arrived == "y",
            safe=kept == "y",
            violations={"disc": int(kept == "n")},
            violated_time=0.1 * (kept == "n"),
            clearance={"disc": 0.1 if kept == "y" else -0.1},
            outcomes={"planned": 1},
            nfe=(96,),
            wall_time=(0.25,),
            info={
                "duration": duration,
                "length": 2 * SHORTEST,
                "length_ratio": 2.0,
                "trapped": float(arrived == "n"),
                "roughness": roughness,
                "first_feasible": float(kept == "y"),
            },
            commit=commit,
            settings=settings,
        )
        for (seed, sampler_seed), kept, arrived, duration in zip(
            CASES, safe, success, DURATION, strict=False
        )
    ]


@pytest.fixture
def evaluated(tmp_path):
    """Writes a results folder."""

    def write(name: str, **methods: list[Row]):
        folder = tmp_path / name
        keep_protocol(folder, PROTOCOL)
        for method, evaluated in methods.items():
            for row in evaluated:
                append_row(results_path(folder, method.replace("_", "-")), row)
        return folder

    return write


@pytest.fixture
def folder(evaluated):
    return evaluated("now", glass_fks=rows("yyyy"), unguided=rows("yn"))


@pytest.fixture
def earlier(evaluated):
    """A comparison of four methods; of some of them there are no rows any more."""
    folder = evaluated(
        "before",
        glass_fks=rows("yyyy", commit="beef001"),
        unguided=rows("nnnn", commit="beef001"),
        best_of_n=rows("yyyy", "ynny", commit="beef002", roughness=0.6),
        mine=rows("yyyn", commit="beef002"),
    )
    write_comparison(folder, "glass-fks")
    return folder / "tiny.json"


def written(folder):
    return json.loads((folder / "tiny.json").read_text())


def by_method(lines, key="method"):
    return {line[key]: line for line in lines}


def test_methods_are_compared_over_the_cases_that_both_ran(folder):
    text = write_comparison(folder, "glass-fks")
    kept = written(folder)
    (pair,) = kept["paired table"]
    assert (pair["glass-fks less"], pair["n"]) == ("unguided", 2)
    assert pair["safe"].startswith("+50.0 points")
    assert str(pair["safe"]) in text
    assert "only first 1, only second 0, p = 1" in pair["first plan"]
    assert [(line["method"], line["n"]) for line in kept["table"]] == [
        ("unguided", 2),
        ("glass-fks", 4),
    ]
    assert kept["table"][1]["s / m"] == pytest.approx(2.4 / SHORTEST, abs=5e-4)
    assert (folder / "tiny.png").stat().st_size > 1000
    assert (folder / "tiny.md").read_text() == text


def test_a_scene_counts_where_every_sampler_seed_did_well():
    good = rows("yyyy")
    assert _every_seed(good).k == 2
    assert (_every_seed(rows("nyyy")).k, _every_seed(good).n) == (1, 2)


def test_a_comparison_with_what_was_not_run_is_refused(folder):
    with pytest.raises(RequestError, match="no rows of 'mppi'"):
        write_comparison(folder, "mppi")


@pytest.fixture
def goals(tmp_path):
    path = tmp_path / "goals.yaml"
    path.write_text(
        "tiny:\n"
        "  glass-fks: {safe: 99, trapped: 1, ahead of: [unguided, best-of-n, mppi]}\n"
        "  best-of-n: {safe: 90, trapped: 10}\n"
        "  mppi: {safe: 1}\n"
    )
    return path


def test_what_was_wanted_is_told_as_met_or_missed(folder, goals):
    text = write_comparison(folder, "glass-fks", goals)
    assert "met: glass-fks: safe % 100, wanted >= 99" in text
    assert "met: glass-fks: trapped % 0, wanted <= 1" in text
    assert "MISSED: glass-fks ahead of mppi, which was not run: p 1" in text
    assert "MISSED: glass-fks ahead of unguided in success and safety, n = 2: p 1, wanted" in text
    assert [goal["met"] for goal in written(folder)["goals"]] == [True, True, *3 * [False]]


def test_goals_of_another_protocol_ask_nothing(folder, goals):
    goals.write_text(goals.read_text().replace("tiny", "other"))
    text = write_comparison(folder, "glass-fks", goals)
    assert "wanted" not in text
    assert "goals.yaml has no goals for 'tiny'" in text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("tiny: {glass-fks: {save: 99}}", "unknown goal 'save'; did you mean 'safe'"),
        ("tiny: {glass-fks: {safe: high}}", "'safe' must be a number, got 'high'"),
        ("tiny: {glass-fks: {ahead of: mppi}}", "'ahead of' must be a list of methods"),
        ("tiny: [glass-fks]", "must be a mapping of methods"),
        ("- tiny", "must be a mapping of methods"),
        ("tiny: {", "cannot be read"),
    ],
)
def test_goals_that_are_none_are_refused(folder, goals, text, match):
    goals.write_text(text)
    with pytest.raises(ProtocolError, match=match):
        write_comparison(folder, "glass-fks", goals)


def test_methods_without_rows_are_shown_as_they_were(folder, earlier):
    before = json.loads(earlier.read_text())
    text = write_comparison(folder, "glass-fks", beside=earlier)
    kept = written(folder)
    names = ["unguided", "best-of-n", "glass-fks", "mine"]
    assert list(kept["methods"]) == [line["method"] for line in kept["table"]] == names
    assert [pair["second"] for pair in kept["paired"]] == ["unguided", "best-of-n", "mine"]
    parts = {"table": "method", "paired": "second", "paired table": "glass-fks less"}
    for part, key in parts.items():
        was, now = by_method(before[part], key), by_method(kept[part], key)
        assert all(now[name] == was[name] for name in ("best-of-n", "mine"))
    assert by_method(kept["table"])["unguided"]["n"] == 2
    assert by_method(kept["paired"], "second")["unguided"]["safe"]["n"] == 2
    assert by_method(kept["paired table"], "glass-fks less")["unguided"]["n"] == 2
    assert "| mine " in text


def test_it_is_told_where_numbers_without_rows_are_from(evaluated, folder, earlier):
    text = write_comparison(folder, "glass-fks", beside=earlier)
    kept = written(folder)
    made = json.loads(earlier.read_text())["made by"]
    assert kept["made by"]["commit"] == "c0ffee0"
    assert kept["kept"] == [{"methods": ["best-of-n", "mine"], "made by": made}]
    assert "earlier comparison (commit beef001, beef002, torch" in text

    later = evaluated("later", glass_fks=rows("yyyy"), mine=rows("yynn"))
    write_comparison(later, "glass-fks", beside=folder / "tiny.json")
    origins = {tuple(source["methods"]): source["made by"] for source in written(later)["kept"]}
    assert origins == {("best-of-n",): made, ("unguided",): kept["made by"]}


def test_a_comparison_beside_what_it_told_is_the_same(earlier):
    before = json.loads(earlier.read_text())
    folder = earlier.parent
    results_path(folder, "unguided").unlink()
    results_path(folder, "mine").unlink()
    write_comparison(folder, "glass-fks", beside=earlier)
    for part in ("title", "methods", "table", "paired", "paired table", "goals"):
        assert written(folder)[part] == before[part]


def test_roughness_is_over_that_of_unguided_plans_whenever_they_were_made(evaluated, earlier):
    folder = evaluated("now", glass_fks=rows("yyyy"), theirs=rows("yyyy", roughness=0.8))
    write_comparison(folder, "glass-fks", beside=earlier)
    table = by_method(written(folder)["table"])
    assert {name: table[name]["roughness"] for name in table} == {
        "unguided": 1.0,
        "best-of-n": 1.5,
        "glass-fks": 1.0,
        "mine": 1.0,
        "theirs": 2.0,
    }


def test_goals_count_methods_without_rows(folder, earlier, goals):
    text = write_comparison(folder, "glass-fks", goals, beside=earlier)
    assert "ahead of best-of-n in success and safety, n = 4: p 0.5, wanted" in text
    assert "ahead of mppi, which was not run" in text
    assert "met: best-of-n: safe % 100, wanted >= 90" in text
    assert "MISSED: best-of-n: trapped % 50, wanted <= 10" in text


def test_what_was_never_paired_is_not_called_not_run(folder, earlier, goals):
    goals.write_text("tiny: {unguided: {ahead of: [mine]}}")
    text = write_comparison(folder, "glass-fks", goals, beside=earlier)
    assert "MISSED: unguided ahead of mine, which was not paired with it: p 1" in text


@pytest.mark.parametrize(
    ("ours", "match"),
    [
        (rows("yyny"), r"did \(4, 4, 4\) then and \(4, 3, 3\) here"),
        (rows("yyyy", "nyyy"), r"did \(4, 4, 4\) then and \(3, 4, 3\) here"),
        (rows("yyy"), "paired over 4 cases, of which 'glass-fks' lacks 1 here; evaluate 4"),
        (rows("yyyy", settings="0ther"), "had the settings .'5e771465'. then"),
    ],
)
def test_another_method_of_the_same_name_is_not_shown_beside(evaluated, earlier, ours, match):
    with pytest.raises(ProtocolError, match=match):
        write_comparison(evaluated("other", glass_fks=ours), "glass-fks", beside=earlier)


def test_more_rows_than_were_paired_are_welcome(evaluated, folder):
    write_comparison(folder, "glass-fks")
    few = evaluated("few", glass_fks=rows("yyyn"))
    write_comparison(few, "glass-fks", beside=folder / "tiny.json")  # paired over two
    assert list(written(few)["methods"]) == ["unguided", "glass-fks"]
    bad = evaluated("bad", glass_fks=rows("nyyy"))
    with pytest.raises(ProtocolError, match="in the 2 cases that 'unguided'"):
        write_comparison(bad, "glass-fks", beside=few / "tiny.json")


def test_what_was_told_before_has_to_go_with_the_rows(folder, earlier, tmp_path):
    def refused(match, against="glass-fks", beside=earlier):
        with pytest.raises(ProtocolError, match=match):
            write_comparison(folder, against, beside=beside)

    refused("'best-of-n' was not paired with 'unguided', but with 'glass-fks'", against="unguided")
    refused(r"tiny.md: cannot be read \(JSONDecodeError\)", beside=earlier.with_suffix(".md"))
    refused(r"gone.json: cannot be read \(FileNotFoundError\)", beside=tmp_path / "gone.json")

    before = json.loads(earlier.read_text())
    earlier.write_text(json.dumps(before | {"title": "tiny, protocol 0123456789abcdef"}))
    refused(f"are of 'tiny, protocol 0123456789abcdef', these .* {PROTOCOL.digest}")
    del before["methods"]["mine"]["trapped"]
    earlier.write_text(json.dumps(before))
    refused("not a comparison as this version writes it")


def test_the_command_line_compares_beside_what_was_kept(folder, earlier, monkeypatch, capsys):
    asked = ["glass-plan", "compare", str(folder), "--beside", str(earlier)]
    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "best-of-n" in capsys.readouterr().out
