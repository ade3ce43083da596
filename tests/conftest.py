"""What every test runs under: one thread a worker, no display, nothing written to the home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before torch, numpy and mujoco are imported; what the caller has set stays.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest-xdist's workers share the cores
os.environ.setdefault("MPLBACKEND", "Agg")
if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")

import pytest
from hypothesis import settings

# A shared core makes single examples slow; the same examples in each run make a failure repeat.
settings.register_profile("glass_plan", deadline=None, derandomize=True)
settings.load_profile("glass_plan")


@pytest.fixture(autouse=True)
def _own_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minari's local data sets of a test are its own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return Path(__file__).resolve().parents[1]
