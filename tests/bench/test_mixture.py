"""The planar benchmark: its task by hand, and a small run of all parts that resumes."""

from __future__ import annotations

import json

import pytest
import torch

from glass_plan.bench import mixture_task as task
from glass_plan.bench.mixture import MixtureBench
from glass_plan.bench.mixture_arms import EXACT, best_of, gradient, ours, published, rare, unguided
from glass_plan.bench.mixture_field import trained_field
from glass_plan.bench.mixture_table import main_goals, rare_goals
from glass_plan.errors import DataError
from glass_plan.guidance import total

SOME = (EXACT, unguided(4), ours(8, (None,)), best_of(2, 2, task.reward))
SEEDS = (0, 1)


def points(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_both_classifiers_prefer_the_wanted_cluster_only():
    assert task.satisfied(task.CENTRES).tolist() == [k == task.WANTED for k in range(3)]


def test_the_reward_is_nought_in_the_wanted_cluster():
    assert task.reward(points([8.0, -8.0])).item() == pytest.approx(0.0, abs=1e-6)
    assert task.reward(points([8.0, 8.0])).item() < -100


def test_exact_samples_cover_as_much_as_a_plane_normal():
    """P(|x| < 2) of a normal in the plane is 1 - exp(-2) = 86.5 %."""
    x = task.sample_target(20_000, torch.Generator().manual_seed(0))
    assert task.coverage(x) == pytest.approx(0.865, abs=5 * (0.865 * 0.135 / 20_000) ** 0.5)
    assert task.satisfied(x).all()


def test_the_denoiser_is_the_posterior_mean():
    """Against samples of the data, weighed by their likelihood of x_t."""
    generator = torch.Generator().manual_seed(0)
    x_1, t, x_t = task.sample_data(400_000, generator), 0.4, points([2.0, -1.0])
    log_w = -0.5 * ((x_t - t * x_1) / (1 - t)).square().sum(1)
    exact = (log_w.softmax(0)[:, None] * x_1).sum(0)
    assert torch.allclose(task.denoise(x_t, t)[0], exact, atol=0.05)


def test_the_rare_set_holds_half_a_percent_of_the_data():
    x = task.sample_data(400_000, torch.Generator().manual_seed(0))
    share = float((task.rare_margin(x) > 0).double().mean())
    assert share == pytest.approx(0.005, abs=5 * (0.005 / 400_000) ** 0.5)


def test_the_rare_reward_is_nought_just_where_the_margin_is_positive():
    x = task.sample_data(10_000, torch.Generator().manual_seed(1))
    assert torch.equal(task.rare_reward(x) == 0, task.rare_margin(x) >= 0)


@pytest.mark.parametrize(
    ("family", "rows"),
    [
        (unguided(4), 4),
        (gradient("gradient", total), 100),  # a step asks for itself and for the gradient
        (best_of(3, 4, task.reward), 12),
        (published("GLASS-FKS", 4), 400),
        (published("SDE-FKS", 4, sde=True), 400),
        (rare(8, 4, guided=False), 160),
    ],
)
def test_rows_per_output_are_counted_where_the_field_is_asked(family, rows):
    arm = next(iter(family.arms.values()))
    x, asked = arm.sample(task.denoise, 20, seed=0)
    assert x.shape == (20, 2)
    assert asked == 20 * rows


def test_budgets_bound_the_rows_of_every_setting():
    for arm in ours(200, (8, 11, 16)).arms.values():
        _, asked = arm.sample(task.denoise, 10, seed=0)
        assert 0 < asked <= 2000


def test_large_populations_are_drawn_in_blocks(monkeypatch):
    arm = next(iter(ours(16, (4,)).arms.values()))
    monkeypatch.setattr("glass_plan.bench.mixture_arms.BLOCK", 40)
    x, asked = arm.sample(task.denoise, 25, seed=0)
    assert len(x) == 25
    assert asked % 25 == 0


def test_a_trained_field_is_read_back(tmp_path):
    path, x = tmp_path / "field.safetensors", points([1.0, 2.0])
    made, read = trained_field(path, steps=5), trained_field(path, steps=5)
    assert torch.equal(made.denoise(x, 0.5), read.denoise(x, 0.5))


def test_a_file_that_is_no_field_is_named(tmp_path):
    path = tmp_path / "field.safetensors"
    path.write_bytes(b"not a field")
    with pytest.raises(DataError, match=r"field\.safetensors: no trained field .* delete the file"):
        trained_field(path)


def bench(folder, advance=lambda: None):
    return MixtureBench(
        folder,
        outputs=200,
        seeds=SEEDS,
        families=SOME,
        rare_families=(best_of(2, 2, task.rare_margin), rare(4, 1, guided=True)),
        field_steps=5,
        advance=advance,
    )


def test_a_run_writes_everything_and_resumes_to_the_same_table(tmp_path):
    counted = []
    first = bench(tmp_path, lambda: counted.append(1))
    text = first.run()
    assert len(counted) == first.measurements
    for name in ("mixture.json", "mixture.md", "mixture.png", "mixture-rare.json"):
        assert (tmp_path / name).stat().st_size > 0
    path = tmp_path / "mixture.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 2 * len(SEEDS) * len(SOME)
    path.write_text("".join(lines[:-3]))
    again = bench(tmp_path).run()
    assert len(path.read_text().splitlines()) == len(lines)
    strip = [row for row in text.splitlines() if "exact" in row]
    assert strip == [row for row in again.splitlines() if "exact" in row]


def test_the_exact_sampler_is_as_near_as_the_floor(tmp_path):
    MixtureBench(
        tmp_path, 2000, SEEDS, fields=("analytic",), families=(EXACT,), rare_families=()
    ).run()
    (row,) = json.loads((tmp_path / "mixture.json").read_text())["table"]
    assert row["MMD2 / floor"] == pytest.approx(1.0, abs=1.0)
    assert row["satisfied %"] == 100


def main_line(regime, method, ratio, satisfied):
    return {
        **{"field": "analytic", "regime": regime, "method": method},
        **{"MMD2 / floor": ratio, "satisfied %": satisfied, "coverage %": 86.0},
    }


def test_the_goals_are_about_the_stated_budgets():
    rows = [
        {**main_line("single", EXACT.name, 1.0, 100.0), "coverage %": 86.5},
        main_line("one population", "ours, <= 40 rows", 1.6, 100.0),
        main_line("one population", "ours, <= 20 rows", 9.0, 50.0),
        main_line("independent", "ours, <= 200 rows", 1.9, 99.4),
    ]
    assert [goal.met for goal in main_goals(rows)] == [False, True, True, True, False]


def test_rare_goals_compare_at_equal_rows():
    def line(method, rows, share):
        return {"field": "analytic", "method": method, "rows": rows, "feasible %": share}

    rows = [
        line("best of N ODE", 160, 90.0),
        line("best of N ODE", 400, 33.0),
        line("ours", 400.0, 96.0),
    ]
    assert [goal.met for goal in rare_goals(rows)] == [True, False]
