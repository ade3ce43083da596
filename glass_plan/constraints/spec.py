"""Constraints as YAML and back, one key per operator, and the JSON Schema of it.

    all:
      - avoid: {ball: {center: [1.0, 0.5], radius: 0.4}, margin: 0.1}
        name: pillar
      - speed_limit: 4.0

A text that is not a specification raises SpecError with the path of the fault, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from glass_plan.constraints.base import All, AnyOf, Constraint
from glass_plan.constraints.checks import shown
from glass_plan.constraints.dynamics import AccelLimit, SpeedLimit
from glass_plan.constraints.geometry import Ball, Box, Grid, Moving, Region, Union
from glass_plan.constraints.leaf import Not
from glass_plan.constraints.temporal import Avoid, Reach, StayIn
from glass_plan.errors import SpecError, did_you_mean

MAX_BYTES = 1 << 18
"""Longest document [characters; bytes of a file]."""

MAX_NODES = 100_000
"""Most values in a document, every use of an alias counted."""

MAX_DEPTH = 64
"""Deepest nesting of a document."""

JOINS: dict[str, type[All | AnyOf]] = {"all": All, "any": AnyOf}
ABOUT: dict[str, type[Avoid | StayIn | Reach]] = {"avoid": Avoid, "stay_in": StayIn, "reach": Reach}
LIMITS: dict[str, type[SpeedLimit | AccelLimit]]
LIMITS = {"speed_limit": SpeedLimit, "accel_limit": AccelLimit}
OPERATORS = (*JOINS, "not", *ABOUT, *LIMITS)
SHAPES: dict[str, type[Region]]
SHAPES = {"ball": Ball, "box": Box, "grid": Grid, "union": Union, "moving": Moving}

T = TypeVar("T")


def load_spec(path: str | Path) -> Constraint:
    """Read a constraint from a YAML file.

    Raises:
        SpecError: unreadable, or not a specification.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read ({error}); give a YAML file in UTF-8") from error
    try:
        return parse_spec(text)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def parse_spec(text: str) -> Constraint:
    """Read a constraint from YAML text.

    Raises:
        SpecError: too large, not YAML, or not a specification.
    """
    if len(text) > MAX_BYTES:
        raise SpecError(
            f"spec: at most {MAX_BYTES} characters, got more; use fewer or coarser regions"
        )
    try:
        document = yaml.load(text, Loader=_Loader)
    except Exception as error:  # PyYAML's constructors raise what they meet
        raise SpecError(f"spec: not YAML ({type(error).__name__}: {str(error)[:300]})") from error
    return from_dict(document)


def dump_spec(constraint: Constraint) -> str:
    """YAML text that ``parse_spec`` turns into an equal constraint."""
    text: str = yaml.safe_dump(to_dict(constraint), sort_keys=False, default_flow_style=None)
    return text


def from_dict(document: object) -> Constraint:
    """Constraint of a document of dicts, lists, numbers and strings.

    Raises:
        SpecError: too large or too deep, an unknown or missing key, or a value out of range.
    """
    _check_size(document)
    return _constraint(document, "")


def to_dict(constraint: Constraint) -> dict[str, Any]:
    """Document that ``from_dict`` turns into an equal constraint."""
    key = _key(constraint, {**JOINS, "not": Not, **ABOUT, **LIMITS})
    name = {"name": constraint.name} if constraint.name else {}
    match constraint:
        case All() | AnyOf():
            return {key: [to_dict(term) for term in constraint.terms], **name}
        case Not():
            return {key: to_dict(constraint.term), **name}
        case Avoid() if constraint.clearance:
            body = {**_plain(constraint.region), "margin": constraint.clearance}
            return {key: body, **name}
        case Avoid() | StayIn() | Reach():
            return {key: _plain(constraint.region), **name}
        case SpeedLimit() | AccelLimit():
            return {key: constraint.limit, **name}
    raise AssertionError(key)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the documents."""
    point = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    above_0 = {"type": "number", "exclusiveMinimum": 0}
    rows = {"type": "array", "items": {"type": "array", "items": {"enum": [0, 1]}, "minItems": 1}}
    types: dict[str, dict[str, Any]] = {
        **dict.fromkeys(("center", "low", "high"), point),
        **dict.fromkeys(("radius", "cell", "speed"), above_0),
        "occupancy": {**rows, "minItems": 1},
        "waypoints": {"type": "array", "items": point, "minItems": 2},
        "loop": {"type": "boolean"},
        "shape": {"$ref": "#/$defs/region"},
    }
    shapes = {key: _object_schema(kind, types) for key, kind in SHAPES.items()}
    shapes["union"] = {"type": "array", "items": types["shape"], "minItems": 1}
    constraints = {"type": "array", "items": {"$ref": "#/$defs/constraint"}}
    operators = {
        "all": constraints,
        "any": {**constraints, "minItems": 1},
        "not": {"$ref": "#/$defs/constraint"},
        "avoid": _choice_schema(shapes, margin={"type": "number", "minimum": 0}),
        "stay_in": {"$ref": "#/$defs/region"},
        "reach": {"$ref": "#/$defs/region"},
        **dict.fromkeys(LIMITS, above_0),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "glass_plan constraint",
        "$ref": "#/$defs/constraint",
        "$defs": {
            "constraint": _choice_schema(operators, name={"type": "string", "maxLength": 64}),
            "region": _choice_schema(shapes),
        },
    }


class _Loader(yaml.SafeLoader):
    """Safe YAML without merge keys and repeated keys, of which all but the last would be lost."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Called on every mapping before it is built; the original merges ``<<`` here."""
        scalars = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        counts = Counter(key.value for key in scalars)
        for key in scalars:
            if counts[key.value] > 1:
                problem = f"key {key.value[:50]!r} repeated"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)


def _check_size(document: object) -> None:
    """Walk the document as a tree, without recursion; a cycle through an alias is too deep."""
    stack, count = [(document, 1)], 0
    while stack:
        value, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise SpecError(f"spec: nested deeper than {MAX_DEPTH}; flatten nested all and any")
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(inner, Collection) and not isinstance(inner, str | bytes):
            count += len(inner)
            if count > MAX_NODES:
                raise SpecError(f"spec: more than {MAX_NODES} values; use fewer or coarser regions")
            stack.extend((child, depth + 1) for child in inner)


def _constraint(entry: object, path: str) -> Constraint:
    key, here, entry = _choose(entry, path, OPERATORS, ("name",))
    made = _operator(key, entry[key], here)
    return _make(made.named, here, name=entry["name"]) if "name" in entry else made


def _operator(key: str, body: Any, here: str) -> Constraint:
    if key in JOINS:
        terms = tuple(_constraint(x, f"{here}[{k}]") for k, x in enumerate(_list(body, here)))
        return _make(JOINS[key], here, terms=terms)
    if key == "not":
        return _make(_constraint(body, here).__invert__, here)
    if key in LIMITS:
        return _make(LIMITS[key], here, limit=body)
    extra = ("margin",) if key == "avoid" else ()
    region = _region(body, here, extra)
    return _make(
        ABOUT[key], here, region=region, **{name: body[name] for name in extra if name in body}
    )


def _region(entry: object, path: str, extra: tuple[str, ...] = ()) -> Region:
    key, here, entry = _choose(entry, path, tuple(SHAPES), extra)
    body = entry[key]
    if key == "union":
        parts = tuple(_region(x, f"{here}[{k}]") for k, x in enumerate(_list(body, here)))
        return _make(Union, here, parts=parts)
    given = dict(_mapping(body, here, _keys(SHAPES[key])))
    for name in _required(SHAPES[key]):
        if name not in given:
            raise SpecError(f"{here}: missing key {name!r}; valid: {', '.join(_keys(SHAPES[key]))}")
    if "shape" in given:
        given["shape"] = _region(given["shape"], f"{here}.shape")
    return _make(SHAPES[key], here, **given)


def _choose(
    entry: object, path: str, choices: tuple[str, ...], extra: tuple[str, ...]
) -> tuple[str, str, dict[str, Any]]:
    """The one key of a mapping that says what it is, the path to its value, and the mapping."""
    mapping = _mapping(entry, path, (*choices, *extra))
    chosen = [key for key in choices if key in mapping]
    if len(chosen) != 1:
        raise SpecError(
            f"{path or 'spec'}: needs exactly one of {', '.join(choices)}, got {chosen or 'none'}"
        )
    return chosen[0], f"{path}.{chosen[0]}".lstrip("."), mapping


def _mapping(value: object, path: str, keys: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(
            f"{path or 'spec'}: must be a mapping, got {shown(value)}; "
            f"valid keys: {', '.join(keys)}"
        )
    for key in value:
        if key not in keys:
            name = key[:50] if isinstance(key, str) else shown(key)
            hint = did_you_mean(name, keys)
            raise SpecError(f"{path or 'spec'}: unknown key {name!r}{hint}")
    return value


def _list(value: object, path: str) -> list[object]:
    if not isinstance(value, list | tuple):
        raise SpecError(f"{path}: must be a list, got {shown(value)}; write - before each entry")
    return list(value)


def _make(build: Callable[..., T], path: str, **given: Any) -> T:
    try:
        return build(**given)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def _keys(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _required(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if field.default is MISSING]


def _key(value: object, kinds: dict[str, Any]) -> str:
    for key, kind in kinds.items():
        if type(value) is kind:
            return key
    raise SpecError(f"spec: no key for {type(value).__name__}; valid: {', '.join(kinds)}")


def _plain(value: object) -> Any:
    """A region, or a value in one, as dicts, lists and numbers, without what is at its default."""
    if isinstance(value, Union):
        return {"union": [_plain(part) for part in value.parts]}
    if isinstance(value, Region):
        defaults = {field.name: field.default for field in fields(value)}  # type: ignore[arg-type]
        given = {name: getattr(value, name) for name in defaults}
        body = {name: _plain(x) for name, x in given.items() if x != defaults[name]}
        return {_key(value, SHAPES): body}
    return [_plain(x) for x in value] if isinstance(value, tuple) else value


def _object_schema(kind: type, types: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: types[name] for name in _keys(kind) if name in types},
        "required": _required(kind),
        "additionalProperties": False,
    }


def _choice_schema(choices: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**choices, **extra},
        "oneOf": [{"required": [key]} for key in choices],
        "additionalProperties": False,
    }
