"""Demonstrations: Minari data sets and D4RL HDF5 files, as trips that each lead to one goal.

Knows nothing of how a prior is trained on them: windows.py does.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import minari
import msgspec
import numpy as np
from numpy.typing import NDArray

from glass_plan.errors import DataError, LayoutError
from glass_plan.layout import Channel, Layout

Array = NDArray[np.float64]

D4RL_CELL = 0.2
"""Added to a position of a D4RL file [m] it is a row and a column: the joints are zero at 1.2."""
CODE = "glass_plan.data.write_minari"
"""What Minari records as the data's origin."""
RECORDED = "recorded"
"""Key of a data set's metadata that says what the columns of its states are."""


@dataclass(frozen=True)
class Trip:
    """One way from somewhere to a goal.

    Args:
        states: (T + 1, S); of a point mass position [m] and velocity [m/s], (T + 1, 4).
        actions: (T, A) motor commands.
        goal: (G,) place that the trip was sent to [m].
    """

    states: Array
    actions: Array
    goal: Array


@dataclass(frozen=True)
class Recorded:
    """What the columns of recorded states are.

    Args:
        channels: of a state, in order.
        achieved: the one that begins with the place that has to come to the goal.
    """

    channels: tuple[Channel, ...]
    achieved: str

    @property
    def dim(self) -> int:
        """Size S of a state."""
        return sum(channel.size for channel in self.channels)

    def columns(self, name: str, count: int | None = None) -> tuple[int, ...]:
        """Where a channel is in a state, or its first ``count`` components are.

        Raises:
            DataError: no such channel, or a smaller one.
        """
        try:
            found = Layout(self.channels, start=(), goal=()).columns((name,))
        except LayoutError as error:
            raise DataError(f"data: of recorded states: {error}") from error
        if count is not None and len(found) < count:
            raise DataError(
                f"data: recorded channel {name!r} has {len(found)} components, needs {count}"
            )
        return tuple(found[:count])


POINT_STATES = Recorded((Channel("position", 2, "m"), Channel("velocity", 2, "m/s")), "position")
"""PointMaze's."""


def write_minari(
    dataset_id: str,
    trips: Sequence[Trip],
    *,
    description: str,
    algorithm: str = "waypoint controller",
    recorded: Recorded = POINT_STATES,
) -> None:
    """Save trips as a Minari data set of a goal environment; replaces an old one.

    Args:
        dataset_id: ``namespace/name-vN``.
        trips: one episode each, all of the same sizes.
        description: how the data were made.
        algorithm: that made them.
        recorded: what a state holds; readers find it in the data set's metadata.

    Raises:
        DataError: the trips' states are of another size.
    """
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    def box(size: int) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (size,), np.float64)

    buffers, sizes = [], [part.shape[-1] for part in (trips[0].states, trips[0].goal)]
    _check_size(dataset_id, recorded, sizes[0])
    achieved = list(recorded.columns(recorded.achieved, sizes[1]))
    for trip in trips:
        steps = len(trip.actions)
        ends = np.zeros(steps, dtype=bool)
        ends[-1] = True
        observations = {
            "observation": trip.states,
            "achieved_goal": trip.states[:, achieved],
            "desired_goal": np.tile(trip.goal, (steps + 1, 1)),
        }
        buffers.append(
            EpisodeBuffer(
                observations=observations,
                actions=trip.actions,
                rewards=ends.astype(np.float64),
                terminations=ends,
                truncations=np.zeros(steps, dtype=bool),
            )
        )
    if dataset_id in minari.list_local_datasets():
        minari.delete_dataset(dataset_id)
    with warnings.catch_warnings():
        # the simulator was driven directly, without a Gymnasium environment
        warnings.filterwarnings("ignore", message="(`eval_env` is set to|env_spec is) None")
        dataset = minari.create_dataset_from_buffers(
            dataset_id,
            buffers,
            observation_space=spaces.Dict(
                observation=box(sizes[0]), achieved_goal=box(sizes[1]), desired_goal=box(sizes[1])
            ),
            action_space=spaces.Box(-1, 1, trips[0].actions.shape[1:], np.float64),
            description=description,
            algorithm_name=algorithm,
            author="glass_plan",
            author_email="",
            code_permalink=CODE,
        )
    dataset.storage.update_metadata({RECORDED: msgspec.to_builtins(recorded)})


def read_trips(source: str, *, maze_shape: tuple[int, int] | None = None) -> list[Trip]:
    """Trips from a Minari data set id or a D4RL HDF5 file.

    Args:
        source: ``namespace/name-vN`` of a local Minari data set, or a path that ends in ``.hdf5``.
        maze_shape: rows and columns of the maze of a D4RL file, to bring its trips into PointMaze's
            frame; None leaves them in D4RL's (x = row, y = column).

    Raises:
        DataError: no such data set, or not of PointMaze's kind.
    """
    if source.endswith((".hdf5", ".h5")):
        trips = _read_d4rl(Path(source))
        return trips if maze_shape is None else [_from_d4rl_frame(t, maze_shape) for t in trips]
    return _read_minari(source)


def read_recorded(dataset_id: str) -> Recorded:
    """What the states of a local Minari data set hold, as ``write_minari`` noted it.

    Raises:
        DataError: no such data set, or one that does not say it.
    """
    storage = _load(dataset_id).storage
    try:
        recorded = msgspec.convert(storage.metadata[RECORDED], Recorded)
    except (KeyError, msgspec.ValidationError) as error:
        raise DataError(
            f"data: the metadata of {dataset_id!r} do not say what its columns are "
            f"({RECORDED!r}: {error}); make it anew with `glass-plan collect`"
        ) from error
    _check_size(dataset_id, recorded, storage.observation_space["observation"].shape[0])
    return recorded


def _check_size(dataset_id: str, recorded: Recorded, size: int) -> None:
    if recorded.dim != size:
        raise DataError(
            f"data: states of {dataset_id!r} have {size} columns, its channels "
            f"{[channel.name for channel in recorded.channels]} have {recorded.dim}"
        )


def _load(dataset_id: str) -> Any:
    """A local Minari data set."""
    known = minari.list_local_datasets()
    if dataset_id not in known:
        raise DataError(
            f"data: no local Minari data set {dataset_id!r}; have {sorted(known)}; "
            "make one with `glass-plan collect`"
        )
    return minari.load_dataset(dataset_id)


def _read_minari(dataset_id: str) -> list[Trip]:
    trips: list[Trip] = []
    for episode in _load(dataset_id).iterate_episodes():
        observations = episode.observations
        if not isinstance(observations, dict) or "observation" not in observations:
            raise DataError(f"data: {dataset_id!r} lacks the key 'observation'; want PointMaze's")
        trips += _split(observations["observation"], episode.actions, observations["desired_goal"])
    return trips


def _read_d4rl(path: Path) -> list[Trip]:
    if not path.is_file():
        raise DataError(f"data: no file {path}")
    with h5py.File(path) as file:
        missing = {"observations", "actions", "infos/goal", "timeouts"} - set(_keys(file))
        if missing:
            raise DataError(f"data: {path} lacks {sorted(missing)}; want a D4RL Maze2D file")
        observations, actions = file["observations"][:], file["actions"][:]
        goals, cuts = file["infos/goal"][:], np.flatnonzero(file["timeouts"][:])
    trips: list[Trip] = []
    for begin, end in zip([0, *(cuts + 1)], [*(cuts + 1), len(actions)], strict=True):
        if end - begin > 1:
            part = slice(begin, end)
            trips += _split(observations[part], actions[begin : end - 1], goals[part])
    return trips


def _from_d4rl_frame(trip: Trip, maze_shape: tuple[int, int]) -> Trip:
    """Row and column to x right and y up from the map's centre; cell (i, j) reads (i, j) - 0.2."""
    rows, columns = maze_shape
    centre = np.array([columns - 1, rows - 1]) / 2

    def turned(row_column: Array) -> Array:
        return row_column[:, ::-1] * [1, -1]

    def placed(row_column: Array) -> Array:
        return turned(row_column + D4RL_CELL) + centre * [-1, 1]

    states = np.concatenate([placed(trip.states[:, :2]), turned(trip.states[:, 2:])], axis=1)
    return Trip(states, turned(trip.actions), placed(trip.goal[None])[0])


def _keys(file: h5py.File) -> list[str]:
    keys: list[str] = []
    file.visit(keys.append)
    return keys


def _split(states: Array, actions: Array, goals: Array) -> list[Trip]:
    """Cut an episode where its goal changes: a trip leads to one goal."""
    changed = np.flatnonzero((np.diff(goals, axis=0) != 0).any(1)) + 1
    cuts = [0, *changed.tolist(), len(actions)]
    return [
        Trip(
            *(np.asarray(part, np.float64) for part in (states[a : b + 1], actions[a:b], goals[a]))
        )
        for a, b in itertools.pairwise(cuts)
        if b > a
    ]
