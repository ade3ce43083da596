"""Certificates of rows made by hand: counts, refusals, the command and the files that it writes."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from glass_plan import cli
from glass_plan.certification import certify
from glass_plan.checkpoint import config_of
from glass_plan.cli.console import BAD_REQUEST, INFEASIBLE
from glass_plan.conformal import Level, contradiction_p, expected_share
from glass_plan.constraints import Avoid, Ball, Reach, SpeedLimit
from glass_plan.errors import ProtocolError, RequestError
from glass_plan.evaluation import keep_protocol, results_folder, results_path
from glass_plan.matching import named_units
from glass_plan.protocols import Scene, Suite, dump_suite, load_suite
from glass_plan.report.certificate import markdown, statement
from glass_plan.results import Results, Row, append_row
from tests.test_protocols import HEADER

LEVEL = Level(0.2, 0.2)
TUNING, REPORTED = range(20), range(1000, 1012)
DISC = Avoid(Ball((1.0, 0.3), 0.2)).named("disc")
VISIT = Reach(Ball((1.0, -1.0), 0.3)).named("visit")


def scenes(seeds, spec=DISC & VISIT):
    return [
        Scene(seed, {"start": (-1.0, seed / 1e4), "goal": (-1.0, 1.0)}, spec, 4.5) for seed in seeds
    ]


def suites(folder, every, **header):
    """Both splits of a protocol file."""
    path = folder / "tiny.yaml"
    path.write_text(dump_suite({**HEADER, **header}, every))
    return load_suite(path, "tuning"), load_suite(path, "reported")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return suites(tmp_path_factory.mktemp("protocol"), scenes([*TUNING, *REPORTED]))


def episode(seed, *, lost, promised=0.3, sampler_seed=0, **changes):
    """A row that lost so much of the disc's promise, and nothing of the walls'."""
    margins = {"walls": 0.5, "disc": promised - lost}
    row = Row(
        seed=seed,
        sampler_seed=sampler_seed,
        success=True,
        safe=margins["disc"] >= 0,
        violations={name: int(margin < 0) for name, margin in margins.items()},
        violated_time=0.0,
        clearance=margins,
        outcomes={"planned": 2},
        nfe=(96, 96),
        wall_time=(0.1, 0.1),
        info={"promised_walls": 0.5, "promised_disc": promised},
        commit="abc",
    )
    return replace(row, **changes)


def calibration_rows(**changes):
    """Losses of 1 to 20 cm: rank 19 of 20 is 19 cm, P(Binomial(20, 0.8) >= 19) = 0.07."""
    return [episode(seed, lost=0.01 * (seed + 1), **changes) for seed in TUNING]


def fresh_rows(lost=0.1):
    return [episode(seed, lost=lost) for seed in REPORTED]


def certificate(pair, old, new, level=LEVEL):
    sides = [Results(s.protocol, "fks", tuple(r)) for s, r in zip(pair, (old, new), strict=True)]
    return certify(*sides, level, splits=20, generator=np.random.default_rng(0))


def test_the_margin_and_the_fresh_counts_by_hand(pair):
    fresh = fresh_rows()
    fresh[0] = episode(1000, lost=0.25)  # above the margin, but no violation
    fresh[1] = episode(1001, lost=0.35)  # violates what it promised
    fresh[2] = episode(1002, lost=0.1, promised=0.05)  # violates, without the promise
    done = certificate(pair, calibration_rows(), fresh)
    (unit,) = done.units
    assert (unit.unit, unit.names) == ("m", ("disc", "walls"))
    assert (unit.margin.rank, unit.margin.value) == (19, pytest.approx(0.19))
    found = unit.fresh
    assert (found.scenes.k, found.scenes.n) == (found.episodes.k, found.episodes.n) == (2, 12)
    assert (found.promised.k, found.violated_promised) == (11, 1)
    assert (unit.violated.k, unit.errors) == (2, 0)
    assert found.p_value == contradiction_p(2, 12, 0.2) > 0.2
    assert unit.splits.expected == expected_share(20, 19, 12, 0.2)
    assert done.holds


def test_fresh_scenes_that_lose_more_contradict(pair):
    done = certificate(pair, calibration_rows(), fresh_rows(lost=0.195))
    assert done.units[0].fresh.scenes.k == 12
    assert not done.holds


def test_a_scene_counts_once_with_its_worst_episode(pair):
    again = [episode(seed, lost=0.4, sampler_seed=1) for seed in TUNING]
    fresh = [episode(seed, lost=lost, sampler_seed=k)
             for k, lost in enumerate((0.41, 0.1)) for seed in REPORTED]  # fmt: skip
    done = certificate(pair, calibration_rows() + again, fresh)
    (unit,) = done.units
    assert done.sampler_seeds == (0, 1)
    assert (unit.margin.n, unit.margin.value) == (20, pytest.approx(0.4))
    assert (unit.fresh.scenes.k, unit.fresh.scenes.n) == (12, 12)
    assert (unit.fresh.episodes.k, unit.fresh.episodes.n) == (12, 24)


def test_sampler_seeds_of_one_side_are_left_out_and_told(pair):
    again = [episode(seed, lost=9.0, sampler_seed=1) for seed in TUNING]
    done = certificate(pair, calibration_rows() + again, fresh_rows())
    assert (done.sampler_seeds, done.left_out) == ((0,), 20)
    assert done.units[0].margin.value == pytest.approx(0.19)
    assert "20 rows are left out" in markdown(done)


def test_the_order_of_rows_changes_nothing(pair):
    old, new = calibration_rows(), fresh_rows()
    assert certificate(pair, old, new) == certificate(pair, old[::-1], new[::-1])


@pytest.mark.parametrize(
    "lost",
    [{"error": "RequestError: in a wall"}, {"outcomes": {"fallback": 3}, "info": {}}],
    ids=["raised", "nothing followed"],
)
def test_lost_episodes_are_never_dropped(pair, lost):
    old = [replace(row, **lost) if row.seed < 3 else row for row in calibration_rows()]
    done = certificate(pair, old, fresh_rows())
    assert (done.units[0].margin.n, done.units[0].margin.value) == (20, math.inf)
    assert not done.holds
    assert "3 of 20 scores are infinite" in statement(done, done.units[0])
    fresh = [replace(row, **lost) if row.seed < 1003 else row for row in fresh_rows()]
    assert certificate(pair, calibration_rows(), fresh).units[0].fresh.scenes.k == 3


def test_too_few_scenes_say_how_many_are_needed(pair):
    done = certificate(pair, calibration_rows(), fresh_rows(), Level(0.05, 0.05))
    assert "20 scores are too few, 59 are needed" in statement(done, done.units[0])
    assert done.units[0].splits is None
    assert not done.holds


def test_an_arm_has_no_walls():
    scene = Scene(0, {}, Avoid(Ball((0.0, 0.0, 0.2), 0.05)).named("ball") & SpeedLimit(0.4))
    found = named_units(scene, config_of("maniskill-pickcube"))
    assert found == {"ball": "m", "speed_limit": "m/s"}


@pytest.mark.parametrize("which", [0, 1])
def test_one_method_is_certified(pair, which):
    sides = [calibration_rows(), fresh_rows()]
    sides[which][0] = replace(sides[which][0], settings="another")
    with pytest.raises(ProtocolError, match="are of several settings or weights: , another"):
        certificate(pair, *sides)


def test_a_speed_limit_is_certified_by_itself(tmp_path):
    spec = DISC & SpeedLimit(2.5) & VISIT
    limited = suites(tmp_path, scenes([*TUNING, *REPORTED], spec))
    found = named_units(limited[0].scenes[0], config_of(HEADER["model"]))
    assert found == {"walls": "m", "disc": "m", "speed_limit": "m/s"}

    def driven(row):
        speeds = {"clearance": 0.4, "info": 0.5}
        return replace(
            row,
            clearance={**row.clearance, "speed_limit": speeds["clearance"]},
            info={**row.info, "promised_speed_limit": speeds["info"]},
        )

    done = certificate(limited, map(driven, calibration_rows()), map(driven, fresh_rows()))
    assert [unit.unit for unit in done.units] == ["m", "m/s"]
    assert [unit.margin.value for unit in done.units] == pytest.approx([0.19, 0.1])
    assert "of all together it is at least 0.6" in markdown(done)


def test_only_scenes_with_a_unit_count_for_it(tmp_path):
    mixed = scenes(TUNING[:10]) + scenes(TUNING[10:], DISC & SpeedLimit(2.5))
    limited = suites(tmp_path, mixed + scenes(REPORTED))
    with pytest.raises(ProtocolError, match="only one side has scenes with constraints in m/s"):
        certificate(limited, calibration_rows(), fresh_rows())


def test_rows_of_an_older_version_are_refused(pair):
    old = [replace(row, info={"length": 3.0}) for row in calibration_rows()]
    with pytest.raises(RequestError, match="20 of 20 rows followed plans but tell no promises"):
        certificate(pair, old, fresh_rows())


def test_unfinished_evaluations_are_refused(pair):
    with pytest.raises(ProtocolError, match="lacks 1 of its first 20 cases"):
        certificate(pair, calibration_rows()[1:], fresh_rows())
    with pytest.raises(RequestError, match="no rows; run glass-plan evaluate"):
        certificate(pair, calibration_rows(), [])


def test_a_constraint_that_the_scene_has_not_is_refused(pair):
    strange = [replace(row, clearance={**row.clearance, "ring": 1.0}) for row in fresh_rows()]
    with pytest.raises(ProtocolError, match="scene 1000 has no constraint ring"):
        certificate(pair, calibration_rows(), strange)


def test_scenes_on_both_sides_are_refused(pair):
    tuning, _ = pair
    with pytest.raises(ProtocolError, match=r"20 fresh scenes are calibration scenes.*--split tun"):
        certificate((tuning, tuning), calibration_rows(), calibration_rows())


def test_the_same_scene_under_another_seed_is_refused(tmp_path):
    copied = [replace(scenes([5])[0], seed=1000), *scenes(REPORTED[1:])]
    twice = suites(tmp_path, scenes(TUNING) + copied)
    with pytest.raises(ProtocolError, match=r"1 fresh scenes are calibration scenes.*\[1000\]"):
        certificate(twice, calibration_rows(), fresh_rows())


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"model": "maze2d-large"}, {"nfe": 50}, {"max_episode_steps": 9}]
)
def test_protocols_that_differ_are_refused(pair, tmp_path, change):
    other = suites(tmp_path, scenes([*TUNING, *REPORTED]), **change)
    ((key, value),) = change.items()
    with pytest.raises(ProtocolError, match=f"{key} of the calibration is .*{value}.*one protocol"):
        certificate((pair[0], other[1]), calibration_rows(), fresh_rows())


def test_scenes_come_back_from_a_protocol(pair):
    for suite in pair:
        assert Suite.of(suite.protocol) == suite
    with pytest.raises(ProtocolError, match="scenes cannot be read"):
        Suite.of(replace(pair[0].protocol, scenes="by hand"))


@pytest.fixture
def folders(pair, tmp_path):
    """Rows on disk, as ``glass-plan evaluate`` leaves them."""
    both = []
    for suite, split, rows in zip(
        pair, ("tuning", "reported"), (calibration_rows(), fresh_rows()), strict=True
    ):
        folder = results_folder(tmp_path, suite, split)
        keep_protocol(folder, suite.protocol)
        for row in rows:
            append_row(results_path(folder, "fks"), row)
        both.append(folder)
    return both


@pytest.fixture
def run(folders, monkeypatch, capsys):
    """The command's exit code and all that it printed."""

    def call(*arguments, method="fks"):
        paths = ("--calibration", folders[0], "--fresh", folders[1], "--method", method)
        asked = ("certify", *paths, "--splits", "20", *arguments)
        monkeypatch.setattr(sys, "argv", ["glass-plan", *map(str, asked)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code, " ".join((printed.out + printed.err).split())

    return call


def test_the_command_certifies_and_writes_its_files(run, folders):
    code, printed = run("--delta", 0.2, "--alpha", 0.2)
    assert code == 0
    assert "fks on tiny, constraints in m: at margin 0.1900 m, P(violation) <= 0.2" in printed
    assert "rank 19; 12 of 12 fresh episodes promised it" in printed
    path = folders[1] / "tiny-certificate-fks"
    assert " ".join(path.with_suffix(".md").read_text().split()) == printed
    assert path.with_suffix(".png").stat().st_size > 1000
    kept = json.loads(path.with_suffix(".json").read_text())
    assert kept["holds"]
    assert kept["level"] == {"delta": 0.2, "alpha": 0.2}
    assert kept["units"][0]["fresh"]["scenes"] == {"k": 0, "n": 12}
    assert kept["units"][0]["calibration"]["19"] == pytest.approx(0.2)
    assert kept["units"][0]["statement"] in printed


def test_the_command_exits_with_three_without_a_certificate(run, folders):
    code, printed = run()
    assert code == INFEASIBLE == 3
    assert "no margin has P(violation) <= 0.05 with confidence 0.95" in printed
    kept = json.loads((folders[1] / "tiny-certificate-fks.json").read_text())
    assert kept["units"][0]["margin"]["value"] is None


@pytest.mark.parametrize(
    ("arguments", "method", "message"),
    [
        (("--delta", 1.5), "fks", "delta must lie between 0 and 1, got 1.5"),
        (("--alpha", 0.0), "fks", "alpha must lie between 0 and 1, got 0.0"),
        (("--splits", 0), "fks", "--splits must be at least 1"),
        ((), "fk", "did you mean 'fks'?"),
        (("--calibration", "nowhere"), "fks", "glass-plan evaluate wrote"),
    ],
)
def test_the_command_says_what_is_wrong(run, arguments, method, message):
    code, printed = run(*arguments, method=method)
    assert code == BAD_REQUEST
    assert message in printed
