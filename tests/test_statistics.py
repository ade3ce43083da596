"""Intervals and tests against scipy, printed examples of the literature, and worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from glass_plan.errors import RequestError
from glass_plan.statistics import (
    PairedDifference,
    Rate,
    clopper_pearson,
    clopper_pearson_upper,
    mcnemar,
    newcombe,
    newcombe_paired,
    wilson,
)

COUNTS = [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (81, 263), (999, 1000)]


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_wilson_agrees_with_scipy(k: int, n: int, confidence: float) -> None:
    oracle = binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson(k, n, confidence=confidence) == pytest.approx((oracle.low, oracle.high))


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_clopper_pearson_agrees_with_scipy(k: int, n: int, confidence: float) -> None:
    oracle = binomtest(k, n).proportion_ci(confidence, method="exact")
    assert clopper_pearson(k, n, confidence=confidence) == pytest.approx(
        (oracle.low, oracle.high), abs=1e-12
    )


@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_clopper_pearson_upper_is_the_one_sided_bound(k: int, n: int) -> None:
    oracle = binomtest(k, n, alternative="less").proportion_ci(0.95, method="exact")
    assert clopper_pearson_upper(k, n) == pytest.approx(oracle.high)


def test_wilson_gives_newcombes_printed_example() -> None:
    # Newcombe (1998), two-sided intervals for the single proportion: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_none_of_twenty_is_at_most_fourteen_percent() -> None:
    assert clopper_pearson_upper(0, 20) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert clopper_pearson_upper(0, 20) == pytest.approx(0.139, abs=5e-4)


def test_mcnemar_by_hand() -> None:
    # 1 against 7 of 8: 2 (C(8,0) + C(8,1)) / 2^8 = 18 / 256
    assert mcnemar(1, 7) == mcnemar(7, 1) == pytest.approx(18 / 256)
    assert mcnemar(5, 5) == mcnemar(0, 0) == 1.0


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_scipy(b: int, c: int) -> None:
    oracle = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(oracle)


def test_newcombe_gives_the_printed_examples() -> None:
    # Newcombe (1998), difference between independent proportions, method 10.
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_paired_newcombe_gives_the_printed_examples() -> None:
    # Altman et al. (2000), Statistics with Confidence: 14, 5, 0, 22 gives 0.011 to 0.226;
    # Bentur et al. (2009) in Fagerland et al. (2013): 1, 1, 7, 12 gives -0.507 to -0.026.
    assert newcombe_paired(14, 5, 0, 22) == pytest.approx((0.011, 0.226), abs=6e-4)
    assert newcombe_paired(1, 1, 7, 12) == pytest.approx((-0.507, -0.026), abs=6e-4)


@given(st.lists(st.integers(0, 40), min_size=4, max_size=4).filter(any))
def test_swapping_the_methods_mirrors_the_difference(table: list[int]) -> None:
    both, first, second, neither = table
    low, high = newcombe_paired(both, first, second, neither)
    assert newcombe_paired(both, second, first, neither) == pytest.approx((-high, -low))
    assert low - 1e-12 <= (first - second) / sum(table) <= high + 1e-12


def test_pairing_narrows_the_interval_of_methods_that_agree() -> None:
    low, high = newcombe_paired(45, 5, 0, 50)
    wide = newcombe(50, 100, 45, 100)
    assert high - low < (wide[1] - wide[0]) / 2


def test_a_rate_prints_count_share_and_interval() -> None:
    assert str(Rate(17, 20)) == "    17/20   85.0 % [64.0, 94.8]"
    assert Rate(17, 20).to_dict() == {
        "k": 17,
        "n": 20,
        "rate": 0.85,
        "interval": pytest.approx([0.6396, 0.9476], abs=1e-4),
    }


def test_a_paired_difference_prints_its_evidence() -> None:
    difference = PairedDifference(both=10, first=7, second=1, neither=2)
    assert difference.value == pytest.approx(0.3)
    text = str(difference)
    assert text.startswith("+30.0 points [")
    assert text.endswith("only first 7, only second 1, p = 0.0703")


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_counts_that_are_none_are_refused(k: int, n: int) -> None:
    with pytest.raises(RequestError, match=f"got k = {k}, n = {n}"):
        wilson(k, n)
    with pytest.raises(RequestError, match="0 <= k <= n"):
        clopper_pearson_upper(k, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, math.nan])
def test_a_level_outside_zero_and_one_is_refused(confidence: float) -> None:
    with pytest.raises(RequestError, match="confidence lies between 0 and 1"):
        wilson(1, 2, confidence=confidence)


def test_negative_discordant_counts_are_refused() -> None:
    with pytest.raises(RequestError, match="must not be negative"):
        mcnemar(-1, 2)
