"""Constraints as YAML and back, one key per operator.

    all:
      - avoid: {ball: {center: [1.0, 0.5], radius: 0.4}, margin: 0.1}
        name: pillar
      - speed_limit: 4.0

A text that is not a specification raises SpecError with the path of the fault, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from glass_plan.constraints.base import Constraint
from glass_plan.constraints.documents import from_dict, to_dict
from glass_plan.errors import SpecError

MAX_BYTES = 1 << 18
"""Longest document [characters; bytes of a file]."""


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
