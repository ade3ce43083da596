"""Specifications in files: versions, includes, pictures, preferences, the shipped ones, fuzz."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from glass_plan.constraints import (
    Avoid,
    Ball,
    Constraint,
    Eventually,
    Prefer,
    Raster,
    Reach,
    SpeedLimit,
    dump_spec,
    json_schema,
    judge,
    load_spec,
    parse_spec,
)
from glass_plan.errors import SpecError
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.prior import FlowPrior
from glass_plan.training import TrainConfig, Trainer
from tests import tiny
from tests.constraints.strategies import wander

SPECS = Path(__file__).parents[2] / "experiments" / "specs"
SHIPPED = sorted(path.stem for path in SPECS.glob("*.yaml"))
SCHEMA = jsonschema.Draft202012Validator(json_schema())
BALL = "ball: {center: [0, 0], radius: 1}"
PATH = re.compile(r"^[a-z_]\w*(\[\d+\])?([.\[][\w\]]*)*: ")
"""What an error begins with: where in the document."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def to(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return to


def test_a_document_may_say_its_version() -> None:
    assert parse_spec("{version: 1, speed_limit: 3}") == SpeedLimit(3)
    assert yaml.safe_load(dump_spec(SpeedLimit(3))) == {"version": 1, "speed_limit": 3}
    SCHEMA.validate({"version": 1, "speed_limit": 3})
    for version in ("2", "1.0", "true", "one"):
        with pytest.raises(SpecError, match="spec: version must be 1, got"):
            parse_spec(f"{{version: {version}, speed_limit: 3}}")
    with pytest.raises(SpecError, match=r"all\[0\]: unknown key 'version'"):
        parse_spec("all: [{version: 1, speed_limit: 3}]")


def test_specs_are_made_of_others(write: Callable[[str, str], Path]) -> None:
    write("parts/fast.yaml", "speed_limit: 3")
    write("parts/both.yaml", "all: [{include: fast.yaml}, {accel_limit: 2}]")
    top = write("top.yaml", f"all: [{{include: parts/both.yaml}}, {{reach: {{{BALL}}}}}]")
    assert list(load_spec(top).parts()) == ["speed_limit", "accel_limit", "reach_ball"]
    named = write("named.yaml", "all: [{include: parts/both.yaml, name: limits}]")
    assert list(load_spec(named).parts()) == ["limits"]
    SCHEMA.validate(yaml.safe_load(named.read_text()))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("include: top.yaml", r"include: .*top.yaml: includes itself"),
        ("all: [{include: none.yaml}]", r"top.yaml: all\[0\].include: .*none.yaml: cannot be read"),
        ("all: [{include: bad.yaml}]", r"all\[0\].include: .*bad.yaml: spec: unknown key"),
        ("include: /etc/passwd", "include: must lie in the folder of the specification"),
        ("include: ../top.yaml", "include: must lie in the folder of the specification"),
        ("include: [a]", r"include: must be a file name, got \['a'\]"),
        ('include: "a\\0b"', "include: must be a file name"),
        ("{include: good.yaml, window: [0, 1]}", "'include' takes no key 'window' beside it"),
        ("all: [" + "{include: good.yaml}, " * 17 + "]", "more than 16 files"),
        ("avoid: {image: {file: good.yaml, cell: 1}}", "avoid.image: .*good.yaml: no picture"),
        ("avoid: {image: {cell: 1}}", "avoid.image: missing key 'file'"),
        ("avoid: {image: {file: a.png, cel: 1}}", "unknown key 'cel'; did you mean 'cell'"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(
    write: Callable[[str, str], Path], text: str, error: str
) -> None:
    write("bad.yaml", "avid: 3")
    write("good.yaml", "speed_limit: 3")
    with pytest.raises(SpecError, match=error):
        load_spec(write("top.yaml", text))


def test_a_text_names_no_files() -> None:
    for text in ("include: a.yaml", "avoid: {image: {file: a.png, cell: 1}}"):
        with pytest.raises(SpecError, match="only a document in a file may name files"):
            parse_spec(text)


def test_a_picture_reads_as_a_raster(write: Callable[[str, str], Path], tmp_path: Path) -> None:
    picture = np.array([[0, 255], [255, 255]], dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "floor.png")
    where = "{file: floor.png, cell: 0.5, center: [1, 2], walled: false}"
    spec = load_spec(write("top.yaml", f"avoid: {{image: {where}}}"))
    assert spec == Avoid(Raster(("#.", ".."), 0.5, (1, 2), walled=False))
    assert parse_spec(dump_spec(spec)) == spec


HARD, WISH = SpeedLimit(2), Prefer(Reach(Ball((9, 9), 1)), 0.5)


def test_a_preference_steers_and_forbids_nothing() -> None:
    spec, trajectory = HARD & WISH, wander(1)
    assert torch.equal(spec.margin(trajectory), HARD.margin(trajectory))
    expected = HARD.violation(trajectory) + 0.5 * WISH.term.violation(trajectory)
    torch.testing.assert_close(spec.violation(trajectory), expected)
    assert (WISH.violation(trajectory) > 0).all()
    assert list(spec.parts()) == ["speed_limit"]
    assert WISH.parts() == {}


def test_a_preference_is_written_with_its_weight() -> None:
    text = f"all: [{{speed_limit: 2}}, {{prefer: {{reach: {{{BALL}}}}}, weight: 0.5, name: wish}}]"
    spec = HARD & Prefer(Reach(Ball((0, 0), 1)), 0.5).named("wish")
    SCHEMA.validate(yaml.safe_load(text))
    assert parse_spec(text) == spec == parse_spec(dump_spec(spec))
    for weight in (0, 1):
        wish = Prefer(HARD, weight)
        assert parse_spec(dump_spec(wish)) == wish


@pytest.mark.parametrize(
    "build",
    [
        lambda: HARD | WISH,
        lambda: ~WISH,
        lambda: ~(HARD & WISH),
        lambda: Eventually(HARD & WISH),
        lambda: Prefer(WISH),
        lambda: parse_spec("not: {prefer: {speed_limit: 1}}"),
        lambda: parse_spec("any: [{prefer: {speed_limit: 1}}]"),
    ],
)
def test_a_preference_is_no_truth(build: Callable[[], Constraint]) -> None:
    with pytest.raises(SpecError, match="a preference"):
        build()


def test_the_shipped_specs_show_the_language() -> None:
    assert len(SHIPPED) >= 7
    texts = {name: (SPECS / f"{name}.yaml").read_text() for name in SHIPPED}
    for key in ("any", "eventually", "until", "at_end", "moving", "image", "prefer", "include"):
        assert any(re.search(rf"\b{key}:", text) for text in texts.values()), key


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_are_valid_and_round_trip(name: str) -> None:
    SCHEMA.validate(yaml.safe_load((SPECS / f"{name}.yaml").read_text()))
    spec = load_spec(SPECS / f"{name}.yaml")
    assert parse_spec(dump_spec(spec)) == spec


@pytest.fixture(scope="module")
def planner() -> Planner:
    prior: FlowPrior = Trainer(tiny.CONFIG, tiny.windows(), TrainConfig(steps=1)).averaged
    return Planner(prior, tiny.CONFIG, Sampling())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_are_planned_with(planner: Planner, name: str) -> None:
    spec = load_spec(SPECS / f"{name}.yaml")
    plan = planner.plan((-1, -1, 0, 0), (-1, 1), spec, seed=0, strict=False)
    assert set(plan.margins) == {"walls", *spec.parts()}
    for verdict in judge(spec, plan.trajectory):
        assert verdict.margin == pytest.approx(plan.margins[verdict.name], abs=1e-5)


ATOMS = [None, True, 0, -1, 1.5, 1e9, float("nan"), "", "x", [], {}, [1, 2], [[0, 0], [1, 1]]]


def corrupted(document: Any, rng: random.Random) -> Any:
    """The document with a key misspelt, a value replaced, dropped, or moved somewhere."""
    places: list[tuple[Any, Any]] = []
    stack = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict | list):
            inner = list(value) if isinstance(value, dict) else range(len(value))
            places.extend((value, key) for key in inner)
            stack.extend(value[key] for key in inner)
    holder, key = rng.choice(places)
    other_holder, other_key = rng.choice(places)
    match rng.randrange(4):
        case 0:
            holder[key] = rng.choice(ATOMS)
        case 1:
            del holder[key]
        case 2 if isinstance(holder, dict):
            holder[f"{key}"[:-1] + rng.choice("aeiou")] = holder.pop(key)
        case _:
            holder[key] = yaml.safe_load(yaml.safe_dump(other_holder[other_key]))
    return document


def scribbled(text: str, rng: random.Random) -> str:
    """The text with a few characters replaced."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text))
        new = rng.choice(["", "-", ":", "[", "{", "}", "\n", " ", "'", "&a ", "*a", "!!int ", "9"])
        text = text[:at] + new + text[at + rng.randint(0, 3) :]
    return text


def read_or_refuse(text: str) -> bool:
    """Whether the text is a specification; anything but a SpecError with a path is a failure."""
    try:
        spec = parse_spec(text)
    except SpecError as error:
        if not PATH.match(str(error)):
            raise
        return False
    assert parse_spec(dump_spec(spec)) == spec
    return True


@pytest.mark.slow
def test_ten_thousand_mutated_documents_are_specs_or_spec_errors() -> None:
    rng = random.Random(0)
    texts = [
        dump_spec(load_spec(SPECS / f"{name}.yaml")) for name in SHIPPED if name != "floor_plan"
    ]
    texts += [(SPECS / f"{name}.yaml").read_text() for name in SHIPPED]
    valid = 0
    for k in range(10_000):
        text = rng.choice(texts)
        if k % 2:
            text = scribbled(text, rng)
        else:
            document = yaml.safe_load(text)
            for _ in range(rng.randint(1, 2)):
                if isinstance(document, dict) and document:
                    document = corrupted(document, rng)
            text = yaml.safe_dump(document)
        valid += read_or_refuse(text)
    assert 500 < valid < 9_500
