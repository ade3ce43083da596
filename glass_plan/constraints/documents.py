"""Constraints as documents of dicts, lists, numbers and strings, and back: one key per operator.

Tables say how each kind is written; a ``Reader`` follows them and names the path of any fault.
Knows neither YAML nor files' contents: those are spec.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from glass_plan.constraints.base import All, AnyOf, Constraint
from glass_plan.constraints.checks import shown
from glass_plan.constraints.compounds import Inflated, Intersection, Union
from glass_plan.constraints.dynamics import AccelLimit, Curvature, JerkLimit, SpeedLimit
from glass_plan.constraints.ellipsoids import Ellipsoid
from glass_plan.constraints.formulas import Always, AtEnd, Eventually
from glass_plan.constraints.geometry import Ball, Box, Capsule, Cylinder, HalfSpace, Region
from glass_plan.constraints.grids import Grid
from glass_plan.constraints.leaf import Not
from glass_plan.constraints.limits import ActionLimit, JointLimits
from glass_plan.constraints.moving import Drifting, Moving, Tracked
from glass_plan.constraints.polygons import ConvexPolygon, Polygon, Tube
from glass_plan.constraints.rasters import Raster
from glass_plan.constraints.sketches import NearTo
from glass_plan.constraints.temporal import Avoid, Reach, StayIn
from glass_plan.constraints.until import Release, Until
from glass_plan.errors import SpecError, did_you_mean

MAX_NODES = 100_000
"""Most values in a document, every use of an alias counted."""

MAX_DEPTH = 64
"""Deepest nesting of a document."""

T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """How a kind of constraint is written.

    Args:
        kind: what it is in Python.
        body: what its key holds: ``terms``, ``term``, ``hold`` (and goal), ``region``, ``limit``,
            ``fields`` by name.
        inside: more keys beside the region's.
        beside: more keys beside its own.
    """

    kind: type[Constraint]
    body: str
    inside: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


OPERATORS: dict[str, Form] = {
    "all": Form(All, "terms"),
    "any": Form(AnyOf, "terms"),
    "not": Form(Not, "term"),
    "always": Form(Always, "term", beside=("window",)),
    "eventually": Form(Eventually, "term", beside=("window",)),
    "until": Form(Until, "hold", beside=("window",)),
    "release": Form(Release, "hold", beside=("window",)),
    "at_end": Form(AtEnd, "term"),
    "avoid": Form(Avoid, "region", inside=("margin",)),
    "stay_in": Form(StayIn, "region"),
    "reach": Form(Reach, "region"),
    "speed_limit": Form(SpeedLimit, "limit"),
    "accel_limit": Form(AccelLimit, "limit"),
    "jerk_limit": Form(JerkLimit, "limit"),
    "curvature": Form(Curvature, "limit"),
    "action_limit": Form(ActionLimit, "limit"),
    "joint_limits": Form(JointLimits, "fields"),
    "near_to": Form(NearTo, "fields"),
}
BESIDE = tuple(dict.fromkeys(("name", *(name for f in OPERATORS.values() for name in f.beside))))
"""All keys that may stand beside an operator's."""

SHAPES: dict[str, type[Region]] = {
    "ball": Ball,
    "box": Box,
    "ellipsoid": Ellipsoid,
    "capsule": Capsule,
    "cylinder": Cylinder,
    "half_space": HalfSpace,
    "polygon": Polygon,
    "convex_polygon": ConvexPolygon,
    "tube": Tube,
    "grid": Grid,
    "raster": Raster,
    "union": Union,
    "intersection": Intersection,
    "inflated": Inflated,
    "moving": Moving,
    "drifting": Drifting,
    "tracked": Tracked,
}
LISTS: tuple[type[Region], ...] = (Union, Intersection)
"""Shapes that are written as the list of their parts."""

ATTRIBUTES = {"margin": "clearance"}
"""Keys that are the names of arguments, but not of the attributes."""


def from_dict(document: object) -> Constraint:
    """Constraint of a document of dicts, lists, numbers and strings.

    Raises:
        SpecError: too large or too deep, an unknown or missing key, or a value out of range.
    """
    check_size(document)
    return Reader().constraint(document, "")


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
            body = [to_dict(held), to_dict(constraint.goal)]  # type: ignore[attr-defined]
        case _:
            body = _plain(held)
    given = {name: getattr(constraint, ATTRIBUTES.get(name, name)) for name in form.inside}
    if given:
        body |= {name: value for name, value in given.items() if value}
    beside = {name: _plain(getattr(constraint, name)) for name in (*form.beside, "name")}
    return {key: body, **{name: value for name, value in beside.items() if value}}


def check_size(document: object) -> None:
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


@dataclass(frozen=True)
class Reader:
    """Turns documents into values."""

    def constraint(self, entry: object, path: str) -> Constraint:
        """A constraint; ``path`` is where the entry is in the document."""
        key, here, mapping = _choose(entry, path, tuple(OPERATORS), BESIDE)
        beside = ("name", *OPERATORS[key].beside)
        for name in mapping:
            if name != key and name not in beside:
                hint = did_you_mean(name, beside)
                raise SpecError(f"{path or 'spec'}: {key!r} takes no key {name!r} beside it{hint}")
        made = self._operator(key, mapping, here)
        return _make(made.named, here, name=mapping["name"]) if "name" in mapping else made

    def _operator(self, key: str, mapping: dict[str, Any], here: str) -> Constraint:
        form, body = OPERATORS[key], mapping[key]
        if key == "not":
            return _make(self.constraint(body, here).__invert__, here)
        inside = body if isinstance(body, dict) else {}
        given = {name: inside[name] for name in form.inside if name in inside}
        given |= {name: mapping[name] for name in form.beside if name in mapping}
        match form.body:
            case "terms":
                given["terms"] = self._several(body, here)
            case "hold":
                both = self._several(body, here)
                if len(both) != 2:
                    raise SpecError(
                        f"{here}: needs two constraints, what holds and up to what, got {len(both)}"
                    )
                given["hold"], given["goal"] = both
            case "term":
                given["term"] = self.constraint(body, here)
            case "region":
                given["region"] = self.region(body, here, form.inside)
            case "fields":
                given |= _given(body, here, form.kind)
            case _:
                given[form.body] = body
        return _make(form.kind, here, **given)

    def _several(self, body: object, here: str) -> tuple[Constraint, ...]:
        return tuple(self.constraint(x, f"{here}[{k}]") for k, x in enumerate(_list(body, here)))

    def region(self, entry: object, path: str, extra: tuple[str, ...] = ()) -> Region:
        """A region, in a mapping that may have ``extra`` keys."""
        key, here, mapping = _choose(entry, path, tuple(SHAPES), extra)
        body, kind = mapping[key], SHAPES[key]
        if kind in LISTS:
            parts = tuple(self.region(x, f"{here}[{k}]") for k, x in enumerate(_list(body, here)))
            return _make(kind, here, parts=parts)
        given = _given(body, here, kind)
        if "shape" in given:
            given["shape"] = self.region(given["shape"], f"{here}.shape")
        return _make(kind, here, **given)


def keys(kind: Any) -> list[str]:
    """Names of the fields of a kind of region or constraint that are written inside its key."""
    return [field.name for field in fields(kind) if not field.kw_only]


def required(kind: Any) -> list[str]:
    """Names of those that have no default."""
    return [field.name for field in fields(kind) if field.default is MISSING and not field.kw_only]


def _given(body: object, here: str, kind: Any) -> dict[str, Any]:
    """The fields of a kind, none missing and none unknown."""
    given = dict(_mapping(body, here, keys(kind)))
    for name in required(kind):
        if name not in given:
            raise SpecError(f"{here}: missing key {name!r}; valid: {', '.join(keys(kind))}")
    return given


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


def _mapping(value: object, path: str, valid: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(
            f"{path or 'spec'}: must be a mapping, got {shown(value)}; "
            f"valid keys: {', '.join(valid)}"
        )
    for key in value:
        if key not in valid:
            name = key[:50] if isinstance(key, str) else shown(key)
            hint = did_you_mean(name, valid)
            raise SpecError(f"{path or 'spec'}: unknown key {name!r}{hint}")
    return value


def _list(value: object, path: str) -> list[object]:
    if not isinstance(value, list | tuple):
        raise SpecError(f"{path}: must be a list, got {shown(value)}; write - before each entry")
    return list(value)


def _make(build: Callable[..., T], path: str, /, **given: Any) -> T:
    try:
        return build(**given)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def _key(value: object, kinds: dict[str, Any]) -> str:
    for key, kind in kinds.items():
        if type(value) is kind:
            return key
    raise SpecError(f"spec: no key for {type(value).__name__}; valid: {', '.join(kinds)}")


def _plain(value: object) -> Any:
    """A region, or a value in one, as dicts, lists and numbers, without what is at its default."""
    if isinstance(value, LISTS):
        return {_key(value, SHAPES): [_plain(part) for part in value.parts]}  # type: ignore[attr-defined]
    if isinstance(value, Region):
        return {_key(value, SHAPES): _fields(value)}
    return [_plain(x) for x in value] if isinstance(value, tuple) else value


def _fields(value: Any) -> dict[str, Any]:
    """What a value was made from, without what is at its default."""
    defaults = {field.name: field.default for field in fields(value) if not field.kw_only}
    given = {name: getattr(value, name) for name in defaults}
    return {name: _plain(x) for name, x in given.items() if x != defaults[name]}
