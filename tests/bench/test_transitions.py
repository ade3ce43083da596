"""Transitions of a prior: budgets are kept, correlations are within requests, runs resume."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glass_plan.bench.transitions import ROWS, TransitionsBench, sample
from glass_plan.bench.transitions_table import quality_goals, quality_line, value_goals, value_line
from glass_plan.bench.values import ESTIMATES, STEPS, TIMES, ValueTest, within
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
    values = np.array([[0.0, 1.0, 2.0], [9.0, 8.0, 7.0], [5.0, 5.0, 5.0]])
    reference = np.array([[0.0, 2.0, 4.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    assert within(values, reference) == [pytest.approx(1.0), pytest.approx(-1.0), None]


@pytest.mark.parametrize("name", ESTIMATES)
def test_estimates_of_equal_price_ask_as_much(planner, name):
    test = ValueTest(planner, windows(), requests=2, reference=(4, 2), seed=0)
    method, samples, steps = ESTIMATES[name]
    with torch.no_grad():
        row = test.correlation(0.5, name)
        before = test._denoise.count.rows
        test._estimate(0.5, method, samples, steps, seed=0)
        noised = test._noised(0.5)
    particles = noised.shape[0] * noised.shape[1]
    asked = test._denoise.count.rows - before - 2 * STEPS * particles  # they are drawn twice
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
        return {"method": method, "NFE": rows, "sliced W": value, "MMD": value}

    table = [line("ode", 20, 1.0), line("glass", 20, 1.05), line("sde", 20, 1.3)]
    assert [goal.met for goal in quality_goals(table)] == [True] * 4
    assert quality_goals([line("ode", 4, 1.0)]) == []


def test_a_line_of_quality_averages_distances_not_squares():
    def row(mmd2, touch):
        return {"sliced W": 1.0, "MMD2": mmd2, "touch %": touch}

    line = quality_line([row(1.0, 2.0), row(9.0, 4.0)])
    assert (line["MMD"], line["touch %"], line["+- touch"]) == (2.0, 3.0, pytest.approx(1.0))


def value_row(estimate, *correlations):
    return {"t": 0.5, "estimate": estimate, "rms error": 1.0, "correlations": list(correlations)}


def test_value_goals_pair_the_requests_that_both_could_value():
    rows = [
        value_row("look-ahead", 0.5, None, 0.3),
        value_row("glass, 8 x 4", 0.7, 0.9, 0.5),
        value_row("sde, 8 x 4", 0.8, 0.9, 0.6),
    ]
    goals = value_goals(rows)
    assert [goal.met for goal in goals] == [True, False]
    assert goals[0].got == pytest.approx(0.2)
    assert goals[1].got == pytest.approx(-0.2 / 3)


def test_a_line_of_values_averages_over_requests():
    line = value_line([value_row("glass", 0.6, None), value_row("glass", 0.8, 1.0)])
    assert line["correlation"] == pytest.approx(0.8)
    assert line["+-"] == pytest.approx(0.2 / 3**0.5)
    assert line["requests"] == 3
