"""Every experiment runs in seconds with --smoke; every example of a specification is planned."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import panda_spheres
from glass_plan.constraints import load_spec
from glass_plan.planner import Planner
from glass_plan.robots import PANDA_LINKS

SPECS = Path(__file__).parents[1] / "experiments" / "specs"


def test_maze2d_smoke(repository, tmp_path):
    ran = subprocess.run(
        [sys.executable, "experiments/maze2d.py", "--smoke", "--out", str(tmp_path)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "plans that touch a wall" in ran.stdout
    assert "D4RL score" in ran.stdout
    assert (tmp_path / "smoke" / "reach-maze2d-umaze-effort-1.json").is_file()
    scores = json.loads((tmp_path / "smoke" / "d4rl.json").read_text())
    assert [row["n"] for row in scores["table"]] == [4]
    assert scores["goals"][0]["bound"] == 113.9


def test_tuning_chooses_one_setting_a_method(repository, tmp_path):
    asked = ["--scenes", "1", "--methods", "barrier", "--workers", "1", "--out", str(tmp_path)]
    subprocess.run([sys.executable, "experiments/tune.py", *asked], cwd=repository, check=True)
    table = json.loads((tmp_path / "tuning.json").read_text())["table"]
    assert len(table) == 5
    assert sum(row["best"] == "yes" for row in table) == 1
    assert all(row["rows"] <= 100 for row in table)


def test_projection_compares_feasible_plans_with_and_without(repository):
    asked = ["--model", "maze2d-umaze", "--scenes", "1", "--discs", "1"]
    ran = subprocess.run(
        [sys.executable, "experiments/projection.py", *asked],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("| GLASS-FKS ") == 2


@pytest.mark.skipif(not importlib.util.find_spec("mani_skill"), reason="has the meshes")
@pytest.mark.parametrize("link", PANDA_LINKS)
def test_spheres_of_the_panda_leave_at_most_5_mm_of_a_hull_outside(link):
    folder = importlib.util.find_spec("mani_skill").submodule_search_locations[0]
    urdf = Path(folder) / "assets/robots/panda/panda_v2.urdf"
    row = panda_spheres.measured(link, panda_spheres.hull(urdf, link), np.random.default_rng(1))
    outside, beyond, _ = (float(value) for value in list(row.values())[2:])
    assert outside < 5
    assert beyond < 22


def test_a_sphere_is_fitted_into_a_cube(tmp_path):
    box = '<collision><geometry><box size="0.2 0.2 0.2"/></geometry></collision>'
    urdf = tmp_path / "cube.urdf"
    urdf.write_text(f'<robot><link name="cube">{box}</link></robot>')
    around = panda_spheres.hull(urdf, "cube")
    args, rng = panda_spheres.Args(urdf, restarts=2, steps=200), np.random.default_rng(0)
    (sphere,) = panda_spheres.fitted("cube", around, 1, args, rng)
    assert np.abs(sphere.center).max() < 0.002
    assert sphere.radius == pytest.approx(0.1 * 3**0.5 - panda_spheres.UNCOVERED, abs=0.002)


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_specs_can_be_planned(path):
    planner = Planner.from_pretrained("maze2d-large")
    plan = planner.plan((-4.5, 3.0, 0.0, 0.0), (4.0, 3.0), load_spec(path), seed=0)
    assert plan.status == "feasible", plan.margins
