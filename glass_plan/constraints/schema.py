"""JSON Schema of the constraint documents, for editors: what is valid where.

Looser than the reader: it knows keys and types, not that a box's low lies below its high.
"""

from __future__ import annotations

from typing import Any

from glass_plan.constraints.forms import (
    IMAGE,
    LISTS,
    OPERATORS,
    SCHEDULES,
    SHAPES,
    Form,
    keys,
    required,
)
from glass_plan.constraints.reader import VERSION

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}
ABOVE_0: Schema = {"type": "number", "exclusiveMinimum": 0}
AT_LEAST_0: Schema = {"type": "number", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
POINT: Schema = {"type": "array", "items": NUMBER, "minItems": 1}
BOOLEAN: Schema = {"type": "boolean"}
CONSTRAINT: Schema = {"$ref": "#/$defs/constraint"}
REGION: Schema = {"$ref": "#/$defs/region"}
BITS: Schema = {"type": "array", "items": {"enum": [0, 1]}, "minItems": 1}
LETTERS: Schema = {"type": "string", "pattern": "^[#.]+$"}


def _many(items: Schema, least: int) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


FIELDS: dict[str, Schema] = {
    **dict.fromkeys(("center", "low", "high", "normal", "start", "end", "velocity"), POINT),
    **dict.fromkeys(("radius", "cell", "speed", "within"), ABOVE_0),
    **dict.fromkeys(("by", "rate"), AT_LEAST_0),
    **dict.fromkeys(("offset", "since"), NUMBER),
    **dict.fromkeys(("loop", "walled"), BOOLEAN),
    **dict.fromkeys(("t_min", "t_max"), SHARE),
    "beta": AT_LEAST_0,
    "radii": _many(ABOVE_0, 1),
    "rotation": {"anyOf": [NUMBER, {"type": "array", "items": NUMBER}]},
    "occupancy": _many(BITS, 1),
    "rows": _many({"anyOf": [LETTERS, BITS]}, 1),
    "waypoints": _many(POINT, 2),
    "positions": _many(POINT, 2),
    "vertices": _many(POINT, 3),
    "times": _many(NUMBER, 2),
    "channel": {"type": "string", "minLength": 1},
    "shape": REGION,
}
FILE: Schema = {"type": "string", "minLength": 1}
PICTURE: Schema = {
    "type": "object",
    "properties": {
        "file": FILE,
        "cell": ABOVE_0,
        "center": POINT,
        "threshold": NUMBER,
        "walled": BOOLEAN,
    },
    "required": ["file", "cell"],
    "additionalProperties": False,
}
BODIES: dict[str, Schema] = {
    "terms": {"type": "array", "items": CONSTRAINT},
    "term": CONSTRAINT,
    "hold": {"type": "array", "items": CONSTRAINT, "minItems": 2, "maxItems": 2},
    "region": REGION,
    "limit": ABOVE_0,
}
BESIDE: dict[str, Schema] = {
    "name": {"type": "string", "maxLength": 64},
    "margin": AT_LEAST_0,
    "of": {"type": "string"},
    "weight": AT_LEAST_0,
    "schedule": {"$ref": "#/$defs/schedule"},
    "window": {"type": "array", "items": AT_LEAST_0, "minItems": 2, "maxItems": 2},
}


def json_schema() -> Schema:
    """JSON Schema (2020-12) of the documents."""
    shapes = {
        key: _many(REGION, 1) if kind in LISTS else _object(kind) for key, kind in SHAPES.items()
    }
    shapes[IMAGE] = PICTURE
    operators = {}
    for key, form in OPERATORS.items():
        inside = {name: BESIDE[name] for name in form.inside}
        operators[key] = _choice(shapes, **inside) if inside else _body(form)
    operators["action_limit"] = {"anyOf": [ABOVE_0, _many(ABOVE_0, 1)]}
    operators["any"] = {**operators["any"], "minItems": 1}
    operators["include"] = FILE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "glass_plan constraint",
        "oneOf": [_alone(key, body, version={"const": VERSION}) for key, body in operators.items()],
        "$defs": {
            "constraint": {"oneOf": [_alone(key, body) for key, body in operators.items()]},
            "region": _choice(shapes),
            "schedule": _choice({key: _object(kind) for key, kind in SCHEDULES.items()}),
        },
    }


def _body(form: Form) -> Schema:
    return _object(form.kind) if form.body == "fields" else BODIES[form.body]


def _alone(key: str, body: Schema, **more: Schema) -> Schema:
    """One operator with what may stand beside it."""
    form = OPERATORS.get(key)
    beside = {name: BESIDE[name] for name in ("name", *(form.beside if form else ()))}
    return {
        "type": "object",
        "properties": {key: body, **beside, **more},
        "required": [key],
        "additionalProperties": False,
    }


def _object(kind: type) -> Schema:
    return {
        "type": "object",
        "properties": {name: FIELDS[name] for name in keys(kind)},
        "required": required(kind),
        "additionalProperties": False,
    }


def _choice(choices: dict[str, Schema], **extra: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**choices, **extra},
        "oneOf": [{"required": [key]} for key in choices],
        "additionalProperties": False,
    }
