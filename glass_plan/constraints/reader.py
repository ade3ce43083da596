"""Reading constraints from documents of dicts, lists, numbers and strings.

A fault raises a SpecError with its path. Files that a document names lie in its own folder, and
what is read from them is data. Knows no YAML: that is spec.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.checks import number, shown
from glass_plan.constraints.forms import (
    BESIDE,
    IMAGE,
    LISTS,
    OPERATORS,
    SCHEDULES,
    SHAPES,
    keys,
    required,
)
from glass_plan.constraints.geometry import Region
from glass_plan.constraints.rasters import Raster
from glass_plan.errors import SpecError, did_you_mean
from glass_plan.strengths import Strength

VERSION = 1
"""Of the format; a document may say which it is written in."""

MAX_NODES = 100_000
"""Most values in a document, every use of an alias counted."""

MAX_DEPTH = 64
"""Deepest nesting of a document."""

IMAGE_KEYS = ("file", "cell", "center", "threshold", "walled")

T = TypeVar("T")


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
    """Turns documents into values.

    Args:
        folder: of the files that a document may name; None if it may not.
        load: the constraint in such a file.
    """

    folder: Path | None = None
    load: Callable[[Path], Constraint] | None = None

    def document(self, document: object) -> Constraint:
        """The constraint of a whole document, which may begin with its version."""
        check_size(document)
        if isinstance(document, dict) and "version" in document:
            version = document["version"]
            if type(version) is not int or version != VERSION:
                raise SpecError(
                    f"spec: version must be {VERSION}, got {shown(version)}; newer documents need "
                    "a newer glass_plan"
                )
            document = {key: value for key, value in document.items() if key != "version"}
        return self.constraint(document, "")

    def constraint(self, entry: object, path: str) -> Constraint:
        """A constraint; ``path`` is where the entry is in the document."""
        key, here, mapping = _choose(entry, path, (*OPERATORS, "include"), BESIDE)
        beside = ("name", *(OPERATORS[key].beside if key in OPERATORS else ()))
        for name in mapping:
            if name != key and name not in beside:
                hint = did_you_mean(name, beside)
                raise SpecError(f"{path or 'spec'}: {key!r} takes no key {name!r} beside it{hint}")
        made = self._operator(key, mapping, here)
        return _make(made.named, here, name=mapping["name"]) if "name" in mapping else made

    def _operator(self, key: str, mapping: dict[str, Any], here: str) -> Constraint:
        if key == "include":
            return self._include(mapping[key], here)
        form, body = OPERATORS[key], mapping[key]
        if key == "not":
            return _make(self.constraint(body, here).__invert__, here)
        inside = body if isinstance(body, dict) else {}
        given = {name: inside[name] for name in form.inside if name in inside}
        given |= {name: mapping[name] for name in form.beside if name in mapping}
        if "schedule" in given:
            given["schedule"] = _schedule(given["schedule"], f"{here.removesuffix(key)}schedule")
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
        key, here, mapping = _choose(entry, path, (*SHAPES, IMAGE), extra)
        body = mapping[key]
        if key == IMAGE:
            return self._image(body, here)
        kind = SHAPES[key]
        if kind in LISTS:
            parts = tuple(self.region(x, f"{here}[{k}]") for k, x in enumerate(_list(body, here)))
            return _make(kind, here, parts=parts)
        given = _given(body, here, kind)
        if "shape" in given:
            given["shape"] = self.region(given["shape"], f"{here}.shape")
        return _make(kind, here, **given)

    def _include(self, name: object, here: str) -> Constraint:
        path = self._file(name, here)
        assert self.load is not None
        return _make(partial(self.load, path), here)

    def _image(self, body: object, here: str) -> Region:
        """A raster, from the file of a picture."""
        given = dict(_mapping(body, here, IMAGE_KEYS))
        for name in ("file", "cell"):
            if name not in given:
                raise SpecError(f"{here}: missing key {name!r}; valid: {', '.join(IMAGE_KEYS)}")
        path = self._file(given.pop("file"), here)
        return _make(Raster.from_image, here, path=path, **given)

    def _file(self, name: object, here: str) -> Path:
        """A file in the document's folder."""
        if self.folder is None:
            raise SpecError(f"{here}: only a document in a file may name files; use load_spec")
        if not isinstance(name, str) or not name or "\0" in name:
            raise SpecError(
                f"{here}: must be a file name, got {shown(name)}; write other.yaml, say"
            )
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise SpecError(
                f"{here}: must lie in the folder of the specification, got {shown(name)}; "
                "write its path from there"
            )
        return self.folder / name


def _schedule(entry: object, path: str) -> Strength:
    """A strength over flow time."""
    key, here, mapping = _choose(entry, path, tuple(SCHEDULES), ())
    kind: Callable[..., Strength] = SCHEDULES[key]
    given = _given(mapping[key], here, kind)
    numbers = {name: number(f"{here}.{name}:", value) for name, value in given.items()}
    return _make(kind, here, **numbers)


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


def _make(build: Callable[..., T], where: str, /, **given: Any) -> T:
    try:
        return build(**given)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
