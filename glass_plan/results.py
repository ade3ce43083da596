"""Results of an evaluation: its protocol, one row an episode, one JSON line a row.

The protocol fixes what every method is given alike; its digest tells two apart. Rows are what
tables and comparisons are made from: an evaluation can be killed, resumed and counted without its
trajectories.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from glass_plan.errors import DataError, ProtocolError, RequestError, did_you_mean
from glass_plan.jsonl import append_line, read_lines
from glass_plan.records import Array, Episode

PROMISED = "promised_"
"""Before a constraint's name in ``Row.info``: smallest margin of the plans that were followed."""


@dataclass(frozen=True)
class Row:
    """What one episode adds to a table: a line of a results file.

    Args:
        seed: of the environment.
        sampler_seed: of the planner.
        success: the goal was reached in time and nothing was raised.
        safe: no violation and nothing was raised.
        violations: entries per constraint.
        violated_time: [s] with at least one constraint violated.
        clearance: smallest margin per constraint, in its unit.
        outcomes: decisions per outcome.
        nfe: network rows of each decision that planned.
        wall_time: [s] of each decision that planned.
        error: what was raised, if anything.
        info: further numbers of a protocol, by name.
        commit: of the sources that ran it.
        settings: digest of the method's settings and of the weights.
    """

    seed: int
    sampler_seed: int
    success: bool
    safe: bool
    violations: dict[str, int]
    violated_time: float
    clearance: dict[str, float]
    outcomes: dict[str, int]
    nfe: tuple[int, ...]
    wall_time: tuple[float, ...]
    error: str | None = None
    info: dict[str, float] = field(default_factory=dict)
    commit: str = ""
    settings: str = ""

    @classmethod
    def of(cls, episode: Episode, sampler_seed: int = 0) -> Self:
        """Count one episode.

        Raises:
            RequestError: a margin without one value for every physics step.
        """
        error = episode.error or _not_a_number(episode)
        planned = [d for d in episode.decisions if d.nfe > 0 or d.wall_time > 0]
        return cls(
            seed=int(episode.seed),
            sampler_seed=int(sampler_seed),
            success=bool(episode.success) and error is None,
            safe=episode.safe and error is None,
            violations=episode.violations,
            violated_time=float(np.diff(episode.times)[violated_steps(episode)].sum()),
            clearance={k: float(np.nanmin(m)) for k, m in episode.margins.items() if _known(m)},
            outcomes=dict(Counter(d.outcome.value for d in episode.decisions)),
            nfe=tuple(int(d.nfe) for d in planned),
            wall_time=tuple(float(d.wall_time) for d in planned),
            error=error,
        )

    @property
    def case(self) -> tuple[int, int]:
        """Environment seed and sampler seed: what pairs two methods."""
        return self.seed, self.sampler_seed


@dataclass(frozen=True)
class EvalProtocol:
    """What every method is given alike: cases, tolerances and budget.

    Args:
        name: of the protocol.
        env_id: Gymnasium id.
        scenes: the text that defines constraints and scenes, e.g. their YAML.
        seeds: of the environment; they fix scene, start and goal.
        sampler_seeds: of the planner; every one is run on every environment seed.
        nfe: network rows that a planning decision may spend.
        max_episode_steps: after which an episode has failed.
        tolerances: by name [m]: ``trapped_radius``, within which a robot is trapped
            (``measures``); ``goal_radius``, for the record: within which the environment is at
            its goal.
    """

    name: str
    env_id: str
    scenes: str
    seeds: tuple[int, ...]
    nfe: int
    max_episode_steps: int
    sampler_seeds: tuple[int, ...] = (0,)
    tolerances: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring the values to one spelling, and refuse seeds that are missing or double."""
        for key in ("seeds", "sampler_seeds"):
            seeds = tuple(int(seed) for seed in getattr(self, key))
            if not seeds or len(set(seeds)) < len(seeds):
                raise ProtocolError(f"protocol {self.name!r}: {key} must be distinct, got {seeds}")
            object.__setattr__(self, key, seeds)
        tolerances = {key: float(value) for key, value in sorted(self.tolerances.items())}
        if not all(0 < value < np.inf for value in tolerances.values()):
            raise ProtocolError(
                f"protocol {self.name!r}: tolerances must be > 0 and finite, got {tolerances}"
            )
        object.__setattr__(self, "tolerances", tolerances)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From what ``to_dict`` gives, or from a YAML mapping.

        Raises:
            ProtocolError: an unknown or a missing key.
        """
        names = [entry.name for entry in fields(cls)]
        for key in values:
            if key not in names:
                raise ProtocolError(f"protocol: unknown key {key!r}{did_you_mean(key, names)}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ProtocolError(f"protocol: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        """By digest: equal protocols hash alike."""
        return hash(self.digest)

    @property
    def cases(self) -> tuple[tuple[int, int], ...]:
        """Every (environment seed, sampler seed): all scenes once, then all of them again."""
        return tuple((seed, s) for s, seed in product(self.sampler_seeds, self.seeds))


@dataclass(frozen=True)
class Results:
    """Rows of one method under one protocol; may be unfinished.

    Args:
        protocol: under which the rows were made.
        method: name of the method.
        rows: one a case, in any order.
    """

    protocol: EvalProtocol
    method: str
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        """Refuse rows of cases that are foreign or double."""
        object.__setattr__(self, "rows", tuple(self.rows))
        counts = Counter(row.case for row in self.rows)
        cases = set(self.protocol.cases)
        bad = [case for case, count in counts.items() if count > 1 or case not in cases]
        if bad:
            raise ProtocolError(
                f"results of {self.method!r}: cases (seed, sampler seed) {bad[:5]} are double or "
                f"not in protocol {self.protocol.name!r}; start a new results file"
            )

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Cases without a row before the last one that has one."""
        done = {row.case for row in self.rows}
        last = max((k for k, case in enumerate(self.protocol.cases) if case in done), default=-1)
        return tuple(case for case in self.protocol.cases[: max(last, 0)] if case not in done)


def violated_steps(episode: Episode) -> NDArray[np.bool_]:
    """In which physics steps at least one margin is below zero, (T,).

    Raises:
        RequestError: a margin without one value for every physics step.
    """
    count = max(len(episode.times) - 1, 0)
    violated = np.zeros(count, dtype=bool)
    for name, margin in episode.margins.items():
        if np.shape(margin) != (count,):
            got = f"{np.shape(margin)} for {count} steps"
            raise RequestError(f"episode {episode.seed}: margin of {name!r} has shape {got}")
        violated |= np.asarray(margin) < 0
    return violated


def append_row(path: str | Path, row: Row) -> None:
    """Add one row to a results file; makes the file and its folder."""
    append_line(path, asdict(row))


@contextmanager
def sole_writer(path: str | Path) -> Iterator[None]:
    """Keep other processes from adding rows to a results file meanwhile.

    The lock of a process that died is free.

    Raises:
        ProtocolError: another process adds rows to it.
    """
    lock = FileLock(f"{path}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ProtocolError(
            f"{path}: another evaluation adds rows to it; wait for its end, or use another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def read_rows(path: str | Path) -> list[Row]:
    """The rows of a results file; none if there is no file yet.

    Raises:
        DataError: a complete line that is no row.
    """
    return [_parse(line, f"{path}:{number}") for number, line in enumerate(read_lines(path), 1)]


def _parse(line: bytes, where: str) -> Row:
    """A row from its line."""
    try:
        entry: dict[str, Any] = json.loads(line)
        return Row(**{**entry, **{key: tuple(entry[key]) for key in ("nfe", "wall_time")}})
    except (ValueError, TypeError, KeyError) as error:
        remedy = "delete the line and evaluate that episode again"
        raise DataError(f"{where}: not a results row ({error}); {remedy}") from error


def _known(margin: Array) -> bool:
    """Whether a smallest value exists."""
    return bool(np.size(margin)) and not bool(np.all(np.isnan(margin)))


def _not_a_number(episode: Episode) -> str | None:
    """What to say of an episode whose margins cannot be judged."""
    names = [name for name, margin in episode.margins.items() if np.isnan(margin).any()]
    return f"margin of {', '.join(names)} is not a number" if names else None
