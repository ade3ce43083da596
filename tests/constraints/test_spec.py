from __future__ import annotations

import json
import random
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from glass_plan.constraints import (
    All,
    AnyOf,
    Avoid,
    Ball,
    Box,
    Constraint,
    Grid,
    Moving,
    Reach,
    SpeedLimit,
    StayIn,
    Union,
    dump_spec,
    from_dict,
    json_schema,
    load_spec,
    parse_spec,
    to_dict,
)
from glass_plan.constraints.forms import OPERATORS, SCHEDULES, SHAPES
from glass_plan.constraints.spec import MAX_BYTES
from glass_plan.errors import SpecError
from tests.constraints.strategies import specs

DESIGN = """
all:
  - avoid: {ball: {center: [1.0, 0.5], radius: 0.4}, margin: 0.1}
  - avoid: {moving: {shape: {ball: {center: [0, 0], radius: 0.3}}, waypoints: [[0, 0], [2, 0]],
                     speed: 1.0, loop: true}}
    name: patrol
  - any: [{reach: {box: {low: [3.5, 2.5], high: [4.5, 3.5]}}},
          {reach: {ball: {center: [-4, 3], radius: 0.3}}}]
  - speed_limit: 4.0
"""
OTHER = """
any:
  - not: {stay_in: {union: [{grid: {occupancy: [[0, 1], [1, 1]], cell: 0.5}},
                          {ball: {center: [0, 0], radius: 1}}]}}
    name: out
  - all: []
  - accel_limit: 3
  - reach: {ball: {center: [0, 0, 0], radius: 1}, of: cube}
name: either
"""
VALUE = (
    Avoid(Ball((1, 0.5), 0.4), margin=0.1)
    & Avoid(Moving(Ball((0, 0), 0.3), ((0, 0), (2, 0)), speed=1, loop=True), name="patrol")
    & (Reach(Box((3.5, 2.5), (4.5, 3.5))) | Reach(Ball((-4, 3), 0.3)))
    & SpeedLimit(4)
)


def test_the_example_of_the_design_reads_as_its_operators() -> None:
    assert parse_spec(DESIGN) == VALUE


def test_every_other_key_reads_as_its_operator() -> None:
    spec = parse_spec(OTHER)
    region = Union((Grid(((0, 1), (1, 1)), 0.5), Ball((0, 0), 1)))
    assert isinstance(spec, AnyOf)
    assert spec.name == "either"
    assert spec.terms[0] == (~StayIn(region)).named("out")
    assert spec.terms[1] == All(())
    assert spec.terms[3] == Reach(Ball((0, 0, 0), 1), of="cube")
    assert parse_spec(dump_spec(spec)) == spec
    SCHEMA.validate(to_dict(spec))


@settings(max_examples=60)
@given(c=specs)
def test_yaml_and_json_round_trip_any_constraint(c: Constraint) -> None:
    assert parse_spec(dump_spec(c)) == c
    assert from_dict(json.loads(json.dumps(to_dict(c)))) == c


@settings(max_examples=60)
@given(c=specs)
def test_the_schema_accepts_what_is_written(c: Constraint) -> None:
    SCHEMA.validate(to_dict(c))


SCHEMA = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_is_one_and_accepts_the_examples() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    json.dumps(json_schema())
    for text in (DESIGN, OTHER):
        SCHEMA.validate(yaml.safe_load(text))


BAD = [
    ("", "spec: must be a mapping, got None"),
    ("- speed_limit: 1", "spec: must be a mapping, got "),
    ("{}", "spec: needs exactly one of all, any, not"),
    ("{speed_limit: 1, accel_limit: 1}", r"got \['speed_limit', 'accel_limit'\]"),
    ("avid: 3", "spec: unknown key 'avid'; did you mean 'avoid'"),
    ("1: 3", "spec: unknown key '1'"),
    ("all: 3", "all: must be a list, got 3"),
    (
        "all: [{speed_limit: 1}, {avoid: {bal: 1}}]",
        r"all\[1\].avoid: unknown key 'bal'; did you mean 'ball'",
    ),
    (
        "all: [{avoid: {ball: {center: [0, 0], radios: 1}}}]",
        r"all\[0\].avoid.ball: unknown key 'radios'",
    ),
    ("reach: {ball: {center: [0, 0]}}", "reach.ball: missing key 'radius'"),
    ("reach: {ball: {center: [0, 0], radius: -1}}", "reach.ball: Ball: radius must be > 0"),
    ("reach: {ball: {center: [0, 0], radius: 1e-x}}", r"got '1e-x'; write it like 0\.5"),
    ("reach: {ball: {center: [0, 0], radius: 1}, margin: 1}", "reach: unknown key 'margin'"),
    ("reach: ball", "reach: must be a mapping, got 'ball'"),
    ("reach: {union: []}", "reach.union: Union: needs at least one part"),
    ("reach: {union: [{box: {low: [0], high: [yes]}}]}", r"reach.union\[0\].box: .* got True"),
    ("reach: {moving: {shape: {bal: 1}, waypoints: []}}", "reach.moving.shape: unknown key 'bal'"),
    (
        "avoid: {ball: {center: [0, 0], radius: 1}, margin: a lot}",
        "avoid: Avoid: margin must be a number",
    ),
    ("not: {any: []}", "not.any: AnyOf: needs at least one"),
    ("not: {all: []}", "not: AnyOf: needs at least one"),
    ("speed_limit: .nan", "speed_limit: SpeedLimit: limit must be a number"),
    ("speed_limit: 0x" + "f" * 5000, "too long to print"),
    ("speed_limit: " + "9" * 5000, "spec: not YAML"),
    ("{speed_limit: 1, name: 3}", "speed_limit: SpeedLimit: name must be"),
    ("{speed_limit: 1, name: null}", "got None"),
    ("{speed_limit: 1, speed_limit: 2}", "spec: not YAML .*key 'speed_limit' repeated"),
    ("all: [&a {speed_limit: 1}, {<<: *a}]", "spec: not YAML"),
    ("speed_limit: [", "spec: not YAML"),
    ("speed_limit: 2001-99-99", "spec: not YAML"),
    ("speed_limit: !!int ''", "spec: not YAML"),
    ("!!python/object/apply:os.system [ls]", "spec: not YAML"),
    ("all: &a [{not: {all: *a}}]", "spec: nested deeper than 64"),
    ("[" * 10_000, "spec: not YAML"),
    ("all: [" + "{speed_limit: 1}, " * 20_000 + "]", "spec: at most"),
]


@pytest.mark.parametrize(("text", "error"), BAD, ids=lambda value: value[:40])
def test_a_text_that_is_no_spec_says_where(text: str, error: str) -> None:
    with pytest.raises(SpecError, match=error):
        parse_spec(text)


def test_aliases_may_share_but_not_explode() -> None:
    shared = "all: [&a {avoid: {ball: &b {center: [0, 0], radius: 1}}}, *a, {reach: {ball: *b}}]"
    assert len(parse_spec(shared).parts()) == 3
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 8)}]" for k in range(1, 20)]
    with pytest.raises(SpecError, match="more than 100000 values"):
        parse_spec("\n".join(lines))


def test_a_value_that_is_no_constraint_is_refused() -> None:
    cyclic: list[object] = []
    cyclic.append(cyclic)
    for document in (cyclic, {"all": cyclic}, {"speed_limit": object()}, {("a",): 1}, 3, b"all"):
        with pytest.raises(SpecError, match=r"^(spec|speed_limit)"):
            from_dict(document)


def test_specs_load_from_files(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(DESIGN)
    assert load_spec(path) == load_spec(str(path)) == VALUE
    path.write_text("all: 3")
    with pytest.raises(SpecError, match=r"spec.yaml: all: must be a list"):
        load_spec(path)
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(SpecError, match=r"spec.yaml: cannot be read"):
        load_spec(path)
    path.write_text("#" * (MAX_BYTES + 10))
    with pytest.raises(SpecError, match="at most"):
        load_spec(path)
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path / "missing.yaml")


def read_or_refuse(text: str) -> None:
    try:
        spec = parse_spec(text)
    except SpecError:
        return
    assert parse_spec(dump_spec(spec)) == spec


@settings(max_examples=300)
@given(seed=st.integers(0, 10**9), text=st.sampled_from([DESIGN, OTHER]))
def test_a_mutated_text_is_a_spec_or_a_spec_error(seed: int, text: str) -> None:
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 4)):
        a, b = sorted(rng.randrange(len(text)) for _ in range(2))
        b = min(b, a + 20)
        new = rng.choice(
            ["", "-", "1e9", "&a ", "*a", ": ", "[", "}", "\n", "null", "!!int ", text[b:]]
        )
        text = text[:a] + new + text[b:]
    read_or_refuse(text)


KEYS = [*OPERATORS, *SHAPES, "name", "margin", "center", "radius", "shape", "low", "high"]
KEYS += [*SCHEDULES, "weight", "schedule", "t_min", "t_max", "beta"]
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(document=documents)
def test_any_document_is_a_spec_or_a_spec_error(document: object) -> None:
    try:
        spec = from_dict(document)
    except SpecError:
        return
    assert from_dict(to_dict(spec)) == spec


@pytest.mark.parametrize("number", ["1e-05", "1e-1", "1E2", "2.5e+1", "-1e-3", ".5e1"])
def test_numbers_are_read_as_json_writes_them(number: str) -> None:
    ball = parse_spec(f"avoid: {{ball: {{center: [{number}, 0], radius: 1}}}}")
    assert ball == Avoid(Ball((float(number), 0.0), 1.0))


@pytest.mark.parametrize("wrong", [5, None, {"speed_limit": 3}])
def test_what_is_no_text_is_refused(wrong: object) -> None:
    with pytest.raises(SpecError, match="must be YAML text"):
        parse_spec(wrong)  # type: ignore[arg-type]
