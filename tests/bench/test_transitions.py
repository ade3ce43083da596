"""Transitions of a prior: budgets are kept, correlations are within requests, runs resume."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glass_plan.bench.transitions import ROWS, TransitionsBench, sample
from glass_plan.bench.transitions_table import quality_goals, value_goals
from glass_plan.bench.values import ESTIMATES, TIMES, ValueTest, within
from glass_plan.checkpoint import build_prior
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from tests.tiny import CONFIG, windows


@pytest.fixture(scope="module")
def planner():
    torch.manual_seed(0)
    return Planner(build_prior(CONFIG), CONFIG, Sampling())


def bench(folder, planner, advance=lambda: None):
    return TransitionsBench(
        folder,
        planner,
        windows(),
        windows=6,
        seeds=(0, 1),
        rows=(4, 20),
        requests=2,
        reference=(3, 2),
        advance=advance,
    )


@pytest.mark.parametrize("method", ["ode", "glass", "sde"])
@pytest.mark.parametrize("rows", ROWS)
def test_samples_keep_their_budget_and_their_ends(planner, method, rows):
    prior = planner.prior
    exact = prior.normalizer.normalize(windows().sample(3, torch.Generator().manual_seed(0)))
    with torch.no_grad():
        x = sample(prior, method, rows, exact, seed=0)  # asserts the rows
    assert torch.allclose(prior.pinned_of(x), prior.pinned_of(exact), atol=1e-5)


def test_correlation_is_within_requests():
    """Values that differ between requests alone are worth nothing."""
    level = np.array([[0.0, 0.0], [9.0, 9.0]])
    tilt = np.array([[0.0, 1.0], [0.0, 1.0]])
    assert within(level + tilt, 5 * level + tilt) == pytest.approx(1.0)
    assert within(level + tilt, 5 * level - tilt) == pytest.approx(-1.0)


@pytest.mark.parametrize("name", ESTIMATES)
def test_estimates_of_equal_price_ask_as_much(planner, name):
    test = ValueTest(planner, windows(), requests=2, reference=(4, 2), seed=0)
    method, samples, steps = ESTIMATES[name]
    with torch.no_grad():
        row = test.correlation(0.5, name)
        before = test._denoise.count.rows
        test._estimate(0.5, method, samples, steps, seed=0)
        noised = test._noised(0.5)
    particles = len(noised)
    asked = test._denoise.count.rows - before - 2 * 20 * particles  # two draws of the particles
    assert row["rows"] == samples * steps
    assert asked <= (row["rows"] + 1) * particles


def test_a_run_writes_everything_and_resumes(planner, tmp_path):
    counted = []
    first = bench(tmp_path, planner, lambda: counted.append(1))
    with torch.no_grad():
        text = first.run()
        assert len(counted) == first.measurements
        for name in ("transitions.json", "transitions.md", "transitions.png", "values.json"):
            assert (tmp_path / name).stat().st_size > 0
        for name in ("transitions", "values"):
            path = tmp_path / f"{name}.jsonl"
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(lines[:-1]))
        assert bench(tmp_path, planner).run() == text
    assert len(lines) == 2 * len(TIMES) * len(ESTIMATES)


def test_goals_compare_at_twenty_rows():
    def line(method, rows, value):
        return {"method": method, "NFE": rows, "sliced W": value, "MMD2": value}

    table = [line("ode", 20, 1.0), line("glass", 20, 1.05), line("sde", 20, 1.3)]
    assert [goal.met for goal in quality_goals(table)] == [True] * 4
    assert quality_goals([line("ode", 4, 1.0)]) == []


def test_value_goals_want_glass_before_both_others():
    def line(estimate, value):
        return {"t": 0.5, "estimate": estimate, "pearson": value}

    table = [line("look-ahead", 0.5), line("glass, 8 x 4", 0.7), line("sde, 8 x 4", 0.8)]
    assert [goal.met for goal in value_goals(table)] == [True, False]
