"""Goals: what was wanted of a number and what was got, met or not; and files of them for methods.

    maze2d_static:
      glass-fks: {safe: 99, success: 97, trapped: 1, ahead of: [best-of-n, gradient]}
      glass-fks+shield: {safe: 100}

Rates are in percent of the episodes: at least, of ``trapped`` at most. ``violations`` are entries
an episode, at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from glass_plan.errors import ProtocolError, did_you_mean

AT_LEAST, AT_MOST, AHEAD = ("success", "safe", "both"), ("trapped", "violations"), "ahead of"
SIGNIFICANT = 0.01
"""Largest p of a paired test by which a method is ahead of another."""


@dataclass(frozen=True)
class Goal:
    """A bound that a benchmark should keep.

    Args:
        name: of the number, with its unit.
        got: what was measured.
        bound: what was wanted.
        above: whether the number has to be at least the bound, rather than at most.
    """

    name: str
    got: float
    bound: float
    above: bool = False

    @property
    def met(self) -> bool:
        """Whether the bound was kept; a number that is none keeps no bound."""
        return self.got >= self.bound if self.above else self.got <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.above else "<="
        verdict = "met" if self.met else "MISSED"
        return f"{verdict}: {self.name} {self.got:.4g}, wanted {sign} {self.bound:g}"


def load_goals(path: str | Path, protocol: str) -> dict[str, dict[str, Any]]:
    """What is wanted under one protocol, by method; nothing if the file does not name it.

    Raises:
        ProtocolError: unreadable, or a number that no comparison has.
    """
    try:
        values = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProtocolError(f"{path}: cannot be read ({error})") from error
    wanted = values.get(protocol, {}) if isinstance(values, Mapping) else None
    if not isinstance(wanted, Mapping) or not all(isinstance(v, Mapping) for v in wanted.values()):
        raise ProtocolError(f"{path}: {protocol}: must be a mapping of methods to their goals")
    known = (*AT_LEAST, *AT_MOST, AHEAD)
    for method, goals in wanted.items():
        for key, bound in goals.items():
            where = f"{path}: {protocol}: {method}"
            if key not in known:
                hint = did_you_mean(str(key), known)
                raise ProtocolError(f"{where}: unknown goal {key!r}{hint}")
            if not isinstance(bound, list if key == AHEAD else int | float):
                asked = "a list of methods" if key == AHEAD else "a number"
                raise ProtocolError(f"{where}: {key!r} must be {asked}, got {bound!r}")
    return {str(method): dict(goals) for method, goals in wanted.items()}
