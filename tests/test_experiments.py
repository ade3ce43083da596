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
