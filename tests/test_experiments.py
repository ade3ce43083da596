"""Every experiment runs in seconds with --smoke."""

from __future__ import annotations

import subprocess
import sys


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
    assert (tmp_path / "smoke" / "reach-maze2d-umaze.json").is_file()


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
