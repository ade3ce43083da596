"""Protocol files: what they hold, what is refused, and that tuning and reported scenes differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from glass_plan.constraints import Avoid, Ball, Reach
from glass_plan.errors import ProtocolError, RequestError
from glass_plan.protocols import Scene, Suite, dump_suite, load_suite

HEADER = {
    "name": "tiny",
    "env_id": "glass_envs:glass_plan/Maze2D-UMaze-v0",
    "model": "maze2d-umaze",
    "nfe": 100,
    "max_episode_steps": 300,
    "sampler_seeds": [0, 1],
}
SPEC = Avoid(Ball((1.0, 0.3), 0.2)).named("disc_1") & Reach(Ball((1.0, -1.0), 0.3)).named("visit")
ENDS = {"start": (-1.0, -1.0), "goal": (-1.0, 1.0)}
SCENES = [Scene(seed, ENDS, SPEC, 4.5) for seed in (0, 7, 99, 1000, 1001)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "tiny.yaml"
    written.write_text(dump_suite(HEADER, SCENES))
    return written


def test_scenes_survive_the_file(path: Path) -> None:
    suite = load_suite(path)
    assert suite.model == "maze2d-umaze"
    assert list(suite.scenes.values()) == SCENES[3:]


def test_scenes_of_other_worlds_survive_the_file(path: Path) -> None:
    kwargs = {"control_mode": "pd_joint_pos"}
    placed = Scene(1000, {"cube": (0.1, 0.0, 0.02)}, SPEC)
    drawn = Scene(1001, {}, SPEC)
    path.write_text(dump_suite(HEADER | {"env_kwargs": kwargs}, [placed, drawn]))
    suite = load_suite(path)
    assert list(suite.scenes.values()) == [placed, drawn]
    assert suite.env_kwargs == kwargs
    assert Suite.of(suite.protocol) == suite
    path.write_text(dump_suite(HEADER, [placed, drawn]))
    assert load_suite(path).protocol.digest != suite.protocol.digest


def test_tuning_and_reported_scenes_never_mix(path: Path) -> None:
    tuning, reported = load_suite(path, "tuning"), load_suite(path, "reported")
    assert tuning.protocol.seeds == (0, 7, 99)
    assert reported.protocol.seeds == (1000, 1001)
    assert tuning.protocol.digest != reported.protocol.digest


def test_all_scenes_come_once_before_any_comes_again(path: Path) -> None:
    assert load_suite(path).protocol.cases == ((1000, 0), (1001, 0), (1000, 1), (1001, 1))


def test_the_same_scenes_without_a_monitor_are_another_protocol(path: Path) -> None:
    suite, bare = load_suite(path), load_suite(path, monitored=False)
    assert bare.protocol.name == f"{suite.protocol.name}-unmonitored"
    assert bare.scenes == suite.scenes
    assert bare.protocol.digest != suite.protocol.digest
    assert (suite.monitored, bare.monitored) == (True, False)
    assert Suite.of(bare.protocol) == bare
    assert Suite.of(suite.protocol) == suite


def test_the_same_scenes_in_a_world_that_does_not_wait_are_another_protocol(path: Path) -> None:
    suite, late = load_suite(path), load_suite(path, latency=0.5)
    assert late.protocol.name == f"{suite.protocol.name}-latency-0.5"
    assert late.scenes == suite.scenes
    digests = {load_suite(path, latency=seconds).protocol.digest for seconds in (0.0, 0.5, 1.0)}
    assert len(digests) == 3
    assert load_suite(path, latency=1).protocol == load_suite(path, latency=1.0).protocol
    assert (suite.latency, late.latency) == (0.0, 0.5)
    assert Suite.of(late.protocol) == late


@pytest.mark.parametrize("latency", [-0.1, float("nan"), float("inf")])
def test_a_latency_that_is_none_is_refused(path: Path, latency: float) -> None:
    with pytest.raises(RequestError, match="latency must be 0 s or more"):
        load_suite(path, latency=latency)


def test_the_digest_is_of_the_scenes_too(path: Path) -> None:
    before = load_suite(path).protocol.digest
    moved = replace(SCENES[3], options=ENDS | {"goal": (-1.0, 0.99)})
    path.write_text(dump_suite(HEADER, [moved, *SCENES[4:]]))
    assert load_suite(path).protocol.digest != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modell": "x"}, r"tiny.yaml: unknown key 'modell'; did you mean 'model'"),
        ({"scenes": [{"seed": 1}]}, r"scene: lacks constraints, start, goal"),
        ({"scenes": [{"sead": 1}]}, r"unknown key 'sead'; did you mean 'seed'"),
        ({"scenes": 3}, r"tiny.yaml: "),
        ({"scenes": []}, r"tiny.yaml: reported scenes must have distinct seeds, got \[\]"),
        ({"nfe": "lots"}, r"tiny.yaml: Expected `int`, got `str` - at `\$.nfe`"),
        ({"max_episode_steps": 0}, r"Expected `int` >= 1 - at `\$.max_episode_steps`"),
        ({"sampler_seeds": "abc"}, r"Expected `array`, got `str` - at `\$.sampler_seeds`"),
        ({"name": "../x"}, r"tiny.yaml: Expected `str` matching regex"),
        ({"tolerances": {"goal_radiuss": 1.0}}, r"Invalid enum value 'goal_radiuss'"),
        ({"tolerances": {"goal_radius": float("nan")}}, r"tolerances must be > 0 and finite"),
        ({"tolerances": {"goal_radius": -1}}, r"tolerances must be > 0 and finite"),
    ],
)
def test_what_is_no_protocol_is_refused(path: Path, change: object, message: str) -> None:
    values = yaml.safe_load(path.read_text()) | change
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ProtocolError, match=message):
        load_suite(path)


@pytest.mark.parametrize("key", ["nfe", "model"])
def test_a_missing_key_is_named(path: Path, key: str) -> None:
    values = yaml.safe_load(path.read_text())
    del values[key]
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ProtocolError, match=rf"tiny.yaml: .*missing required field `{key}`"):
        load_suite(path)


def test_no_scene_and_no_key_is_lost(path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace("seed: 1001", "seed: 1000"))
    with pytest.raises(ProtocolError, match=r"distinct seeds, got \[1000, 1000\]"):
        load_suite(path)
    path.write_text(text.replace("seed: 1001", "seed: 1000.7"))
    with pytest.raises(ProtocolError, match=r"seed must be an integer, got 1000\.7"):
        load_suite(path)
    path.write_text("nfe: 7\n" + text)
    with pytest.raises(ProtocolError, match="'nfe' repeated"):
        load_suite(path)


def test_a_constraint_that_is_none_is_named(path: Path) -> None:
    path.write_text(path.read_text().replace("ball", "bal", 1))
    with pytest.raises(ProtocolError, match=r"unknown .*'bal'; did you mean 'ball'"):
        load_suite(path, "tuning")


@pytest.mark.parametrize("text", [": :", "- 1", ""])
def test_a_file_that_is_no_mapping_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ProtocolError, match=r"tiny\.yaml"):
        load_suite(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        load_suite(tmp_path / "none.yaml")
