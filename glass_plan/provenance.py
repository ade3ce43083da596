"""What made a result: command, commit of the sources, torch."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch


def commit() -> str:
    """Commit of the sources, ``-dirty`` if they were changed; "unknown" outside a checkout."""
    here = Path(__file__).parent
    asked = ("git", "-C", str(here), "describe", "--always", "--dirty", "--exclude", "*")
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return told.stdout.strip() or "unknown"


def made_by(commits: Iterable[str] = ()) -> dict[str, Any]:
    """Command, torch and threads of now; the commits that measured, the present one by default."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": ", ".join(sorted(set(commits) or {commit()})),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
