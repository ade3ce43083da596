"""The command line: help with examples, exit codes, machine-readable output."""

from __future__ import annotations

import json
import sys

import jsonschema
import minari
import pytest

from glass_plan import cli
from glass_plan.checkpoint import from_pretrained
from glass_plan.cli.console import BAD_REQUEST, INFEASIBLE
from tests.models import MODEL

PLAN = ["plan", MODEL, "--start", "-1", "-1", "--goal", "-1", "1"]


@pytest.fixture
def run(monkeypatch):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["glass-plan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return call


@pytest.mark.parametrize(
    "command", [*cli.COMMANDS, "bench mixture", "bench transitions", "bench overhead"]
)
def test_help_shows_an_example(run, capsys, command):
    assert run(*command.split(), "--help") == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"Example: glass-plan {command}" in shown


def test_a_plan_is_printed_as_json(run, capsys, tmp_path):
    assert run(*PLAN, "--json", "--picture", tmp_path / "plan.png") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["status"] == "feasible"
    assert len(result["states"]) == len(result["times"]) == len(result["actions"])
    assert (tmp_path / "plan.png").stat().st_size > 1000


def test_an_infeasible_plan_exits_with_three(run, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text("avoid: {box: {low: [0.4, -0.6], high: [1.6, 0.6]}}")
    assert run(*PLAN, "--spec", spec) == INFEASIBLE == 3


def test_a_plan_is_checked_by_a_specification(run, capsys, tmp_path):
    assert run(*PLAN, "--json") == 0
    plan, spec = tmp_path / "plan.json", tmp_path / "spec.yaml"
    plan.write_text(capsys.readouterr().out)
    spec.write_text(
        "all: [{speed_limit: 9, name: slow}, {reach: {ball: {center: [-1, 1], radius: 0.5}}}]"
    )
    assert run("check", spec, plan) == 0
    assert "slow" in capsys.readouterr().out
    spec.write_text("avoid: {ball: {center: [-1, 1], radius: 0.1}}")
    assert run("check", spec, plan, "--json") == INFEASIBLE
    verdicts = json.loads(capsys.readouterr().out)
    assert not verdicts["met"]
    assert verdicts["constraints"][0]["decided_by"] == ["avoid_ball"]
    assert verdicts["constraints"][0]["first_violation"] > 0
    plan.write_text("{}")
    assert run("check", spec, plan) == BAD_REQUEST
    spec.write_text("avid: 3")
    assert run("check", spec, plan) == BAD_REQUEST


def test_the_schema_is_printed(run, capsys):
    assert run("schema") == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["plan", "maze2d-lage", "--start", "0", "0", "--goal", "1", "1"], "maze2d-large"),
        (["plan", MODEL, "--start", "0", "0", "--goal", "1", "1"], "violates 'walls'"),
        (["plan", MODEL, "--start", "nan", "0", "--goal", "1", "1"], "got [nan, 0.0"),
        ([*PLAN, "--picture", "/proc/none/plan.png"], "/proc/none"),
        (["collect", "maze2d-hug"], "did you mean"),
        (["collect", MODEL, "--steps", "0"], "--steps must be at least 1, got 0"),
        (["collect", MODEL, "--episodes", "3"], "not counted by --episodes; give --steps"),
        (["collect", "pickcube", "--steps", "3"], "not counted by --steps; give --episodes"),
        (["demo", "--scenes", "0"], "--scenes must be at least 1"),
        (["demo", "--workers", "-1"], "--workers must be at least 1"),
        (["bench", "mixture", "--outputs", "0"], "--outputs must be at least 1"),
        (["bench", "overhead", "--model", "maze2d-lage"], "maze2d-large"),
        (["train", MODEL, "--data", "glass_plan/none-v0"], "no local Minari data set"),
    ],
)
def test_a_bad_request_exits_with_two_and_says_why(run, capsys, arguments, text):
    assert run(*arguments) == BAD_REQUEST == 2
    assert text in " ".join(capsys.readouterr().err.split())


def test_doctor_names_the_checkpoints(run, capsys):
    assert run("doctor") == 0
    assert MODEL in capsys.readouterr().err


def test_collected_data_train_a_model_that_loads(run, tmp_path):
    assert run("collect", MODEL, "--steps", 3000, "--workers", 1) == 0
    assert minari.load_dataset(f"glass_plan/{MODEL}-v0").total_steps >= 3000
    out = tmp_path / "run"
    assert run("train", MODEL, "--steps", 2, "--batch", 4, "--out", out) == 0
    prior, _ = from_pretrained(str(out / "pretrained"))
    assert prior.horizon > 0


def test_a_benchmark_prints_its_table_and_writes_it(run, capsys, tmp_path):
    assert run("bench", "overhead", "--model", MODEL, "--repeats", 1, "--out", tmp_path) == 0
    assert "| fk, ten constraints |" in capsys.readouterr().out
    assert (tmp_path / "overhead.png").stat().st_size > 1000
