"""Intervals and tests for counts: how much k of n says.

A rate without its n and its interval says little, and "none of 20" is not "never". Wilson's score
interval serves for rates, Clopper and Pearson's exact bound for what must not happen, Newcombe's
hybrid intervals and McNemar's exact test for differences. Knows nothing of robots.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from scipy import special

from glass_plan.errors import RequestError

CONFIDENCE = 0.95
"""Level of every interval that does not say otherwise."""

Interval = tuple[float, float]


def wilson(k: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a rate.

    ``(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)`` (Wilson, 1927).

    Args:
        k: events.
        n: trials.
        confidence: two-sided level.

    Raises:
        RequestError: unless 0 <= k <= n, n >= 1 and 0 < confidence < 1.
    """
    _check(k, n, confidence)
    z = float(special.ndtri(0.5 + confidence / 2))
    p, w = k / n, z * z / n
    centre = (p + w / 2) / (1 + w)
    half = math.sqrt(p * (1 - p) * w + w * w / 4) / (1 + w)
    low = 0.0 if k == 0 else centre - half  # exact at the ends, where rounding is not
    high = 1.0 if k == n else centre + half
    return low, high


def clopper_pearson_upper(k: int, n: int, *, confidence: float = CONFIDENCE) -> float:
    """One-sided exact upper bound of a rate (Clopper & Pearson, 1934).

    The rate at which k events or fewer have probability 1 - c; ``1 - (1-c)^(1/n)`` for k = 0.
    """
    _check(k, n, confidence)
    return 1.0 if k == n else float(special.betaincinv(k + 1, n - k, confidence))


def clopper_pearson(k: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Two-sided exact interval of a rate: both tails hold (1 - c)/2 (Clopper & Pearson, 1934)."""
    one_sided = 0.5 + confidence / 2
    high = clopper_pearson_upper(k, n, confidence=one_sided)
    return 1.0 - clopper_pearson_upper(n - k, n, confidence=one_sided), high


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided p-value of a paired comparison (McNemar, 1947).

    ``min(1, 2 P(X <= min(b, c)))`` with X ~ Binomial(b + c, 1/2).

    Args:
        b: pairs where only the first succeeded.
        c: pairs where only the second did.
    """
    if min(b, c) < 0:
        raise RequestError(f"mcnemar: counts must not be negative, got {b} and {c}")
    return min(1.0, 2.0 * float(special.bdtr(min(b, c), b + c, 0.5)))


def newcombe(k1: int, n1: int, k2: int, n2: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of ``k1/n1 - k2/n2`` for independent samples (Newcombe, 1998a, method 10)."""
    first = wilson(k1, n1, confidence=confidence)
    second = wilson(k2, n2, confidence=confidence)
    return _square_and_add(k1 / n1, first, k2 / n2, second, phi=0.0)


def newcombe_paired(
    both: int, first: int, second: int, neither: int, *, confidence: float = CONFIDENCE
) -> Interval:
    """Interval of the difference of two rates on the same cases (Newcombe, 1998b, method 10).

    Args:
        both: pairs where both succeeded.
        first: pairs where only the first did.
        second: pairs where only the second did.
        neither: pairs where none did.
        confidence: two-sided level.
    """
    n = both + first + second + neither
    k1, k2 = both + first, both + second
    one, two = (wilson(k, n, confidence=confidence) for k in (k1, k2))
    product = math.sqrt(k1 * (n - k1) * k2 * (n - k2))
    excess = float(both * neither - first * second)
    if excess > 0:  # continuity correction of a positive correlation
        excess = max(excess - n / 2, 0.0)
    return _square_and_add(k1 / n, one, k2 / n, two, phi=excess / product if product else 0.0)


@dataclass(frozen=True)
class Rate:
    """k of n, printed with its Wilson interval.

    Args:
        k: events.
        n: trials.
    """

    k: int
    n: int

    @property
    def value(self) -> float:
        """The share k / n."""
        return self.k / self.n

    @property
    def interval(self) -> Interval:
        """Wilson interval at ``CONFIDENCE``."""
        return wilson(self.k, self.n)

    @property
    def upper(self) -> float:
        """One-sided Clopper-Pearson bound at ``CONFIDENCE``."""
        return clopper_pearson_upper(self.k, self.n)

    def __str__(self) -> str:
        """E.g. ``17/20   85.0 % [64.0, 94.8]``."""
        low, high = (100 * bound for bound in self.interval)
        share = 100 * self.value
        return f"{f'{self.k}/{self.n}':>9}  {share:5.1f} % [{low:.1f}, {high:.1f}]"

    def to_dict(self) -> dict[str, object]:
        """For JSON: k, n, the share and its interval."""
        return {"k": self.k, "n": self.n, "rate": self.value, "interval": list(self.interval)}


@dataclass(frozen=True)
class PairedDifference:
    """Two methods on the same cases, as the 2 x 2 table of what both did.

    Args:
        both: pairs where both succeeded.
        first: pairs where only the first did.
        second: pairs where only the second did.
        neither: pairs where none did.
    """

    both: int
    first: int
    second: int
    neither: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> Self:
        """Count what the first and the second method did in each case."""
        counts = Counter(pairs)
        cells = [(True, True), (True, False), (False, True), (False, False)]
        return cls(*(counts[cell] for cell in cells))

    @property
    def n(self) -> int:
        """Pairs."""
        return self.both + self.first + self.second + self.neither

    @property
    def value(self) -> float:
        """Rate of the first less rate of the second."""
        return (self.first - self.second) / self.n

    @property
    def interval(self) -> Interval:
        """Newcombe's paired interval at ``CONFIDENCE``."""
        return newcombe_paired(self.both, self.first, self.second, self.neither)

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test."""
        return mcnemar(self.first, self.second)

    def __str__(self) -> str:
        """E.g. ``+25.0 points [+3.1, +46.9], only first 6, only second 1, p = 0.125``."""
        low, high = (100 * bound for bound in self.interval)
        return (
            f"{100 * self.value:+.1f} points [{low:+.1f}, {high:+.1f}], "
            f"only first {self.first}, only second {self.second}, p = {self.p_value:.3g}"
        )

    def to_dict(self) -> dict[str, object]:
        """For JSON: the table, the difference, its interval and the p-value."""
        table = {name: getattr(self, name) for name in ("both", "first", "second", "neither")}
        evidence = {"interval": list(self.interval), "p_value": self.p_value}
        return {"n": self.n, "difference": self.value, **evidence, **table}


def _square_and_add(p1: float, one: Interval, p2: float, two: Interval, *, phi: float) -> Interval:
    """Interval of p1 - p2 from the interval of each and their correlation phi."""
    down1, up1 = p1 - one[0], one[1] - p1
    down2, up2 = p2 - two[0], two[1] - p2
    below = down1**2 - 2 * phi * down1 * up2 + up2**2
    above = up1**2 - 2 * phi * up1 * down2 + down2**2
    low, high = p1 - p2 - math.sqrt(max(below, 0.0)), p1 - p2 + math.sqrt(max(above, 0.0))
    return max(low, -1.0), min(high, 1.0)


def _check(k: int, n: int, confidence: float) -> None:
    """Refuse what is no count of n, or no level."""
    if not 0 <= k <= n or n < 1:
        raise RequestError(f"rate: needs 0 <= k <= n and n >= 1, got k = {k}, n = {n}")
    if not 0 < confidence < 1:
        raise RequestError(f"rate: confidence lies between 0 and 1, got {confidence}")
