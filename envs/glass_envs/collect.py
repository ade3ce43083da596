"""Demonstrations from the real simulator: a vectorised waypoint controller drives MuJoCo.

D4RL's recipe (Fu et al. 2020, maze2d): a route of cell centres, PD control with gains 10 and -1,
waypoints with jitter, action noise N(0, 0.5), actions clipped to [-1, 1]. What differs, so that a
prior knows more than one way: a share of the trips takes a detour (routes through randomly
priced cells), a share runs errands (by one or two random cells), and a share drives slower (the
position error of the PD law is capped). One episode is one trip from a random free place to
another; trips too close to a wall are dropped and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import mujoco
import mujoco.rollout
import numpy as np
from numpy.typing import NDArray

from glass_envs.mazes import CELL, MAZES, ROBOT_RADIUS, Array, Maze
from glass_envs.physics import point_maze
from glass_plan.data import Trip

P_GAIN, D_GAIN = 10.0, -1.0  # D4RL WaypointController
ACTION_NOISE = 0.5  # standard deviation, D4RL generate_maze2d_datasets
MAX_SPEED = 5.0  # PointMaze clips the velocity to this before each step [m/s]
WAYPOINT_JITTER = 0.1  # [m]
START_SPREAD = 0.33 * CELL  # of start and goal around their cell's centre; PointMaze uses 0.25
SLOW_SHARE, MOVING_SHARE = 0.5, 0.3
ARRIVED = 0.1  # [m] from the goal
MIN_CLEARANCE = 0.04  # [m] between the ball and a wall, all along a trip that is kept
MAX_TRIP_STEPS = 1500
BATCH = 64  # robots side by side; many more would favour short trips


@dataclass(frozen=True)
class Habits:
    """Which routes the demonstrator takes.

    Args:
        detours: share of trips whose cells have random prices.
        spread: standard deviation of the logarithm of a price.
        errands: share of trips that go by one or two random cells.
        longest: cells of an errand at most; a longer one is drawn anew.
    """

    detours: float = 0.35
    spread: float = 1.0
    errands: float = 0.0
    longest: int = 0


DIRECT = Habits()
"""Mostly the shortest way."""


class _Slots:
    """The vectorised controller's memory: one row per robot driven side by side."""

    def __init__(self, maze: Maze, habits: Habits, rng: np.random.Generator) -> None:
        self.maze, self.habits, self.rng = maze, habits, rng
        most = max(len(maze.free_cells), habits.longest) + 2
        self.waypoints = np.zeros((BATCH, most, 2))
        self.last = np.zeros(BATCH, dtype=np.int64)
        self.at = np.zeros(BATCH, dtype=np.int64)
        self.error_cap = np.zeros(BATCH)
        self.switch_radius = np.zeros(BATCH)
        self.began = np.zeros(BATCH, dtype=np.int64)

    def send(self, slot: int, step: int) -> Array:
        """Give a slot a new trip; returns its start state (4,)."""
        maze, rng = self.maze, self.rng
        cells = maze.cell_centre(maze.free_cells[self._route()])
        jitter = rng.uniform(-WAYPOINT_JITTER, WAYPOINT_JITTER, cells.shape)
        ends = rng.uniform(-START_SPREAD, START_SPREAD, (2, 2))
        route = np.concatenate([cells[1:-1] + jitter[1:-1], cells[-1:] + ends[1]])
        self.waypoints[slot, : len(route)] = route
        self.last[slot], self.at[slot], self.began[slot] = len(route) - 1, 0, step
        slow = rng.random() < SLOW_SHARE
        top_speed = rng.uniform(1.0, 4.0) if slow else 2 * MAX_SPEED
        self.error_cap[slot] = top_speed / P_GAIN
        self.switch_radius[slot] = rng.uniform(0.1, 0.35)
        speed = rng.uniform(0, 1.5) if rng.random() < MOVING_SHARE else 0.0
        heading = rng.uniform(0, 2 * np.pi)
        velocity = speed * np.array([np.cos(heading), np.sin(heading)])
        return np.concatenate([cells[0] + ends[0], velocity])

    def _route(self) -> NDArray[np.int64]:
        """Indices of free cells, by the demonstrator's habits."""
        rng, habits, count = self.rng, self.habits, len(self.maze.free_cells)
        start, goal = rng.choice(count, size=2)
        detour = rng.random() < habits.detours
        cost = np.exp(rng.normal(0, habits.spread if detour else 1e-3, count))
        if not (habits.errands and rng.random() < habits.errands):
            return self.maze.route(start, goal, cost)
        while True:
            stops = [start, *rng.choice(count, size=rng.integers(1, 3)), goal]
            legs = [self.maze.route(a, b, cost)[1:] for a, b in pairwise(stops)]
            route = np.concatenate([[start], *legs])
            if len(route) <= habits.longest:
                return route

    def actions(self, states: Array) -> tuple[Array, NDArray[np.bool_]]:
        """PD actions (BATCH, 2) and which slots have arrived (BATCH,)."""
        rows = np.arange(BATCH)
        error = self.waypoints[rows, self.at] - states[:, :2]
        near = np.linalg.norm(error, axis=1)
        final = self.at == self.last
        self.at += (near < self.switch_radius) & ~final
        error = self.waypoints[rows, self.at] - states[:, :2]
        length = np.maximum(np.linalg.norm(error, axis=1, keepdims=True), 1e-9)
        error *= np.minimum(1.0, self.error_cap[:, None] / length)
        noise = self.rng.normal(0, ACTION_NOISE, (BATCH, 2))
        action = np.clip(P_GAIN * error + D_GAIN * states[:, 2:] + noise, -1, 1)
        return action, final & (near < ARRIVED)


def collect_trips(
    maze: Maze,
    steps: int,
    seed: int,
    habits: Habits = DIRECT,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Trip], int]:
    """Drive until ``steps`` transitions of wall-free trips are recorded.

    Args:
        maze: the map.
        steps: transitions wanted (the last trips may exceed it).
        seed: of routes, speeds and noise.
        habits: of the demonstrator.
        progress: called with the number of transitions of each finished trip.

    Returns:
        The trips, and how many more were dropped: closer to a wall than ``MIN_CLEARANCE``, or
        never there.
    """
    slots = _Slots(maze, habits, np.random.default_rng(seed))
    trips: list[Trip] = []
    dropped = recorded = 0
    for trip in _drive(maze, slots):
        if trip is None or clearance(maze, trip.states[:, :2]).min() < MIN_CLEARANCE:
            dropped += 1
            continue
        trips.append(trip)
        recorded += len(trip.actions)
        if progress is not None:
            progress(len(trip.actions))
        if recorded >= steps:
            break
    return trips, dropped


def _drive(maze: Maze, slots: _Slots) -> Iterator[Trip | None]:
    """Step all robots for ever; yields each finished trip (None: gave up)."""
    model = point_maze(maze).model
    states = np.stack([slots.send(slot, 0) for slot in range(BATCH)])
    full = np.zeros((BATCH, mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)))
    seen, done = [states.copy()], []
    with mujoco.rollout.Rollout(nthread=0) as roll:
        data = mujoco.MjData(model)
        step = dropped_before = 0
        while True:
            action, arrived = slots.actions(states)
            full[:, 1:5] = states  # FULLPHYSICS is time, qpos, qvel
            full[:, 3:5] = np.clip(full[:, 3:5], -MAX_SPEED, MAX_SPEED)
            after, _ = roll.rollout(model, data, full, action[:, None], nstep=1, skip_checks=False)
            states = after[:, 0, 1:5].copy()
            step += 1
            done.append(action)
            seen.append(states.copy())
            ended = arrived | (step - slots.began >= MAX_TRIP_STEPS)
            for slot in np.flatnonzero(ended):
                first = slots.began[slot] - dropped_before
                path = np.stack([row[slot] for row in seen[first:]])
                acts = np.stack([row[slot] for row in done[first:]])
                goal = slots.waypoints[slot, slots.last[slot]].copy()
                yield Trip(path, acts, goal) if arrived[slot] else None
                states[slot] = slots.send(int(slot), step)
            if ended.any():
                seen[-1] = states.copy()
            if step % 1000 == 0:
                oldest = int(slots.began.min()) - dropped_before
                seen, done = seen[oldest:], done[oldest:]
                dropped_before += oldest


def clearance(maze: Maze, xy: Array) -> Array:
    """Distance [m] from the ball's surface to the nearest wall at points (n, 2); at most 1."""
    cell = maze.cell_of(xy)
    offsets = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
    around = cell[:, None] + offsets  # (n, 9, 2)
    top = np.array(maze.occupancy.shape) - 1
    inside = ((around >= 0) & (around <= top)).all(-1)
    wall = maze.occupancy[tuple(np.clip(around, 0, top).transpose(2, 0, 1))] | ~inside
    outside = np.maximum(np.abs(xy[:, None] - maze.cell_centre(around)) - CELL / 2, 0)
    distance = np.where(wall, np.linalg.norm(outside, axis=-1), CELL)
    nearest: Array = distance.min(1)
    return nearest - ROBOT_RADIUS


def collect(
    name: str,
    steps: int,
    workers: int = 1,
    seed: int = 0,
    habits: Habits = DIRECT,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Trip], int]:
    """``collect_trips`` in a fixed number of shards, so that workers do not change the data.

    Args:
        name: a key of ``MAZES``.
        steps: transitions wanted.
        workers: processes.
        seed: of the whole data set.
        habits: of the demonstrator.
        progress: called with the transitions of each finished shard.
    """
    shards = max(1, min(16, steps // 20_000))
    maze = MAZES[name]
    seeds = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(shards)]
    share = -(-steps // shards)
    trips: list[Trip] = []
    dropped = 0
    with ProcessPoolExecutor(workers) as pool:
        asked = ([value] * shards for value in (maze, share))
        for part, lost in pool.map(collect_trips, *asked, seeds, [habits] * shards):
            trips += part
            dropped += lost
            if progress is not None:
                progress(sum(len(trip.actions) for trip in part))
    return trips, dropped
