"""Constraints as YAML and back, one key per operator.

    version: 1
    all:
      - include: workshop.yaml
      - avoid: {ball: {center: [1.0, 0.5], radius: 0.4}, margin: 0.1}
        name: pillar
      - speed_limit: 4.0

A text that is not a specification raises SpecError with the path of the fault, and nothing else.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.checks import shown
from glass_plan.constraints.documents import to_dict
from glass_plan.constraints.reader import VERSION, Reader
from glass_plan.errors import SpecError

MAX_BYTES = 1 << 18
"""Longest document [characters; bytes of a file]."""


MAX_FILES = 16
"""Most files that one specification may consist of, every use of one counted."""


def load_spec(path: str | Path) -> Constraint:
    """Read a constraint from a YAML file, and those that it includes.

    Raises:
        SpecError: unreadable, or not a specification.
    """
    return _load(Path(path), (), itertools.count(1))


def _load(path: Path, open_files: tuple[Path, ...], count: Iterator[int]) -> Constraint:
    """A file's constraint, where some files are being read already."""
    if path in open_files:
        raise SpecError(f"{path}: includes itself; take the include out")
    if next(count) > MAX_FILES:
        raise SpecError(f"{path}: more than {MAX_FILES} files; put them into fewer")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read ({error}); give a YAML file in UTF-8") from error

    def include(other: Path) -> Constraint:
        return _load(other, (*open_files, path), count)

    try:
        return Reader(path.parent, include).document(_document(text))
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def parse_spec(text: str) -> Constraint:
    """Read a constraint from YAML text, which may name no files.

    Raises:
        SpecError: too large, not YAML, or not a specification.
    """
    return Reader().document(_document(text))


def dump_spec(constraint: Constraint) -> str:
    """YAML text that ``parse_spec`` turns into an equal constraint."""
    document = {"version": VERSION, **to_dict(constraint)}
    text: str = yaml.safe_dump(document, sort_keys=False, default_flow_style=None)
    return text


def _document(text: str) -> object:
    if not isinstance(text, str):
        raise SpecError(f"spec: must be YAML text, got {shown(text)}; from_dict reads a document")
    if len(text) > MAX_BYTES:
        raise SpecError(
            f"spec: at most {MAX_BYTES} characters, got more; use fewer or coarser regions"
        )
    try:
        return yaml.load(text, Loader=Loader)
    except Exception as error:  # PyYAML's constructors raise what they meet
        raise SpecError(f"spec: not YAML ({type(error).__name__}: {str(error)[:300]})") from error


class Loader(yaml.SafeLoader):
    """Safe YAML without merge keys and repeated keys, of which all but the last would be lost."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Called on every mapping before it is built; the original merges ``<<`` here."""
        scalars = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        counts = Counter(key.value for key in scalars)
        for key in scalars:
            if counts[key.value] > 1:
                problem = f"key {key.value[:50]!r} repeated"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)


Loader.add_implicit_resolver(  # as JSON writes them; YAML 1.1 wants a point and a sign
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)
