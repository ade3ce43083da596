"""The gallery shows every kind of constraint and region, and shows it truly."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass

import pytest
from matplotlib.colors import to_hex
from PIL import Image

import glass_plan as gp
from experiments import gallery_arm
from experiments.gallery import (
    DOCS,
    DPI,
    HEIGHT,
    IMAGES,
    PAGE,
    WIDTH,
    drive,
    filled,
    image_name,
    picture,
    save,
    section,
    value,
)
from experiments.gallery_entries import ENTRIES
from glass_plan import constraints
from glass_plan.report.figures import VIOLATED
from glass_plan.viz import BLACK, RED
from tests.pages import python_blocks

ALL_ENTRIES = [entry for entries in ENTRIES.values() for entry in entries]
BASES = (constraints.Constraint, constraints.Region)
MAX_BYTES = 12_000
"""Of a picture."""

every = pytest.mark.parametrize("entry", ALL_ENTRIES, ids=lambda entry: entry.title)


def kinds_in(item):
    """Kinds of a value and of all that it is made of."""
    yield type(item)
    if is_dataclass(item):
        item = tuple(getattr(item, field.name) for field in fields(item))
    if isinstance(item, tuple):
        for part in item:
            yield from kinds_in(part)


def test_every_public_constraint_and_region_is_shown_once():
    public = (getattr(constraints, name) for name in constraints.__all__)
    kinds = [kind for kind in public if isinstance(kind, type) and issubclass(kind, BASES)]
    names = [kind.__name__ for kind in kinds if not inspect.isabstract(kind)]
    assert sorted(entry.title for entry in ALL_ENTRIES) == sorted([*names, "Visit"])


def test_the_page_is_what_the_script_makes():
    text = PAGE.read_text()
    assert filled(text) == text
    assert set(re.findall(r"<!-- gallery: (\w+) -->", text)) == {*ENTRIES, gallery_arm.NAME}


def test_a_page_with_an_entry_changed_is_made_anew():
    text = PAGE.read_text()
    assert filled(text.replace("a disc in the plane", "a square")) == text


@every
def test_an_entry_shows_its_kind(entry):
    kind = getattr(constraints, entry.title)
    assert (kind if isinstance(kind, type) else gp.Eventually) in set(kinds_in(value(entry)))


@every
def test_python_and_yaml_say_the_same(entry, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(section(entry))
    assert python_blocks(page) == [f"{entry.python}\n"]
    texts = re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    if entry.in_python_only:
        assert texts == []
        with pytest.raises(gp.SpecError, match="no key for"):
            gp.dump_spec(value(entry))
    else:
        assert [gp.parse_spec(text) for text in texts] == [value(entry)]


@every
def test_the_drives_meet_and_fail_as_drawn(entry):
    constraint = value(entry)
    assert not entry.meets or constraint.margin(drive(entry.meets)) > 0
    assert not entry.fails or constraint.margin(drive(entry.fails)) < 0


@every
def test_every_picture_is_small_and_can_be_made_again(entry, tmp_path):
    save(picture(entry), tmp_path / "again.png")
    kept = DOCS / IMAGES / image_name(entry)
    for path in (kept, tmp_path / "again.png"):
        assert path.stat().st_size < MAX_BYTES
        with Image.open(path) as image:
            assert image.size == (WIDTH, HEIGHT)


def test_every_picture_kept_is_shown():
    kept = {path.name for path in (DOCS / IMAGES).iterdir()}
    assert kept == {*map(image_name, ALL_ENTRIES), f"{gallery_arm.NAME}.png"}


def test_the_picture_of_the_arm_is_small_and_can_be_made_again(tmp_path):
    made = gallery_arm.picture((WIDTH / DPI, HEIGHT / DPI), DPI)
    colours = {to_hex(patch.get_edgecolor()).upper() for patch in made.axes[0].patches}
    assert {BLACK, RED, VIOLATED} <= colours
    save(made, tmp_path / "again.png")
    for path in (DOCS / IMAGES / f"{gallery_arm.NAME}.png", tmp_path / "again.png"):
        assert path.stat().st_size < MAX_BYTES
        with Image.open(path) as image:
            assert image.size == (WIDTH, HEIGHT)
