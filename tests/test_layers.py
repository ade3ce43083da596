"""Imports go one way only: the contracts of ``setup.cfg``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CALL = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the source tree at ``root``."""
    return subprocess.run(
        [sys.executable, "-c", CALL, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'envs'}"},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_sources(repository: Path, to: Path) -> None:
    for folder in ("glass_plan", "envs"):
        shutil.copytree(repository / folder, to / folder)
    shutil.copy(repository / "setup.cfg", to)


def test_imports_keep_to_the_layers(repository: Path) -> None:
    result = lint_imports(repository)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_import_upwards_breaks_the_layers(repository: Path, tmp_path: Path) -> None:
    copy_sources(repository, tmp_path)
    with (tmp_path / "glass_plan" / "smc.py").open("a") as file:
        file.write("\nimport glass_plan.planner\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "glass_plan.smc -> glass_plan.planner" in result.stdout


def test_the_package_may_not_import_its_environments(repository: Path, tmp_path: Path) -> None:
    copy_sources(repository, tmp_path)
    with (tmp_path / "glass_plan" / "planner.py").open("a") as file:
        file.write("\nimport glass_envs.mazes\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "glass_plan.planner -> glass_envs.mazes" in result.stdout


def test_a_module_without_a_layer_is_refused(repository: Path, tmp_path: Path) -> None:
    copy_sources(repository, tmp_path)
    (tmp_path / "glass_plan" / "stray.py").touch()
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "stray" in result.stdout
