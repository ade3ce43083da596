"""Constraints as documents of dicts, lists, numbers and strings, and back: one key per operator."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.forms import ATTRIBUTES, LISTS, OPERATORS, SCHEDULES, SHAPES
from glass_plan.constraints.geometry import Region
from glass_plan.constraints.reader import Reader
from glass_plan.errors import SpecError
from glass_plan.strengths import Strength


def from_dict(document: object) -> Constraint:
    """Constraint of a document of dicts, lists, numbers and strings.

    Raises:
        SpecError: too large or too deep, an unknown or missing key, or a value out of range.
    """
    return Reader().document(document)


def to_dict(constraint: Constraint) -> dict[str, Any]:
    """Document that ``from_dict`` turns into an equal constraint."""
    kinds = {key: form.kind for key, form in OPERATORS.items()}
    key = _key(constraint, kinds)
    form = OPERATORS[key]
    held: Any = constraint if form.body == "fields" else getattr(constraint, form.body)
    match form.body:
        case "fields":
            body: Any = _fields(held)
        case "terms":
            body = [to_dict(term) for term in held]
        case "term":
            body = to_dict(held)
        case "hold":
            body = [to_dict(getattr(constraint, operand)) for operand in ("hold", "goal")]
        case _:
            body = _plain(held)
    given = {name: getattr(constraint, ATTRIBUTES.get(name, name)) for name in form.inside}
    if given:
        body |= {name: value for name, value in given.items() if value}
    defaults = {field.name: field.default for field in fields(constraint)}
    beside = {name: getattr(constraint, name) for name in (*form.beside, "name")}
    return {key: body, **{n: _plain(value) for n, value in beside.items() if value != defaults[n]}}


def _key(value: object, kinds: dict[str, Any]) -> str:
    for key, kind in kinds.items():
        if type(value) is kind:
            return key
    raise SpecError(f"spec: no key for {type(value).__name__}; valid: {', '.join(kinds)}")


def _plain(value: object) -> Any:
    """A region, a schedule or a value in one, as dicts, lists and numbers, without defaults."""
    if isinstance(value, LISTS):
        return {_key(value, SHAPES): [_plain(part) for part in value.parts]}
    if isinstance(value, Region):
        return {_key(value, SHAPES): _fields(value)}
    if isinstance(value, Strength):
        return {_key(value, SCHEDULES): _fields(value)}
    return [_plain(x) for x in value] if isinstance(value, tuple) else value


def _fields(value: Any) -> dict[str, Any]:
    """What a value was made from, without what is at its default."""
    defaults = {field.name: field.default for field in fields(value) if not field.kw_only}
    given = {name: getattr(value, name) for name in defaults}
    return {name: _plain(x) for name, x in given.items() if x != defaults[name]}
