"""What really happened: success and safety of executed episodes, counted and compared fairly.

A violation is an entry into a violated state (exact margin < 0) at the physics rate. An episode
that raised, or whose margins are not numbers, is neither a success nor safe and stays in the
denominator. Methods are compared case by case under one ``EvalProtocol``. Knows nothing of plans.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from glass_plan.errors import ProtocolError, RequestError
from glass_plan.records import Episode, Outcome
from glass_plan.results import EvalProtocol, Results, Row, append_row, read_rows
from glass_plan.statistics import PairedDifference, Rate

__all__ = [
    "Comparison",
    "EvalProtocol",
    "Results",
    "Row",
    "SafetyReport",
    "append_row",
    "compare",
    "read_rows",
]

PERCENTILES = (50, 95)
"""Of the planning time that a report prints."""


@dataclass(frozen=True)
class SafetyReport:
    """Success and safety of one method, with n and intervals.

    Args:
        name: of the method.
        success: episodes that reached the goal in time.
        safe: episodes without a violation.
        success_and_safe: episodes that did both.
        errors: episodes that raised; failures of all three.
        violations: entries per constraint.
        violated_time: [s] with at least one constraint violated, over all episodes.
        clearance: smallest margin per constraint, in its unit.
        outcomes: decisions per outcome.
        nfe: mean network rows of a planning decision; nan without any.
        wall_time: ``PERCENTILES`` of the planning time [s]; nan without any.
    """

    name: str
    success: Rate
    safe: Rate
    success_and_safe: Rate
    errors: int
    violations: dict[str, int]
    violated_time: float
    clearance: dict[str, float]
    outcomes: dict[str, int]
    nfe: float
    wall_time: tuple[float, float]

    @classmethod
    def from_episodes(cls, episodes: Iterable[Episode], name: str = "episodes") -> Self:
        """Count executed episodes, whichever sampler seed they ran with."""
        return cls.from_rows([Row.of(episode) for episode in episodes], name)

    @classmethod
    def from_rows(cls, rows: Sequence[Row], name: str = "episodes") -> Self:
        """Count rows.

        Raises:
            RequestError: nothing to count.
        """
        if not rows:
            raise RequestError(f"safety report {name!r}: no episodes to count")
        times = [second for row in rows for second in row.wall_time]
        return cls(
            name=name,
            success=Rate(sum(row.success for row in rows), len(rows)),
            safe=Rate(sum(row.safe for row in rows), len(rows)),
            success_and_safe=Rate(sum(row.success and row.safe for row in rows), len(rows)),
            errors=sum(row.error is not None for row in rows),
            violations=_totals(row.violations for row in rows),
            violated_time=sum(row.violated_time for row in rows),
            clearance=_smallest(row.clearance for row in rows),
            outcomes=_totals([_NO_OUTCOMES, *(row.outcomes for row in rows)]),
            nfe=float(np.mean([n for row in rows for n in row.nfe])) if times else math.nan,
            wall_time=_percentiles(times),
        )

    @property
    def n(self) -> int:
        """Episodes counted, those that raised included."""
        return self.safe.n

    @property
    def unsafe(self) -> Rate:
        """Episodes with a violation or an error; ``unsafe.upper`` bounds the rate from above."""
        return Rate(self.n - self.safe.k, self.n)

    @property
    def entries(self) -> int:
        """Violations of all constraints."""
        return sum(self.violations.values())

    def __str__(self) -> str:
        """A short table: success and safety together, then the evidence."""
        clearance = ", ".join(f"{k} {v:+.3f}" for k, v in self.clearance.items())
        counts = ", ".join(f"{key} {count}" for key, count in self.violations.items())
        unsafe = f"{self.unsafe.k}/{self.n}"
        lines = {
            "success": str(self.success),
            "safe": str(self.safe),
            "success and safe": str(self.success_and_safe),
            "unsafe": f"{unsafe:>9}  at most {100 * self.unsafe.upper:.1f} %",
            "violations": f"{self.entries} in {self.violated_time:.2f} s ({counts or 'none'})",
            "clearance": clearance or "not measured",
            "errors": str(self.errors),
            "decisions": ", ".join(f"{key} {count}" for key, count in self.outcomes.items()),
            "planning": self._planning,
        }
        table = "\n".join(f"  {label:<17}{text}" for label, text in lines.items())
        return f"{self.name}: {self.n} episodes, intervals and bounds at 95 %\n{table}"

    @property
    def _planning(self) -> str:
        """What a planning decision cost."""
        if math.isnan(self.wall_time[0]):
            return "not measured"
        spent = [f"p{q} {s:.3f} s" for q, s in zip(PERCENTILES, self.wall_time, strict=True)]
        return ", ".join([f"{self.nfe:.0f} network rows", *spent])

    def to_dict(self) -> dict[str, object]:
        """For JSON: every count with n and interval; what was not measured is null."""
        rates = {key: getattr(self, key).to_dict() for key in _RATES}
        bound = {"unsafe_upper": self.unsafe.upper, "entries": self.entries}
        plain = {key: _plain(value) for key, value in vars(self).items() if key not in _RATES}
        return {**plain, "n": self.n, **rates, **bound}


@dataclass(frozen=True)
class Comparison:
    """Two methods, case by case: first less second.

    Args:
        first: name of the first method.
        second: name of the second.
        digest: of the protocol of both.
        success: difference in success.
        safe: difference in safety.
        success_and_safe: difference in doing both.
    """

    first: str
    second: str
    digest: str
    success: PairedDifference
    safe: PairedDifference
    success_and_safe: PairedDifference

    def __str__(self) -> str:
        """A short table of differences with intervals and p-values."""
        head = f"{self.first} less {self.second}: {self.safe.n} cases, protocol {self.digest}"
        rows = [f"  {key.replace('_', ' '):<17}{getattr(self, key)}" for key in _RATES[:3]]
        return "\n".join([head, *rows])

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        names = {"first": self.first, "second": self.second, "digest": self.digest}
        return {**names, **{key: getattr(self, key).to_dict() for key in _RATES[:3]}}


def compare(first: Results, second: Results) -> Comparison:
    """Two methods over the cases that both have run.

    Cases count as independent: with several sampler seeds a scene, which are alike, the intervals
    are too narrow, and more environment seeds are the remedy.

    Raises:
        ProtocolError: as ``paired``.
    """
    pairs = paired(first, second)
    return Comparison(
        first=first.method,
        second=second.method,
        digest=first.protocol.digest,
        success=PairedDifference.of((a.success, b.success) for a, b in pairs),
        safe=PairedDifference.of((a.safe, b.safe) for a, b in pairs),
        success_and_safe=PairedDifference.of(
            (a.success and a.safe, b.success and b.safe) for a, b in pairs
        ),
    )


def paired(first: Results, second: Results) -> list[tuple[Row, Row]]:
    """Rows of two methods by (environment seed, sampler seed), of the cases that both have run.

    A method may have run fewer cases than another, but only the first of the protocol's order.

    Raises:
        ProtocolError: different protocols, or cases that were left out.
    """
    ours, theirs = first.protocol.digest, second.protocol.digest
    if ours != theirs:
        got = f"{first.method!r} ran {ours}, {second.method!r} ran {theirs}"
        raise ProtocolError(f"compare: protocols differ: {got}; evaluate both under one protocol")
    for results in (first, second):
        if results.gaps:
            got = f"{len(results.gaps)} of its first {len(results.rows) + len(results.gaps)} cases"
            raise ProtocolError(f"compare: {results.method!r} lacks {got}; finish its evaluation")
    one, two = ({row.case: row for row in results.rows} for results in (first, second))
    pairs = [(row, two[case]) for case, row in one.items() if case in two]
    if not pairs:
        raise ProtocolError(f"compare: {first.method!r} and {second.method!r} have no case alike")
    return pairs


_RATES = ("success", "safe", "success_and_safe", "unsafe")
_NO_OUTCOMES = {outcome.value: 0 for outcome in Outcome}


def _totals(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sum by name, in order of first sight."""
    totals: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def _smallest(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Least value by name."""
    least: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            least[name] = min(value, least.get(name, math.inf))
    return least


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """``PERCENTILES`` of some times, nan of none."""
    if not seconds:
        return math.nan, math.nan
    low, high = np.percentile(seconds, PERCENTILES)
    return float(low), float(high)


def _plain(value: object) -> object:
    """A value as JSON knows it: lists for tuples, null for what is not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
