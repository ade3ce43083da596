"""The one module that touches the ``d4rl`` package (Fu et al. 2020): scores, mazes, data readers.

    normalized score = 100 * (return - reference_min) / (reference_max - reference_min)

``d4rl`` 1.1 asks for ``mujoco_py`` on import. It is told that there is none; what it offers without
a simulator still works, its ``gym`` environments do not. It is imported on first use only.
D4RL's frame: x = row, y = column of the maze, one metre a cell. Knows nothing of planning.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glass_plan.errors import DataError, RequestError, did_you_mean

MAZE_SPECS = {
    "maze2d-umaze": "U_MAZE",
    "maze2d-medium": "MEDIUM_MAZE",
    "maze2d-large": "LARGE_MAZE",
}
"""Task name -> its maze's name in ``d4rl.pointmaze.maze_model``."""

SCORE_VERSION = "v1"
"""D4RL's version of the Maze2D tasks; v0 had other data and step limits."""

_ABSENT = ("mujoco_py", "gym_notices")
"""Kept from the import: a simulator of the past, and the banner that ``gym`` prints."""


def normalized_score(task: str, episode_return: float) -> float:
    """D4RL's score in percent: 0 for a random policy, 100 for D4RL's own controller.

    Args:
        task: ``maze2d-umaze``, ``maze2d-medium`` or ``maze2d-large``.
        episode_return: sum of D4RL's sparse reward (1 for each step within 0.5 m of the goal) over
            the task's step limit.

    Raises:
        RequestError: unknown task, or ``d4rl`` is not installed.
    """
    return 100 * float(_d4rl("d4rl").get_normalized_score(_score_name(task), episode_return))


def reference_scores(task: str) -> tuple[float, float]:
    """Returns of D4RL's random policy and of its controller."""
    infos, name = _d4rl("d4rl.infos"), _score_name(task)
    return float(infos.REF_MIN_SCORE[name]), float(infos.REF_MAX_SCORE[name])


def maze_xml(task: str) -> str:
    """D4RL's own MuJoCo model of a maze, as MJCF text."""
    with _maze_model().point_maze(_spec(task)).asfile() as file:
        return str(file.read())


def maze_rows(task: str) -> tuple[tuple[int, ...], ...]:
    """D4RL's maze: 1 for wall and 0 for free."""
    model = _maze_model()
    cells = model.parse_maze(_spec(task)) == model.WALL
    return tuple(tuple(int(cell) for cell in row) for row in cells)


def load_dataset(path: str | Path) -> dict[str, NDArray[Any]]:
    """All arrays of a D4RL Maze2D file, read and checked by D4RL itself.

    Args:
        path: an HDF5 file with ``observations`` (n, 4), ``actions`` (n, 2), ``rewards`` and
            ``terminals`` (n,).

    Raises:
        DataError: not a file that D4RL accepts.
    """
    env = _d4rl("d4rl.offline_env").OfflineEnv()
    box = _d4rl("gym.spaces").Box
    env.observation_space = box(-np.inf, np.inf, (4,), np.float64)
    env.action_space = box(-1.0, 1.0, (2,), np.float64)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            columns: dict[str, NDArray[Any]] = env.get_dataset(h5path=str(path))
    except (AssertionError, OSError) as error:
        raise DataError(f"data: {path} is not a D4RL Maze2D file: {error}") from error
    return columns


def transitions(path: str | Path) -> dict[str, NDArray[Any]]:
    """Rows (observation, action, next observation, reward, terminal) by ``d4rl.qlearning_dataset``.

    Args:
        path: as for ``load_dataset``.

    Returns:
        float32 arrays ``observations actions next_observations rewards`` and ``terminals``; the
        last row of each episode is left out, for its successor is not in the file.
    """
    rows: dict[str, NDArray[Any]] = _d4rl("d4rl").qlearning_dataset(
        None, dataset=load_dataset(path)
    )
    return rows


def _score_name(task: str) -> str:
    _spec_name(task)
    return f"{task}-{SCORE_VERSION}"


def _spec_name(task: str) -> str:
    if task not in MAZE_SPECS:
        raise RequestError(f"d4rl: unknown task {task!r}{did_you_mean(task, MAZE_SPECS)}")
    return MAZE_SPECS[task]


def _spec(task: str) -> str:
    return str(getattr(_maze_model(), _spec_name(task)))


def _maze_model() -> ModuleType:
    return _d4rl("d4rl.pointmaze.maze_model")


@functools.cache
def _d4rl(name: str) -> ModuleType:
    """A module of ``d4rl``, or of the ``gym`` below it."""
    try:
        with _as_it_was():
            sys.modules.update(dict.fromkeys(_ABSENT))  # type: ignore[arg-type]  # None: no such
            os.environ["D4RL_SUPPRESS_IMPORT_ERROR"] = "1"
            os.environ.setdefault("D4RL_DATASET_DIR", tempfile.gettempdir())  # else one in the home
            importlib.import_module("d4rl")
            return importlib.import_module(name)
    except ImportError as error:
        raise RequestError(
            f"d4rl: cannot import {name!r} ({error}); install it without its own requirements: "
            "pip install --no-deps d4rl==1.1 gym==0.24.1 tqdm"
        ) from error


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Undo what the import does to the environment, to the warning filters and to ``_ABSENT``."""
    environment = dict(os.environ)
    modules = {name: sys.modules[name] for name in _ABSENT if name in sys.modules}
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for name in _ABSENT:
                sys.modules.pop(name, None)
            sys.modules.update(modules)
            os.environ.clear()
            os.environ.update(environment)
