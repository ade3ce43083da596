"""Checkpoints: round trip, and every way in which one can be wrong."""

from __future__ import annotations

import json
import shutil

import msgspec
import pytest
import torch

from glass_plan.checkpoint import (
    CONFIG,
    WEIGHTS,
    ArmWorld,
    build_prior,
    from_pretrained,
    save_pretrained,
    shipped,
)
from glass_plan.errors import CheckpointError, LayoutError
from glass_plan.planner import Planner
from tests import tiny


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    prior = build_prior(tiny.CONFIG)
    save_pretrained(prior, tiny.CONFIG, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_what_is_saved_is_loaded_in_half_precision(folder):
    torch.manual_seed(0)
    saved = build_prior(tiny.CONFIG)
    loaded, config = from_pretrained(str(folder))
    assert config.layout == tiny.CONFIG.layout
    for key, value in saved.state_dict().items():
        assert torch.allclose(loaded.state_dict()[key].float(), value.float(), atol=1e-3), key


def test_saving_twice_changes_nothing(folder, tmp_path):
    prior, config = from_pretrained(str(folder))
    save_pretrained(prior, config, tmp_path / "again")
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_world_of_an_arm_is_told_from_a_maze(folder, tmp_path):
    prior, config = from_pretrained(str(folder))
    assert config.world == tiny.CONFIG.world
    arm = ArmWorld(max_joint_speed=2.0, max_tool_speed=1.0, dt=0.05)
    save_pretrained(prior, msgspec.structs.replace(config, world=arm), tmp_path / "arm")
    _, again = from_pretrained(str(tmp_path / "arm"))
    assert again.world == arm
    with pytest.raises(LayoutError, match="needs a body of a robot"):
        Planner.from_pretrained(str(tmp_path / "arm"))


def test_a_world_of_before_is_told_how_to_mend_it(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "old")
    config = json.loads((folder / "config.json").read_text())
    del config["world"]["kind"]
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match='add "kind": "maze" to the world'):
        from_pretrained(str(tmp_path / "old"))


def test_an_unknown_name_lists_what_exists():
    with pytest.raises(CheckpointError, match="maze2d-large") as got:
        from_pretrained("maze2d-lage")
    assert "did you mean 'maze2d-large'" in str(got.value)


def test_what_is_shipped_loads():
    mazes = {"maze2d-umaze", "maze2d-medium", "maze2d-large"}
    arms = {"maniskill-pickcube", "maniskill-stackcube"}
    errands = {"maze2d-medium-errands", "maze2d-large-errands"}
    assert set(shipped()) == mazes | errands | arms
    for name in shipped():
        prior, config = from_pretrained(name)
        assert prior.horizon == config.horizon


def test_corrupt_weights_are_refused(folder):
    blob = bytearray((folder / WEIGHTS).read_bytes())
    blob[-1] ^= 1
    (folder / WEIGHTS).write_bytes(bytes(blob))
    with pytest.raises(CheckpointError, match="sha256"):
        from_pretrained(str(folder))


def test_weights_of_another_network_are_refused(folder):
    text = (folder / CONFIG).read_text().replace('"width": 16', '"width": 24')
    (folder / CONFIG).write_text(text)
    with pytest.raises(CheckpointError, match="does not fit"):
        from_pretrained(str(folder))


def test_an_unknown_key_of_the_config_is_named(folder):
    text = (folder / CONFIG).read_text().replace('"width"', '"witdh"')
    (folder / CONFIG).write_text(text)
    with pytest.raises(CheckpointError, match="witdh"):
        from_pretrained(str(folder))


def test_missing_weights_are_named(folder):
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=WEIGHTS):
        from_pretrained(str(folder))
