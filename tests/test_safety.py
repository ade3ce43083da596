"""What counts as success, as safe and as a violation, and which results may be compared."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glass_plan.errors import DataError, ProtocolError, RequestError
from glass_plan.records import Decision, Episode, Outcome
from glass_plan.safety import (
    EvalProtocol,
    Results,
    Row,
    SafetyReport,
    append_row,
    compare,
    read_rows,
)

PROTOCOL = EvalProtocol(
    name="tiny",
    env_id="glass_plan/Maze2D-UMaze-v0",
    scenes="avoid: {ball: {center: [1.0, 0.5], radius: 0.4}}",
    seeds=(0, 1, 2),
    sampler_seeds=(0, 1),
    nfe=192,
    max_episode_steps=300,
    tolerances={"goal_radius": 0.45},
)


def episode(
    margin: Sequence[float] = (0.5, 0.4, 0.3),
    *,
    seed: int = 0,
    success: bool = True,
    error: str | None = None,
    decisions: tuple[Decision, ...] = (),
    **more: Sequence[float],
) -> Episode:
    count = len(margin)
    margins = {"disc": margin, **more}
    return Episode(
        seed=seed,
        times=0.01 * np.arange(count + 1),
        states=np.zeros((count + 1, 4)),
        actions=np.zeros((count, 2)),
        goal=np.ones(2),
        success=success,
        margins={name: np.array(values, dtype=np.float64) for name, values in margins.items()},
        decisions=decisions,
        error=error,
    )


def results(
    method: str, unsafe: set[tuple[int, int]], protocol: EvalProtocol = PROTOCOL
) -> Results:
    rows = [
        Row.of(episode([-0.1] if (seed, sampler) in unsafe else [0.1], seed=seed), sampler)
        for seed, sampler in protocol.cases
    ]
    return Results(protocol, method, tuple(rows))


def test_violations_are_counted_at_rising_edges() -> None:
    report = SafetyReport.from_episodes([episode([0.1, -0.1, -0.2, 0.1, -0.1, 0.0, -0.3])])
    assert report.violations == {"disc": 3}
    assert report.violated_time == pytest.approx(0.04)
    assert report.clearance == {"disc": -0.3}


def test_a_start_in_violation_counts_and_touching_does_not() -> None:
    assert SafetyReport.from_episodes([episode([-0.1, 0.1])]).entries == 1
    assert SafetyReport.from_episodes([episode([0.1, 0.0, 0.1])]).safe.k == 1


def test_time_in_two_violations_at_once_counts_once() -> None:
    report = SafetyReport.from_episodes([episode([-1, -1, 1], speed=[1, -1, -1])])
    assert report.violations == {"disc": 1, "speed": 1}
    assert report.violated_time == pytest.approx(0.03)


def test_an_episode_that_raised_is_a_failure_in_the_denominator() -> None:
    report = SafetyReport.from_episodes([episode(), episode(error="ValueError: no")])
    assert (report.n, report.errors) == (2, 1)
    assert report.success.k == report.safe.k == report.success_and_safe.k == 1
    assert report.unsafe.k == 1


def test_a_margin_that_is_no_number_is_not_safe() -> None:
    report = SafetyReport.from_episodes([episode([0.5, np.nan, 0.4])])
    assert (report.safe.k, report.success.k, report.errors) == (0, 0, 1)
    assert report.clearance == {"disc": 0.4}


def test_success_without_safety_is_not_counted_as_both() -> None:
    episodes = [episode(), episode([-0.1]), episode(success=False)]
    report = SafetyReport.from_episodes(episodes)
    assert (report.success.k, report.safe.k, report.success_and_safe.k) == (2, 2, 1)


def test_no_violation_in_twenty_is_bounded_by_fourteen_percent() -> None:
    report = SafetyReport.from_episodes([episode()] * 20)
    assert report.unsafe.k == 0
    assert report.unsafe.upper == pytest.approx(0.139, abs=5e-4)


def test_clearance_is_the_smallest_over_episodes() -> None:
    report = SafetyReport.from_episodes([episode([0.5, 0.2]), episode([0.3, 0.4])])
    assert report.clearance == {"disc": 0.2}


def test_decisions_are_counted_and_only_planning_is_timed() -> None:
    planned = [Decision(0.1 * k, Outcome.PLANNED, "", 100 + k, 0.2 + k / 10) for k in range(3)]
    failed = Decision(0.4, Outcome.FALLBACK, "infeasible", 97, 0.5)
    reused = Decision(0.5, Outcome.REUSED, "holds")
    report = SafetyReport.from_episodes([episode(decisions=(*planned, failed, reused))])
    assert report.outcomes == {"planned": 3, "reused": 1, "fallback": 1, "shielded": 0}
    assert report.nfe == (100 + 101 + 102 + 97) / 4
    assert report.wall_time == pytest.approx((0.35, 0.485))  # of 0.2, 0.3, 0.4, 0.5


def test_the_report_prints_success_and_safety_together() -> None:
    text = str(SafetyReport.from_episodes([episode()] * 20, name="glass_fks"))
    assert text.startswith("glass_fks: 20 episodes")
    assert "success              20/20  100.0 % [83.9, 100.0]" in text
    assert "safe                 20/20  100.0 % [83.9, 100.0]" in text
    assert "at most 13.9 %" in text
    assert "planning         not measured" in text


def test_the_report_is_json_with_counts_and_intervals() -> None:
    report = SafetyReport.from_episodes([episode(), episode([-0.2])], name="m")
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values["name"] == "m"
    assert (values["safe"]["k"], values["safe"]["n"]) == (1, 2)
    assert values["safe"]["interval"] == pytest.approx([0.0945, 0.9055], abs=1e-4)
    assert values["unsafe_upper"] == pytest.approx(0.9747, abs=1e-4)  # sqrt(0.95)
    assert values["nfe"] is None
    assert values["wall_time"] == [None, None]


def test_an_empty_report_is_refused() -> None:
    with pytest.raises(RequestError, match="no episodes to count"):
        SafetyReport.from_episodes([])


def test_a_margin_of_the_wrong_length_is_refused() -> None:
    broken = replace(episode(), margins={"disc": np.ones(2)})
    with pytest.raises(RequestError, match=r"'disc' has shape \(2,\) for 3 steps"):
        Row.of(broken)


def test_rows_survive_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    decisions = (Decision(0.0, Outcome.PLANNED, "first", 192, 0.25),)
    rows = [Row.of(episode(seed=k, decisions=decisions), 7) for k in range(3)]
    assert read_rows(path) == []
    for row in rows:
        append_row(path, row)
    assert read_rows(path) == rows


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_half_written_line_is_ignored_and_does_not_spoil_the_next(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "rows.jsonl"
    first, second, third = (Row.of(episode(seed=k)) for k in range(3))
    append_row(path, first)
    whole = path.read_bytes()
    append_row(path, second)
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[:kept])
    assert read_rows(path) == [first]
    append_row(path, third)
    assert read_rows(path) == [first, third]


def test_a_complete_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, Row.of(episode()))
    with path.open("a") as file:
        file.write('{"seed": 1}\n')
    with pytest.raises(DataError, match=r"rows.jsonl:2: not a results row"):
        read_rows(path)


def test_the_digest_depends_on_every_field_and_not_on_spelling() -> None:
    same = EvalProtocol.from_dict(json.loads(json.dumps(PROTOCOL.to_dict())))
    assert same == PROTOCOL
    assert hash(same) == hash(PROTOCOL)
    assert same.digest == PROTOCOL.digest
    assert len(PROTOCOL.digest) == 16
    others = [
        replace(PROTOCOL, name="other"),
        replace(PROTOCOL, env_id="other"),
        replace(PROTOCOL, scenes="other"),
        replace(PROTOCOL, seeds=(0, 1)),
        replace(PROTOCOL, sampler_seeds=(0,)),
        replace(PROTOCOL, nfe=193),
        replace(PROTOCOL, max_episode_steps=301),
        replace(PROTOCOL, tolerances={"goal_radius": 0.5}),
    ]
    assert len({PROTOCOL.digest, *(other.digest for other in others)}) == 9


def test_the_digest_hashes_the_canonical_json_and_survives_pickling() -> None:
    tiny = EvalProtocol("a", "b", "c", seeds=(1,), nfe=2, max_episode_steps=3)
    text = (
        '{"env_id":"b","max_episode_steps":3,"name":"a","nfe":2,"sampler_seeds":[0],'
        '"scenes":"c","seeds":[1],"tolerances":{}}'
    )
    assert tiny.digest == hashlib.sha256(text.encode()).hexdigest()[:16] == "71fb4b560672d4b6"
    assert pickle.loads(pickle.dumps(tiny)) == tiny


def test_an_unknown_protocol_key_names_the_nearest() -> None:
    with pytest.raises(ProtocolError, match="unknown key 'sedes'; did you mean 'seeds'"):
        EvalProtocol.from_dict({**PROTOCOL.to_dict(), "sedes": [1]})
    with pytest.raises(ProtocolError, match=r"missing 1 required .* 'nfe'"):
        EvalProtocol.from_dict({k: v for k, v in PROTOCOL.to_dict().items() if k != "nfe"})


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_must_be_there_and_distinct(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError, match="seeds must be distinct"):
        replace(PROTOCOL, seeds=seeds)


def test_compare_pairs_by_both_seeds() -> None:
    first = results("fks", unsafe={(0, 0)})
    second = results("ode", unsafe={(0, 0), (0, 1), (1, 0), (2, 1)})
    shuffled = Results(PROTOCOL, "ode", second.rows[::-1])
    comparison = compare(first, shuffled)
    safe = comparison.safe
    assert (safe.both, safe.first, safe.second, safe.neither) == (2, 3, 0, 1)
    assert safe.value == pytest.approx(0.5)
    assert safe.p_value == pytest.approx(2 / 2**3)
    assert comparison.success.value == 0.0
    assert comparison == compare(first, second)


def test_a_comparison_prints_and_is_json() -> None:
    comparison = compare(results("fks", set()), results("ode", {(1, 1)}))
    assert f"fks less ode: 6 cases, protocol {PROTOCOL.digest}" in str(comparison)
    assert "success and safe" in str(comparison)
    values = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert values["safe"]["n"] == 6
    assert values["safe"]["first"] == 1


def test_compare_refuses_different_protocols_and_names_both() -> None:
    other = replace(PROTOCOL, tolerances={"goal_radius": 0.5})
    with pytest.raises(ProtocolError, match=f"{PROTOCOL.digest}.*{other.digest}"):
        compare(results("fks", set()), results("ode", set(), other))


def test_compare_pairs_the_first_cases_with_a_method_that_ran_no_more() -> None:
    whole = results("fks", {(0, 0), (2, 1)})
    part = Results(PROTOCOL, "ode", results("ode", set()).rows[:-2])
    comparison = compare(whole, part)
    assert comparison.safe.n == 4
    assert comparison.safe.second == 1


def test_compare_refuses_cases_that_were_left_out() -> None:
    whole = results("fks", set())
    part = Results(PROTOCOL, "ode", (*whole.rows[:2], *whole.rows[4:]))
    assert part.gaps == whole.protocol.cases[2:4]
    with pytest.raises(ProtocolError, match="'ode' lacks 2 of its first 6 cases"):
        compare(whole, part)
    none = Results(PROTOCOL, "ode", ())
    with pytest.raises(ProtocolError, match="no case alike"):
        compare(whole, none)


def test_results_refuse_double_and_foreign_cases() -> None:
    rows = results("fks", set()).rows
    with pytest.raises(ProtocolError, match=r"\(0, 0\)\] are double or not in protocol 'tiny'"):
        Results(PROTOCOL, "fks", (*rows, rows[0]))
    with pytest.raises(ProtocolError, match=r"\(99, 0\)"):
        Results(PROTOCOL, "fks", (Row.of(episode(seed=99)),))
