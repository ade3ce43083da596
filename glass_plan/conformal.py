"""Split conformal margins: what execution loses of what plans promised is rarely more than m.

Scores of calibration scenes are ordered, and one of them is the margin: above it lies, with
confidence, only a small part of the law that fresh scenes are drawn from, whatever that law is.
Knows no files, no scenes and no figures.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from glass_plan.errors import RequestError
from glass_plan.results import PROMISED, Row

ROUNDING = 1e-9
"""Error of products such as 100 * 0.29, which count as the whole number that they are."""


@dataclass(frozen=True)
class Level:
    """What is certified, and how surely.

    Args:
        delta: largest probability that the margin is exceeded, in (0, 1).
        alpha: largest probability, over calibrations, that this is wrong, in (0, 1).
    """

    delta: float
    alpha: float

    def __post_init__(self) -> None:
        for name in ("delta", "alpha"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise RequestError(
                    f"certify: {name} must lie between 0 and 1, got {value}; 0.05 is usual"
                )


@dataclass(frozen=True)
class Margin:
    """What calibration scores certify.

    Args:
        n: scores.
        rank: k of (2); None if there are too few scores for any.
        value: the k-th smallest score, in its unit; inf if nothing is certified.
        reason: why nothing is; empty if something is.
        needed: fewest scores that certify anything at this level.
        marginal_rank: k of (3); None if there are too few scores for any.
        marginal: that score; holds on the average over calibrations, without ``alpha``.
    """

    n: int
    rank: int | None
    value: float
    reason: str
    needed: int
    marginal_rank: int | None
    marginal: float


@dataclass(frozen=True)
class Splits:
    """How often random splits of all scores keep to delta, beside what theory expects.

    Args:
        count: splits that were drawn.
        share: of them in which at most a share delta of the fresh scores exceeds the margin.
        expected: of (4), for scores without ties.
        error: standard error of the share if ``expected`` is true.
    """

    count: int
    share: float
    expected: float
    error: float


def loss(row: Row, names: Collection[str]) -> float:
    """Score of an episode: the most that execution lost of a promise, in the constraints' unit.

    s = max over c of promised_c - executed_c                                                  (1)

    Args:
        row: of the episode.
        names: constraints of one unit.

    Returns:
        inf for an episode that raised, or in which a promise or a clearance of one of the
        constraints is missing or not finite.
    """
    if row.error is not None:
        return math.inf
    pairs = [(row.info.get(PROMISED + name), row.clearance.get(name)) for name in names]
    known = [(p, c) for p, c in pairs if p is not None and c is not None]
    if len(known) < len(pairs) or not np.isfinite(known).all():
        return math.inf
    return max(promised - executed for promised, executed in known)


def promise(row: Row, names: Collection[str]) -> float:
    """The least that the followed plans promised; -inf if nothing was, for one of the names."""
    found = [row.info.get(PROMISED + name, -math.inf) for name in names]
    return min((value if math.isfinite(value) else -math.inf for value in found), default=-math.inf)


def pac_rank(n: int, level: Level) -> int | None:
    """Smallest rank whose score is exceeded with a probability of at most delta, 1 - alpha sure.

    P(Beta(k, n + 1 - k) <= 1 - delta) = P(Binomial(n, 1 - delta) >= k) <= alpha               (2)

    The law function F of the scores has F(s_(k)) ~ Beta(k, n + 1 - k) where it is continuous, and
    is larger where it is not (Vovk, 2012, proposition 2).

    Returns:
        k in 1..n, or None if n is too small for any.
    """
    ranks = np.arange(1, n + 1)
    risk = stats.beta.cdf(1 - level.delta, ranks, n + 1 - ranks)  # falls with the rank
    enough = np.flatnonzero(risk <= level.alpha)
    return int(ranks[enough[0]]) if len(enough) else None


def needed(level: Level) -> int:
    """Fewest scores that certify anything: (1 - delta)^n <= alpha, (2) at k = n."""
    return math.ceil(math.log(level.alpha) / math.log1p(-level.delta) - ROUNDING)


def marginal_rank(n: int, delta: float) -> int | None:
    """Rank of the conformal quantile: one more score exceeds it with a probability <= delta.

    k = ceil((n + 1) (1 - delta))                                                              (3)

    Returns:
        k in 1..n, or None if n is too small for any.
    """
    rank = max(math.ceil((n + 1) * (1 - delta) - ROUNDING), 1)
    return rank if rank <= n else None


def calibrate(scores: Sequence[float], level: Level) -> Margin:
    """The margin that exchangeable scores certify, infinite ones included.

    Raises:
        RequestError: a score that is not a number.
    """
    ordered, n = np.sort(np.asarray(scores, dtype=np.float64)), len(scores)
    if np.isnan(ordered).any():
        raise RequestError("calibrate: a score is not a number; an unknown one is inf")
    rank, middle = pac_rank(n, level), marginal_rank(n, level.delta)
    value = math.inf if rank is None else float(ordered[rank - 1])
    infinite = int(np.isinf(ordered).sum())
    reason = ""
    if rank is None:
        reason = f"{n} scores are too few, {needed(level)} are needed"
    elif not math.isfinite(value):
        reason = (
            f"{infinite} of {n} scores are infinite (raised, or nothing promised), at most "
            f"{n - rank} may be"
        )
    return Margin(
        n=n,
        rank=rank,
        value=value,
        reason=reason,
        needed=needed(level),
        marginal_rank=middle,
        marginal=math.inf if middle is None else float(ordered[middle - 1]),
    )


def allowed(fresh: int, delta: float) -> int:
    """How many of so many fresh scores may exceed the margin at a rate of at most delta."""
    return math.floor(delta * fresh + ROUNDING)


def expected_share(n: int, rank: int, fresh: int, delta: float) -> float:
    """Probability that at most a share delta of the fresh scores exceeds s_(k).

    P(X <= delta f), X ~ BetaBinomial(f, n + 1 - k, k)                                         (4)

    Exact for exchangeable scores without ties (Marques, 2023). With fresh scenes ever more it
    becomes 1 - the left side of (2); with few it is another number, and may be below 1 - alpha.
    """
    return float(stats.betabinom.cdf(allowed(fresh, delta), fresh, n + 1 - rank, rank))


def exchangeable_p(exceeded: int, n: int, rank: int, fresh: int) -> float:
    """Probability that so many fresh scores or more exceed s_(k), by the law of (4)."""
    return float(stats.betabinom.sf(exceeded - 1, fresh, n + 1 - rank, rank))


def contradiction_p(exceeded: int, fresh: int, delta: float) -> float:
    """Exact one-sided test that the margin is exceeded with a probability of at most delta.

    p = P(Binomial(f, delta) >= exceeded)                                                      (5)
    """
    return float(stats.binom.sf(exceeded - 1, fresh, delta))


def repeated_splits(
    scores: Sequence[float],
    *,
    n: int,
    rank: int,
    delta: float,
    splits: int,
    generator: np.random.Generator,
) -> Splits:
    """Split all scores at random, again and again, into n to calibrate on and the others.

    Args:
        scores: of calibration and fresh scenes together.
        n: to calibrate on, fewer than there are.
        rank: k of (2) for n.
        delta: as of the level.
        splits: to be drawn.
        generator: of the splits.
    """
    pool = np.asarray(scores, dtype=np.float64)
    fresh, kept = len(pool) - n, 0
    for _ in range(splits):
        mixed = generator.permutation(pool)
        margin = np.partition(mixed[:n], rank - 1)[rank - 1]
        kept += int(np.count_nonzero(mixed[n:] > margin)) <= allowed(fresh, delta)
    expected = expected_share(n, rank, fresh, delta)
    return Splits(splits, kept / splits, expected, math.sqrt(expected * (1 - expected) / splits))
