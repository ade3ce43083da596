"""Evaluation: resumable, the same for any number of workers, and measures worked by hand."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from glass_plan.arms import ARMS, Arm, arm_for
from glass_plan.cli import main
from glass_plan.constraints import Avoid, Ball
from glass_plan.errors import ProtocolError, RequestError
from glass_plan.evaluation import (
    evaluate,
    load_results,
    results_folder,
    results_path,
    settings_digest,
)
from glass_plan.executors import Local
from glass_plan.measures import measures, roughness, trapped
from glass_plan.methods import Sampling
from glass_plan.protocols import Scene, dump_suite, load_suite
from glass_plan.records import Episode
from glass_plan.results import append_row, read_rows, sole_writer
from tests import tiny
from tests.test_protocols import HEADER

SPEC = Avoid(Ball((1.3, 0.0), 0.2)).named("disc_1")
ENDS = {"start": (-1.0, -1.0), "goal": (-1.0, 1.0)}
SCENES = [Scene(seed, ENDS, SPEC, 4.5) for seed in (1000, 1001)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    path.write_text(dump_suite(HEADER, SCENES))
    return load_suite(path)


@pytest.fixture(scope="module")
def folder(suite, tmp_path_factory):
    """Results of two methods: one in two sittings on one worker, one at once on two."""
    out = results_folder(tmp_path_factory.mktemp("out"), suite, "reported")
    assert len(list(evaluate(suite, "glass-fks", out, episodes=1, executor=Local(1)))) == 1
    assert len(list(evaluate(suite, "glass-fks", out, episodes=4, executor=Local(1)))) == 3
    assert len(list(evaluate(suite, "unguided", out, episodes=2, executor=Local(2)))) == 2
    return out


def test_a_finished_evaluation_has_nothing_left_to_run(suite, folder):
    before = results_path(folder, "glass-fks").read_bytes()
    assert not list(evaluate(suite, "glass-fks", folder, episodes=4, executor=Local(1)))
    assert results_path(folder, "glass-fks").read_bytes() == before


def test_a_half_written_row_is_run_again(suite, folder, tmp_path):
    path = results_path(tmp_path, "unguided")
    whole = results_path(folder, "unguided").read_bytes()
    path.write_bytes(whole[:-20])
    again = list(evaluate(suite, "unguided", tmp_path, episodes=2, executor=Local(1)))
    assert len(again) == 1
    assert {row.case for row in read_rows(path)} == {(1000, 0), (1001, 0)}


def test_workers_do_not_change_the_rows(suite, folder, tmp_path):
    list(evaluate(suite, "unguided", tmp_path, episodes=2, executor=Local(1)))
    one, two = (
        sorted((replace(row, wall_time=()) for row in read_rows(path)), key=lambda row: row.case)
        for path in (results_path(tmp_path, "unguided"), results_path(folder, "unguided"))
    )
    assert one == two
    assert all(row.commit for row in one)


def test_two_evaluations_do_not_add_to_one_file(suite, tmp_path):
    with sole_writer(results_path(tmp_path, "unguided")):
        with pytest.raises(ProtocolError, match="another evaluation adds rows"):
            list(evaluate(suite, "unguided", tmp_path, episodes=1))
        assert not results_path(tmp_path, "unguided").exists()
    assert len(list(evaluate(suite, "unguided", tmp_path, episodes=1, executor=Local(1)))) == 1


def test_results_of_another_protocol_are_not_mixed(suite, folder):
    other = replace(suite, protocol=replace(suite.protocol, nfe=99))
    with pytest.raises(ProtocolError, match="use another folder"):
        list(evaluate(other, "unguided", folder, episodes=1))


def test_rows_of_other_settings_are_not_mixed(suite, folder):
    arm = Arm(Sampling("gradient", weight=3.0))
    with pytest.raises(ProtocolError, match="4 rows are of other settings"):
        list(evaluate(suite, "glass-fks", folder, episodes=4, arm=arm))


def test_settings_that_are_as_by_default_do_not_count(suite):
    assert settings_digest(suite, Arm(Sampling())) == settings_digest(suite, ARMS["glass-fks"])
    others = [Arm(Sampling(weight=3.0)), Arm(Sampling(), shield=True)]
    assert len({settings_digest(suite, arm) for arm in (*others, ARMS["glass-fks"])}) == 3


@pytest.mark.parametrize("monitored", [True, False])
def test_only_a_monitor_keeps_from_following_a_way_that_is_closed(monitored, tmp_path):
    closed = replace(SCENES[0], constraints=Avoid(Ball((1.0, 0.0), 0.5)).named("closed"))
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_suite(HEADER, [closed]))
    suite = load_suite(path, monitored=monitored)
    (row,) = evaluate(suite, "best-of-n", tmp_path / "out", episodes=1, executor=Local(1))
    assert (row.safe, row.success) == (monitored, not monitored)
    assert ("fallback" in row.outcomes) == monitored


def test_the_command_line_evaluates_without_a_monitor(tmp_path, monkeypatch):
    path, out = tmp_path / "tiny.yaml", tmp_path / "out"
    path.write_text(dump_suite(HEADER, SCENES))
    asked = f"--protocol {path} --method best-of-n --episodes 1 --workers 1 --out {out}"
    monkeypatch.setattr(sys, "argv", ["glass-plan", "evaluate", *asked.split(), "--unmonitored"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    (folder,) = out.iterdir()
    assert folder.name.startswith("tiny-unmonitored-reported-")
    assert len(read_rows(results_path(folder, "best-of-n"))) == 1


def test_the_command_line_tells_what_raised_and_which_commits_ran(tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "tiny.yaml", tmp_path / "out"
    path.write_text(dump_suite(HEADER | {"model": "maniskill-pickcube"}, SCENES))
    asked = f"--protocol {path} --method best-of-n --episodes 2 --workers 1 --out {out}"
    monkeypatch.setattr(sys, "argv", ["glass-plan", "evaluate", *asked.split()])
    with pytest.raises(SystemExit):
        main()
    told = " ".join(capsys.readouterr().err.split())
    assert "2 of 2 episodes raised and count as failures; first: RequestError" in told
    assert "several commits" not in told

    (file,) = out.glob("*/*.jsonl")
    first, second = read_rows(file)
    file.unlink()
    append_row(file, replace(first, commit="older"))
    with pytest.raises(SystemExit):
        main()
    told = " ".join(capsys.readouterr().err.split())
    assert f"of several commits: 1 of older, 1 of {second.commit};" in told


@pytest.mark.parametrize("method", ["mppi", "glass-fks+shield"])
def test_what_follows_no_plan_unwatched_is_refused(method, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_suite(HEADER, SCENES))
    suite = load_suite(path, monitored=False)
    with pytest.raises(RequestError, match="does not follow plans unmonitored"):
        list(evaluate(suite, method, tmp_path / "out", episodes=1))


def test_what_makes_no_plans_is_not_waited_for(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_suite(HEADER, SCENES))
    with pytest.raises(RequestError, match="'mppi' makes no plans"):
        list(evaluate(load_suite(path, latency=0.5), "mppi", tmp_path, episodes=1))


def test_a_world_that_does_not_wait_ends_later_by_the_latency(folder, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_suite(HEADER, SCENES))
    late = load_suite(path, latency=0.5)
    (row,) = evaluate(late, "glass-fks", tmp_path, episodes=1, executor=Local(1))
    waited = next(r for r in read_rows(results_path(folder, "glass-fks")) if r.case == row.case)
    assert row.success
    assert len(row.nfe) == len(waited.nfe) == 1
    assert row.info["duration"] == pytest.approx(waited.info["duration"] + 0.5, abs=0.02)


def test_an_unknown_method_is_refused(suite, tmp_path):
    with pytest.raises(RequestError, match="did you mean 'glass-fks'"):
        list(evaluate(suite, "glass-fk", tmp_path, episodes=1))


@pytest.mark.parametrize("env_id", ["glass_envs:glass_plan/Maze2D-Lrge-v0", "glass_env:Maze-v0"])
def test_an_environment_that_nobody_registers_is_refused(suite, tmp_path, env_id):
    other = replace(suite, protocol=replace(suite.protocol, env_id=env_id))
    with pytest.raises(ProtocolError, match=env_id):
        list(evaluate(other, "unguided", tmp_path, episodes=1))
    assert not list(tmp_path.iterdir())


def test_a_method_over_the_budget_is_refused(suite, tmp_path):
    poor = replace(suite, protocol=replace(suite.protocol, nfe=50))
    with pytest.raises(RequestError, match="takes 96 rows a plan, allowed are 50"):
        list(evaluate(poor, "unguided", tmp_path, episodes=1))


@pytest.mark.parametrize("episodes", [0, 5])
def test_more_episodes_than_cases_are_refused(suite, tmp_path, episodes):
    with pytest.raises(RequestError, match=r"must be in 1\.\.4"):
        list(evaluate(suite, "unguided", tmp_path, episodes=episodes))


def test_a_folder_without_a_protocol_is_refused(tmp_path):
    with pytest.raises(ProtocolError, match="glass-plan evaluate wrote"):
        load_results(tmp_path)


def episode(path):
    states = np.concatenate([path, np.zeros_like(path)], axis=1)
    count = len(path)
    return Episode(
        seed=0,
        times=0.01 * np.arange(count),
        states=states,
        actions=np.zeros((count - 1, 2)),
        goal=np.zeros(2),
        success=True,
        margins={"walls": np.ones(count - 1)},
    )


def line(length, count):
    return np.stack([np.linspace(0, length, count), np.zeros(count)], axis=1)


def test_a_gradient_weighs_more_over_a_table():
    maze, table = arm_for("gradient", tiny.CONFIG), arm_for("gradient", tiny.ARM)
    assert maze == ARMS["gradient"]
    assert table.sampling == replace(maze.sampling, weight=1e5)
    assert arm_for("glass-fks", tiny.ARM) == ARMS["glass-fks"]


def test_it_is_trapped_where_it_makes_no_progress_for_two_seconds():
    moving, stuck = line(3.0, 300), np.zeros((250, 2))
    assert not trapped(episode(moving))
    assert trapped(episode(np.concatenate([moving, stuck + moving[-1]])))
    assert not trapped(episode(np.concatenate([moving, stuck[:150] + moving[-1]])))
    assert trapped(episode(np.concatenate([line(0.1, 200), line(0.1, 200)[::-1]])))


def test_the_way_is_measured_against_the_shortest():
    found = measures(episode(line(9.0, 300)), SCENES[0])
    assert found["length"] == pytest.approx(9.0)
    assert found["length_ratio"] == pytest.approx(2.0)
    assert found["duration"] == pytest.approx(2.99)
    assert found["calls"] == 0
    assert not {"roughness", "first_feasible"} & set(found)  # of plans, of which there are none


def test_the_way_of_a_tool_has_as_many_coordinates_as_the_goal():
    path = np.stack([np.zeros(300), np.zeros(300), np.linspace(0, 3.0, 300)], axis=1)
    up = replace(episode(path), goal=np.zeros(3))
    assert measures(up, SCENES[0])["length"] == pytest.approx(3.0)
    assert not trapped(up)
    assert trapped(replace(up, goal=np.zeros(2)))  # which only knows of the plane


def test_a_straight_plan_is_smooth_and_a_zigzag_is_not():
    assert roughness(line(2.0, 20)) == pytest.approx(0.0, abs=1e-9)
    zigzag = line(2.0, 20)
    zigzag[1::2, 1] = 0.1
    assert roughness(zigzag) > 1.0
    assert roughness(np.zeros((5, 2))) == 0.0
