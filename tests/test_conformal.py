"""Margins and scores: closed forms, scipy's binomial, laws of simulated splits, rows by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from glass_plan.conformal import (
    Level,
    allowed,
    calibrate,
    contradiction_p,
    exchangeable_p,
    expected_share,
    loss,
    marginal_rank,
    needed,
    pac_rank,
    promise,
    repeated_splits,
)
from glass_plan.errors import RequestError
from glass_plan.results import Row

USUAL = Level(0.05, 0.05)
LEVELS = st.builds(Level, st.floats(0.02, 0.6), st.floats(0.01, 0.6))
MARGINS = st.floats(-1, 1, allow_nan=False)


def row(*, promised=None, executed=None, error=None):
    executed = {"walls": 0.1} if executed is None else executed
    promised = {"walls": 0.2} if promised is None else promised
    return Row(
        seed=0,
        sampler_seed=0,
        success=True,
        safe=error is None,
        violations={name: int(margin < 0) for name, margin in executed.items()},
        violated_time=0.0,
        clearance=executed,
        outcomes={"planned": 1},
        nfe=(96,),
        wall_time=(0.1,),
        error=error,
        info={f"promised_{name}": margin for name, margin in promised.items()},
    )


def test_the_score_is_the_most_that_was_lost_of_a_promise():
    driven = row(promised={"walls": 0.3, "disc": 0.1}, executed={"walls": 0.25, "disc": -0.02})
    assert loss(driven, ["walls", "disc"]) == pytest.approx(0.12)
    assert loss(driven, ["walls"]) == pytest.approx(0.05)
    assert promise(driven, ["walls", "disc"]) == 0.1


def test_an_episode_better_than_promised_has_a_negative_score():
    assert loss(row(promised={"walls": 0.1}, executed={"walls": 0.3}), ["walls"]) < 0


@pytest.mark.parametrize(
    "lost",
    [
        row(error="RequestError: in a wall"),
        row(promised={}),
        row(promised={"walls": 0.2, "disc": 0.1}),
        row(executed={"walls": 0.1, "disc": 0.1}),
        row(promised={"walls": 0.2, "disc": math.nan}, executed={"walls": 0.1, "disc": 0.1}),
        row(promised={"walls": 0.2, "disc": -math.inf}, executed={"walls": 0.1, "disc": 0.1}),
        row(promised={"walls": 0.2, "disc": 0.1}, executed={"walls": 0.1, "disc": math.inf}),
    ],
    ids=["raised", "nothing", "no clearance", "no promise", "nan", "-inf", "inf"],
)
def test_what_cannot_be_scored_has_an_infinite_score(lost):
    assert loss(lost, ["walls", "disc"]) == math.inf


@pytest.mark.parametrize("promised", [{}, {"walls": 0.2}, {"walls": 0.2, "disc": math.nan}])
def test_an_incomplete_promise_is_none(promised):
    assert promise(row(promised=promised), ["walls", "disc"]) == -math.inf


@given(st.lists(st.tuples(MARGINS, MARGINS), min_size=1, max_size=4), MARGINS)
def test_a_kept_promise_of_the_margin_is_no_violation(pairs, margin):
    promised = {f"c{k}": pair[0] for k, pair in enumerate(pairs)}
    executed = {f"c{k}": pair[1] for k, pair in enumerate(pairs)}
    driven = row(promised=promised, executed=executed)
    if promise(driven, promised) >= margin and loss(driven, promised) <= margin:
        assert min(executed.values()) >= -1e-15  # the rounding of one subtraction


def test_fifty_nine_scores_are_needed_at_the_usual_level():
    assert needed(USUAL) == 59
    assert pac_rank(58, USUAL) is None
    assert pac_rank(59, USUAL) == 59
    assert pac_rank(92, USUAL) == 92
    assert pac_rank(93, USUAL) == 92  # 93 scores may lose one: 0.95^93 + 93 0.05 0.95^92 = 0.0499


@given(LEVELS, st.integers(1, 300))
def test_the_rank_agrees_with_the_binomial_tail(level, n):
    tail = binom.sf(np.arange(n), n, 1 - level.delta)  # P(X >= k), k = 1..n
    enough = np.flatnonzero(tail <= level.alpha * (1 + 1e-9))
    surely = np.flatnonzero(tail <= level.alpha * (1 - 1e-9))
    assert pac_rank(n, level) in {
        int(found[0]) + 1 if len(found) else None for found in (enough, surely)
    }
    assert (pac_rank(n, level) is None) == (n < needed(level))


@given(st.floats(0.02, 0.6), st.integers(1, 300))
def test_confidence_costs_rank(delta, n):
    average, sure = marginal_rank(n, delta), pac_rank(n, Level(delta, 0.05))
    assert sure is None or (average is not None and sure >= average)


def test_the_marginal_rank_by_hand():
    assert marginal_rank(19, 0.05) == 19
    assert marginal_rank(18, 0.05) is None
    assert marginal_rank(99, 0.05) == 95  # and not 96, by a product that rounds up
    assert marginal_rank(99, 0.29) == 71


def test_the_margin_is_the_score_of_that_rank():
    scores = np.random.default_rng(0).permutation(100) / 100
    margin = calibrate(list(scores), USUAL)
    assert margin.rank == 99
    assert (margin.value, margin.marginal) == (0.98, 0.95)
    assert margin.reason == ""


def test_too_few_scores_certify_nothing_and_say_how_many_would():
    margin = calibrate([0.1] * 58, USUAL)
    assert (margin.rank, margin.value) == (None, math.inf)
    assert margin.reason == "58 scores are too few, 59 are needed"
    assert calibrate([], USUAL).value == math.inf


def test_infinite_scores_count():
    assert calibrate([0.1] * 99 + [math.inf], USUAL).value == 0.1
    margin = calibrate([0.1] * 98 + [math.inf] * 2, USUAL)
    assert margin.value == math.inf
    assert "2 of 100 scores are infinite" in margin.reason
    assert margin.reason.endswith("at most 1 may be")


def test_a_score_that_is_not_a_number_is_refused():
    with pytest.raises(RequestError, match="not a number"):
        calibrate([0.1, math.nan], USUAL)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 5.0, math.nan])
def test_a_level_outside_zero_and_one_is_refused(value):
    with pytest.raises(RequestError, match="delta must lie between 0 and 1"):
        Level(value, 0.05)
    with pytest.raises(RequestError, match="alpha must lie between 0 and 1"):
        Level(0.05, value)


def test_the_tails_by_hand():
    assert contradiction_p(0, 20, 0.1) == 1.0
    assert contradiction_p(2, 2, 0.1) == pytest.approx(0.01)
    # one of one fresh scores above the larger of two: 1/3
    assert exchangeable_p(1, n=2, rank=2, fresh=1) == pytest.approx(1 / 3)
    # at most half of two: all but both on top of four, 1 - 1/6
    assert expected_share(2, 2, 2, 0.5) == pytest.approx(5 / 6)
    assert allowed(100, 0.29) == 29


def test_coverage_of_skewed_scores_is_that_of_theory():
    n, fresh, trials, level = 40, 25, 4000, Level(0.12, 0.2)
    rank = pac_rank(n, level)
    scores = np.random.default_rng(1).exponential(size=(trials, n + fresh)) ** 2
    margins = np.sort(scores[:, :n], axis=1)[:, rank - 1]
    # the true probability of a score above the margin, P(E^2 > m) = exp(-sqrt(m))
    sure = np.mean(np.exp(-np.sqrt(margins)) <= level.delta)
    law = 1 - binom.sf(rank - 1, n, 1 - level.delta)
    assert law >= 1 - level.alpha
    assert sure == pytest.approx(law, abs=5 * math.sqrt(law * (1 - law) / trials))
    exceeded = (scores[:, n:] > margins[:, None]).sum(1)
    kept = np.mean(exceeded <= allowed(fresh, level.delta))
    law = expected_share(n, rank, fresh, level.delta)
    assert kept == pytest.approx(law, abs=5 * math.sqrt(law * (1 - law) / trials))


def split(scores, *, seed=0, splits=2000):
    generator = np.random.default_rng(seed)
    return repeated_splits(scores, n=20, rank=19, delta=0.1, splits=splits, generator=generator)


def test_repeated_splits_keep_to_the_beta_binomial():
    done = split(np.random.default_rng(2).exponential(size=50))
    assert done.expected == expected_share(20, 19, 30, 0.1)
    assert done.share == pytest.approx(done.expected, abs=5 * done.error)
    assert 0.1 < done.expected < 0.9


def test_repeated_splits_depend_on_their_seed_alone():
    scores = list(np.random.default_rng(3).exponential(size=50))
    assert split(scores, splits=50) == split(scores, splits=50)
    assert split(scores, splits=50) != split(scores, splits=50, seed=1)


def test_ties_make_splits_conservative():
    assert split([0.1] * 50, splits=10).share == 1.0
    assert split([0.1] * 40 + [math.inf] * 10, splits=200).share > split([0.1] * 50).expected
