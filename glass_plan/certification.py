"""Certificates: a margin calibrated on some scenes of a protocol, held against fresh ones.

A scene counts once, with the worst of its sampler seeds, since episodes of one scene are alike; an
episode that raised or promised nothing counts as an infinite loss. Constraints of one unit are
certified together, units apart. Knows no files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glass_plan.checkpoint import config_of
from glass_plan.conformal import (
    Level,
    Margin,
    Splits,
    calibrate,
    contradiction_p,
    exchangeable_p,
    loss,
    promise,
    repeated_splits,
)
from glass_plan.errors import ProtocolError
from glass_plan.matching import check_alike, check_rows, common_seeds, named_units
from glass_plan.protocols import Suite
from glass_plan.results import Results, Row
from glass_plan.statistics import Rate, clopper_pearson_upper

Names = Mapping[int, tuple[str, ...]]
"""Constraints of one unit by scene."""


@dataclass(frozen=True)
class Fresh:
    """What fresh scenes say of a margin.

    Args:
        scenes: whose worst episode lost more than the margin.
        episodes: that lost more than the margin; those of one scene are alike.
        upper: Clopper-Pearson bound of ``scenes`` at confidence 1 - alpha.
        p_value: of (5), that the scenes' rate is at most delta.
        exchangeable: of the law of (4), that so many scenes exceed the margin.
        promised: episodes in which every followed plan promised at least the margin.
        violated_promised: episodes among those with a violation.
    """

    scenes: Rate
    episodes: Rate
    upper: float
    p_value: float
    exchangeable: float
    promised: Rate
    violated_promised: int


@dataclass(frozen=True)
class UnitCertificate:
    """The certificate of all constraints of one unit.

    Args:
        unit: of the constraints; several, with commas, of constraints that join them.
        names: of the constraints, over all scenes.
        margin: that the calibration scenes certify.
        calibration: worst loss by calibration scene.
        fresh_losses: worst loss by fresh scene.
        fresh: what the fresh scenes say; None without a margin.
        violated: fresh episodes with a violation, whatever was promised.
        errors: fresh episodes that raised.
        splits: of both kinds of scenes together; None without a rank.
    """

    unit: str
    names: tuple[str, ...]
    margin: Margin
    calibration: Mapping[int, float]
    fresh_losses: Mapping[int, float]
    fresh: Fresh | None
    violated: Rate
    errors: int
    splits: Splits | None


@dataclass(frozen=True)
class Certificate:
    """What is certified of a method.

    Args:
        protocol: its name.
        method: its name.
        level: delta and alpha.
        sampler_seeds: that every scene of both sides ran.
        left_out: rows of other sampler seeds, on both sides together.
        digests: of the calibration and the fresh protocol.
        commits: that ran the calibration and the fresh scenes.
        units: one certificate a unit.
    """

    protocol: str
    method: str
    level: Level
    sampler_seeds: tuple[int, ...]
    left_out: int
    digests: tuple[str, str]
    commits: tuple[tuple[str, ...], tuple[str, ...]]
    units: tuple[UnitCertificate, ...]

    @property
    def holds(self) -> bool:
        """A finite margin for every unit, and (5) rejects none of them at alpha."""
        return all(
            unit.fresh is not None and unit.fresh.p_value > self.level.alpha for unit in self.units
        )


def certify(
    calibration: Results,
    fresh: Results,
    level: Level,
    *,
    splits: int,
    generator: np.random.Generator,
) -> Certificate:
    """Calibrate margins on the scenes of one evaluation and count on those of another.

    Args:
        calibration: rows on tuning scenes.
        fresh: rows of the same method on other scenes of the protocol.
        level: delta and alpha.
        splits: repeated ones.
        generator: of the splits.

    Raises:
        ProtocolError: sides that do not belong together, scenes on both, unfinished evaluations.
        RequestError: no rows, or rows without promises.
    """
    sides = (calibration, fresh)
    suites = [Suite.of(side.protocol) for side in sides]
    check_alike(*suites)
    for side, suite in zip(sides, suites, strict=True):
        check_rows(side, suite)
    settings = sorted({row.settings for side in sides for row in side.rows})
    if len(settings) > 1:
        raise ProtocolError(
            f"certify: rows of {fresh.method!r} are of several settings or weights: "
            f"{', '.join(settings)}; evaluate both splits anew with one"
        )
    seeds = common_seeds(sides)
    kept = [[row for row in side.rows if row.sampler_seed in seeds] for side in sides]
    known = [_units(suite, rows) for suite, rows in zip(suites, kept, strict=True)]
    found = {unit for side in known for scene in side.values() for unit in scene.values()}
    return Certificate(
        protocol=fresh.protocol.name,
        method=fresh.method,
        level=level,
        sampler_seeds=seeds,
        left_out=sum(len(side.rows) for side in sides) - sum(map(len, kept)),
        digests=(calibration.protocol.digest, fresh.protocol.digest),
        commits=(_commits(kept[0]), _commits(kept[1])),
        units=tuple(
            _of_unit(
                unit,
                [{seed: _of(unit, scene) for seed, scene in side.items()} for side in known],
                kept,
                level,
                splits=splits,
                generator=generator,
            )
            for unit in sorted(found)
        ),
    )


def _units(suite: Suite, rows: Iterable[Row]) -> dict[int, dict[str, str]]:
    """``named_units`` of the scenes that were run."""
    config = config_of(suite.model)
    seeds = sorted({row.seed for row in rows})
    return {seed: named_units(suite.scenes[seed], config) for seed in seeds}


def _of(unit: str, scene: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name, known in scene.items() if known == unit)


def _of_unit(
    unit: str,
    names: Sequence[Names],
    rows: Sequence[Sequence[Row]],
    level: Level,
    *,
    splits: int,
    generator: np.random.Generator,
) -> UnitCertificate:
    """Certify one unit on the scenes that have a constraint in it; two sides of each argument."""
    concerned = [
        [row for row in side if known[row.seed]] for side, known in zip(rows, names, strict=True)
    ]
    if not all(concerned):
        raise ProtocolError(
            f"certify: only one side has scenes with constraints in {unit}; evaluate more episodes"
        )
    old, new = (worst(side, known) for side, known in zip(concerned, names, strict=True))
    margin = calibrate(list(old.values()), level)
    violated = [_violated(row, names[1][row.seed]) for row in concerned[1]]
    repeated = None
    if margin.rank is not None:
        repeated = repeated_splits(
            [*old.values(), *new.values()],
            n=len(old),
            rank=margin.rank,
            delta=level.delta,
            splits=splits,
            generator=generator,
        )
    return UnitCertificate(
        unit=unit,
        names=tuple(sorted({name for side in names for known in side.values() for name in known})),
        margin=margin,
        calibration=old,
        fresh_losses=new,
        fresh=_fresh(concerned[1], names[1], new, margin, level),
        violated=Rate(sum(violated), len(violated)),
        errors=sum(row.error is not None for row in concerned[1]),
        splits=repeated,
    )


def worst(rows: Iterable[Row], names: Names) -> dict[int, float]:
    """Largest loss of every scene over its sampler seeds, by scene in order."""
    found: dict[int, float] = {}
    for row in sorted(rows, key=lambda row: row.case):
        found[row.seed] = max(loss(row, names[row.seed]), found.get(row.seed, -math.inf))
    return found


def _fresh(
    rows: Sequence[Row], names: Names, losses: Mapping[int, float], margin: Margin, level: Level
) -> Fresh | None:
    """What fresh rows say of a finite margin."""
    if margin.rank is None or not math.isfinite(margin.value):
        return None
    exceeded, count = sum(s > margin.value for s in losses.values()), len(losses)
    kept = [row for row in rows if promise(row, names[row.seed]) >= margin.value]
    return Fresh(
        scenes=Rate(exceeded, count),
        episodes=Rate(sum(loss(row, names[row.seed]) > margin.value for row in rows), len(rows)),
        upper=clopper_pearson_upper(exceeded, count, confidence=1 - level.alpha),
        p_value=contradiction_p(exceeded, count, level.delta),
        exchangeable=exchangeable_p(exceeded, margin.n, margin.rank, count),
        promised=Rate(len(kept), len(rows)),
        violated_promised=sum(_violated(row, names[row.seed]) for row in kept),
    )


def _violated(row: Row, names: Iterable[str]) -> bool:
    return any(row.violations.get(name, 0) > 0 for name in names)


def _commits(rows: Iterable[Row]) -> tuple[str, ...]:
    return tuple(sorted({row.commit for row in rows}))
