"""D4RL's Maze2D and the world that we plan in are one: scores, mazes, physics, data."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import gymnasium_robotics
import h5py
import mujoco
import numpy as np
import pytest
from gymnasium_robotics.envs.maze import maps
from numpy.typing import NDArray

from glass_plan import d4rl_compat
from glass_plan.data import Trip, read_trips
from glass_plan.errors import DataError, RequestError

Array = NDArray[np.float64]

POINT_MAZES = {
    "maze2d-umaze": ("PointMaze_UMaze-v3", maps.U_MAZE),
    "maze2d-medium": ("PointMaze_Medium-v3", maps.MEDIUM_MAZE),
    "maze2d-large": ("PointMaze_Large-v3", maps.LARGE_MAZE),
}
D4RL_BODY = 1.2
"""D4RL's joints are zero at (1.2, 1.2) of its own frame [m]."""
ALL_TASKS = pytest.mark.parametrize("task", POINT_MAZES)


@pytest.fixture(params=POINT_MAZES)
def twins(request: pytest.FixtureRequest) -> Iterator[tuple[mujoco.MjModel, mujoco.MjModel]]:
    """D4RL's model of a maze and gymnasium-robotics' model of the same maze."""
    env_id, _ = POINT_MAZES[request.param]
    gymnasium.register_envs(gymnasium_robotics)
    env: Any = gymnasium.make(env_id)
    yield (
        mujoco.MjModel.from_xml_string(d4rl_compat.maze_xml(request.param)),
        env.unwrapped.point_env.model,
    )
    env.close()
    Path(env.unwrapped.tmp_xml_file_path).unlink(missing_ok=True)


def geoms(model: mujoco.MjModel, prefix: str) -> list[int]:
    return [g for g in range(model.ngeom) if model.geom(g).name.startswith(prefix)]


def from_d4rl(xy: Array) -> Array:
    """(row, column) directions of D4RL as (right, up) directions of PointMaze; (..., 2)."""
    return np.stack([xy[..., 1], -xy[..., 0]], axis=-1)


# Scores


@ALL_TASKS
def test_reference_returns_score_zero_and_hundred(task: str) -> None:
    lowest, highest = d4rl_compat.reference_scores(task)
    assert lowest < highest
    assert d4rl_compat.normalized_score(task, lowest) == pytest.approx(0, abs=1e-12)
    assert d4rl_compat.normalized_score(task, highest) == pytest.approx(100)


def test_large_maze_scores_as_published() -> None:
    # Fu et al. 2020, table of reference scores: 6.7 and 273.99
    assert d4rl_compat.normalized_score("maze2d-large", 140.0) == pytest.approx(
        100 * (140 - 6.7) / (273.99 - 6.7)
    )


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(
        RequestError, match="unknown task 'maze2d-lage'; did you mean 'maze2d-large'"
    ):
        d4rl_compat.normalized_score("maze2d-lage", 1.0)


def test_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    d4rl_compat._d4rl.cache_clear()
    monkeypatch.setitem(sys.modules, "d4rl", None)
    with pytest.raises(RequestError, match="pip install --no-deps d4rl"):
        d4rl_compat.normalized_score("maze2d-large", 1.0)


def test_import_leaves_the_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in {"d4rl", "gym"}]:
        monkeypatch.delitem(sys.modules, name)
    d4rl_compat._d4rl.cache_clear()
    environment, filters = dict(os.environ), list(warnings.filters)
    d4rl_compat.normalized_score("maze2d-large", 1.0)
    assert "d4rl" in sys.modules
    assert "mujoco_py" not in sys.modules
    assert dict(os.environ) == environment
    assert list(warnings.filters) == filters
    d4rl_compat._d4rl.cache_clear()


# Maze and physics


@ALL_TASKS
def test_mazes_are_the_same(task: str) -> None:
    _, rows = POINT_MAZES[task]
    assert d4rl_compat.maze_rows(task) == tuple(tuple(row) for row in rows)


def test_walls_stand_in_the_same_cells(twins: tuple[mujoco.MjModel, mujoco.MjModel]) -> None:
    d4rl, ours = twins
    walls = d4rl.geom_pos[geoms(d4rl, "wall_")][:, :2]
    blocks = ours.geom_pos[geoms(ours, "block_")][:, :2]
    turned = from_d4rl(walls)
    np.testing.assert_allclose(turned - turned.mean(0), blocks - blocks.mean(0), atol=1e-12)
    for model, prefix in ((d4rl, "wall_"), (ours, "block_")):
        np.testing.assert_allclose(model.geom_size[geoms(model, prefix)][:, :2], 0.5)


def test_physics_parameters_are_the_same(twins: tuple[mujoco.MjModel, mujoco.MjModel]) -> None:
    d4rl, ours = twins
    assert d4rl.opt.timestep == ours.opt.timestep == 0.01
    assert d4rl.opt.integrator == ours.opt.integrator
    balls = [model.body("particle") for model in twins]
    np.testing.assert_array_equal(balls[0].mass, balls[1].mass)
    np.testing.assert_array_equal(d4rl.dof_damping, ours.dof_damping)
    np.testing.assert_array_equal(d4rl.actuator_gear, ours.actuator_gear)
    np.testing.assert_array_equal(d4rl.actuator_ctrlrange, ours.actuator_ctrlrange)
    np.testing.assert_array_equal(d4rl.geom("particle_geom").size, ours.geom("particle_geom").size)


def roll(
    model: mujoco.MjModel, start: Array, velocity: Array, actions: Array
) -> tuple[Array, bool]:
    """Drive the ball.

    Args:
        model: a maze.
        start: (2,) joint positions [m].
        velocity: (2,) [m/s].
        actions: (T, 2) motor commands.

    Returns:
        Joint positions and velocities after each step (T, 4), and whether a wall was touched.
    """
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = start, velocity
    states, touched = np.empty((len(actions), 4)), False
    ground = model.geom("ground").id
    for step, action in enumerate(actions):
        data.qvel[:] = np.clip(data.qvel, -5, 5)  # as both environments do
        data.ctrl[:] = action
        mujoco.mj_step(model, data)
        states[step] = *data.qpos, *data.qvel
        touched |= any(ground not in pair for pair in data.contact.geom)
    return states, touched


def roll_twins(
    twins: tuple[mujoco.MjModel, mujoco.MjModel], velocity: Array, actions: Array
) -> tuple[Array, Array, bool]:
    """Both balls from the same place in cell (1, 1): displacements and velocities, (T, 4) each.

    D4RL's are turned into PointMaze's frame. The third value tells whether a wall was touched.
    """
    d4rl, ours = twins
    offset = np.array([0.05, -0.08])  # from the centre of the cell, in D4RL's frame [m]
    start_d4rl = d4rl.geom("wall_0_0").pos[:2] + 1 + offset - D4RL_BODY
    start_ours = ours.geom("block_0_0").pos[:2] + from_d4rl(1 + offset)
    theirs, theirs_touched = roll(d4rl, start_d4rl, velocity, actions)
    own, own_touched = roll(ours, start_ours, from_d4rl(velocity), from_d4rl(actions))
    turned = [from_d4rl(theirs[:, :2] - start_d4rl), from_d4rl(theirs[:, 2:])]
    own[:, :2] -= start_ours
    assert theirs_touched == own_touched
    return np.concatenate(turned, axis=1), own, own_touched


@pytest.mark.parametrize(("steps", "scale"), [(12, 1.0), (80, 0.1)])
def test_the_same_actions_give_the_same_motion(
    twins: tuple[mujoco.MjModel, mujoco.MjModel], steps: int, scale: float
) -> None:
    actions = scale * np.random.default_rng(7).uniform(-1, 1, (steps, 2))
    theirs, own, touched = roll_twins(twins, np.array([0.3, -0.2]), actions)
    assert not touched
    assert np.abs(own[:, :2]).max() > 0.02
    np.testing.assert_allclose(theirs, own, atol=1e-9)


def test_the_speed_limit_holds_alike(twins: tuple[mujoco.MjModel, mujoco.MjModel]) -> None:
    theirs, own, _ = roll_twins(twins, np.array([9.0, 7.0]), np.full((3, 2), -1.0))
    assert np.abs(own[:, 2:]).max() < 5
    np.testing.assert_allclose(theirs, own, atol=1e-9)


def test_walls_stop_the_ball_alike(twins: tuple[mujoco.MjModel, mujoco.MjModel]) -> None:
    # Pushed up against the outer wall of row 0, where the ball comes to rest.
    theirs, own, touched = roll_twins(twins, np.zeros(2), np.tile([-0.2, 0.0], (150, 1)))
    assert touched
    np.testing.assert_allclose(theirs, own, atol=1e-9)


# Data


@pytest.fixture
def d4rl_file(tmp_path: Path) -> Path:
    """Two episodes of 30 and 20 rows; the goal of the first changes once."""
    rng = np.random.default_rng(3)
    rows, timeouts = 50, np.zeros(50, bool)
    timeouts[[29, 49]] = True
    goals = np.repeat([[1.0, 1.0], [3.0, 2.0], [5.0, 7.0]], [12, 18, 20], axis=0)
    path = tmp_path / "maze2d-test.hdf5"
    with h5py.File(path, "w") as file:
        file["observations"] = rng.normal(size=(rows, 4)).astype(np.float32)
        file["actions"] = rng.uniform(-1, 1, (rows, 2)).astype(np.float32)
        file["rewards"] = np.zeros(rows, np.float32)
        file["terminals"] = np.zeros(rows, bool)
        file["timeouts"] = timeouts
        file["infos/goal"] = goals.astype(np.float32)
    return path


def stacked(trips: list[Trip], attribute: str, part: slice) -> Array:
    return np.concatenate([getattr(trip, attribute)[part] for trip in trips])


def test_trips_hold_the_transitions_that_d4rl_reads(d4rl_file: Path) -> None:
    trips = read_trips(str(d4rl_file))
    rows = d4rl_compat.transitions(d4rl_file)
    everything = slice(None)
    assert len(rows["actions"]) == 48
    np.testing.assert_array_equal(stacked(trips, "actions", everything), rows["actions"])
    np.testing.assert_array_equal(stacked(trips, "states", slice(None, -1)), rows["observations"])
    np.testing.assert_array_equal(
        stacked(trips, "states", slice(1, None)), rows["next_observations"]
    )


def test_trips_end_where_the_goal_changes(d4rl_file: Path) -> None:
    trips = read_trips(str(d4rl_file))
    assert [trip.goal.tolist() for trip in trips] == [[1, 1], [3, 2], [5, 7]]
    assert [len(trip.actions) for trip in trips] == [12, 17, 19]


def test_data_set_comes_with_all_its_columns(d4rl_file: Path) -> None:
    columns = d4rl_compat.load_dataset(d4rl_file)
    assert columns["observations"].shape == (50, 4)
    assert columns["infos/goal"].shape == (50, 2)
    assert columns["timeouts"].sum() == 2


def test_reading_prints_nothing(d4rl_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    d4rl_compat.load_dataset(d4rl_file)
    assert capfd.readouterr() == ("", "")


def test_a_file_of_another_task_is_refused(d4rl_file: Path) -> None:
    with h5py.File(d4rl_file, "a") as file:
        del file["actions"]
        file["actions"] = np.zeros((50, 8))
    with pytest.raises(DataError, match="Action shape does not match"):
        d4rl_compat.load_dataset(d4rl_file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.hdf5"):
        d4rl_compat.load_dataset(tmp_path / "nowhere.hdf5")
