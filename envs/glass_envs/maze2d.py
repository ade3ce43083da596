"""Maze2D: PointMaze's physics with constraints that are counted, not felt.

A force-driven ball looks for a goal at 100 Hz. Regions of constraints are ghosts: they push
nothing, but ``info`` carries the margin of every part over each physics step, along the straight
line that the ball takes, and moving regions are read at episode time. Every step is judged by
itself, so a part that orders events in time is not followed from one step to the next.
Knows nothing of planners.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from glass_envs.judging import Tally, check_steps_decide
from glass_envs.margins import closed_form
from glass_envs.mazes import CELL, MAZES, SUCCESS_RADIUS, Array, Maze
from glass_envs.physics import point_maze
from glass_envs.rendering import Picture, View, make_view
from glass_plan.constraints import All, Avoid, Constraint, Grid, asked
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import POINT_MASS, Trajectory

DT = 0.01
"""Of a physics step [s] (PointMaze)."""
SPEED_BOUND = 10.0
"""Of what an observation may hold [m/s]; PointMaze clips to 5 before it adds a step's push."""
WALL_CONTACT = 0.004
"""Gap at which MuJoCo makes contact [m] (``margin`` 0.002 of the ball and of the wall): a ball that
leans on a wall with all its force stays 3.4 mm off it."""
PIECES = 32
"""A physics step is judged in as many pieces: at most 5.3 cm long, it is bounded within 1 mm."""
SHARES = np.linspace(0.0, 1.0, PIECES + 1)[:, None]

EXACT, CELLS = ("start", "goal"), ("reset_cell", "goal_cell")
"""Options of ``reset``: places [m], or cells (row, column) in which PointMaze draws a place."""

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 100}

Observation = dict[str, Any]
"""Of arrays, float64."""
Action = NDArray[np.float32]
Info = dict[str, Any]


class Maze2D(gymnasium.Env[Observation, Action], EzPickle):
    """Drive a ball to a goal in a maze; one ``step`` is one physics step.

    An episode terminates at the goal, once all that must hold once has held.

    ``info`` after ``step``, and after ``reset`` about the start: ``success``; ``time`` [s];
    ``trace`` (2, 4), position and velocity before and after; for ``walls`` and every part that must
    always hold ``margin_<name>`` and ``cost_<name>``, 1.0 if it was violated; ``cost``, their sum;
    for what must hold once ``reached_<name>``, whether it has held in this episode.

    Args:
        maze: a key of ``MAZES``.
        constraints: judged besides the walls; none by default.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        RequestError: unknown maze or render mode, or a constraint that no single step decides.
        LayoutError: a constraint reads a channel that a point mass does not have.
    """

    metadata = METADATA

    def __init__(
        self,
        maze: str = "maze2d-large",
        *,
        constraints: Constraint | None = None,
        render_mode: str | None = None,
    ) -> None:
        EzPickle.__init__(self, maze, constraints=constraints, render_mode=render_mode)
        if maze not in MAZES:
            raise RequestError(f"Maze2D: unknown maze {maze!r}{did_you_mean(maze, MAZES)}")
        if render_mode not in (None, *self.metadata["render_modes"]):
            valid = did_you_mean(str(render_mode), self.metadata["render_modes"])
            raise RequestError(f"Maze2D: unknown render mode {render_mode!r}{valid} or None")
        self.maze, self.render_mode = MAZES[maze], render_mode
        self.constraints = asked("Maze2D", constraints)
        self.constraints.check(POINT_MASS)
        walls = Avoid(Grid(self.maze.rows, CELL), margin=WALL_CONTACT, name="walls")
        self.parts = All((walls, self.constraints)).parts()
        check_steps_decide("Maze2D", self.parts)
        forms = {
            name: closed_form(part, radius=POINT_MASS.radius) for name, part in self.parts.items()
        }
        self._closed_forms = {name: form for name, form in forms.items() if form is not None}
        self._physics = point_maze(self.maze)
        self.observation_space = _observation_space(self.maze)
        self.action_space = self._physics.action_space
        self._view: View | None = None

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode; what is not asked for is drawn as PointMaze draws it.

        Args:
            seed: of the draws.
            options: ``start`` and ``goal`` (x, y) [m], taken exactly; ``reset_cell`` and
                ``goal_cell`` (row, column), in which a place is drawn.

        Raises:
            RequestError: an unknown option, or a place in a wall or off the map.
        """
        super().reset(seed=seed)
        asked = {key: value for key, value in (options or {}).items() if value is not None}
        exact, cells = self._asked(asked)
        observation, _ = self._physics.reset(seed=seed, options=cells)
        while len(asked) == 1 and self._arrived(exact):  # the place that was drawn is too near
            self._physics.reset()
        if exact:
            observation = self._place(exact)
        self._steps = 0
        self._tally = Tally(self.parts)
        state = observation["observation"]
        return observation, self._info(state, state, np.zeros(2))

    def step(
        self, action: NDArray[np.floating[Any]]
    ) -> tuple[Observation, float, bool, bool, Info]:
        """One physics step of ``DT``.

        Args:
            action: (2,) force as a share of the largest, clipped to [-1, 1].

        Raises:
            RequestError: an action of another shape, or not finite.
        """
        force = np.asarray(action)
        if force.shape != (2,) or not np.isfinite(force).all():
            raise RequestError(f"Maze2D: the action must be 2 finite numbers, got {force!r:.80}")
        data = self._physics.data
        before = np.concatenate([data.qpos, data.qvel])
        observation, reward, terminated, truncated, _ = self._physics.step(action)
        self._steps += 1
        info = self._info(before, observation["observation"], np.clip(force, -1, 1))
        terminated = terminated and self._tally.done
        return observation, float(reward), terminated, truncated, info

    def render(self) -> Picture | None:
        """The maze from above with the regions of the constraints, (480, 480, 3), or None."""
        if self.render_mode is None:
            return None
        if self._view is None:
            self._view = make_view(self.maze, self._physics.model, self.constraints)
        position, goal = self._physics.data.qpos, self._physics.goal
        return self._view.draw(position, goal, self._steps * DT)

    def close(self) -> None:
        """Free what was taken for drawing."""
        if self._view is not None:
            self._view.close()
            self._view = None
        self._physics.close()

    def _info(self, before: Array, after: Array, force: Array) -> Info:
        distance = np.linalg.norm(after[:2] - self._physics.goal)
        return {
            "success": bool(distance <= SUCCESS_RADIUS),
            "time": self._steps * DT,
            "trace": np.stack([before, after]),
            **self._tally.count(self._margins(before, after, force)),
        }

    def _margins(self, before: Array, after: Array, force: Array) -> dict[str, float]:
        """Margin of every part from one state (4,) to the next, or at the start of an episode."""
        p, q = (before[0].item(), before[1].item()), (after[0].item(), after[1].item())
        quick = {name: margin(p, q) for name, margin in self._closed_forms.items()}
        margins = {name: margin for name, margin in quick.items() if margin is not None}
        if len(margins) < len(self.parts):
            way = self._trajectory(before, after, force)
            with torch.inference_mode():
                margins |= {
                    name: part.margin(way).item()
                    for name, part in self.parts.items()
                    if name not in margins
                }
        return margins

    def _trajectory(self, before: Array, after: Array, force: Array) -> Trajectory:
        """The step in pieces, (33, 7), or the start of an episode, (1, 7)."""
        if self._steps == 0:
            start = np.concatenate([after, force, [DT]])
            return Trajectory(torch.from_numpy(start[None]), POINT_MASS)
        x = np.empty((PIECES + 1, POINT_MASS.dim))
        x[:, :4], x[:, 4:6], x[:, 6] = before + SHARES * (after - before), force, DT / PIECES
        return Trajectory(torch.from_numpy(x), POINT_MASS, t_start=(self._steps - 1) * DT)

    def _asked(self, options: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
        """Exact places and cells among the options, checked."""
        for key in options:
            if key not in EXACT + CELLS:
                valid = did_you_mean(str(key), EXACT + CELLS)
                raise RequestError(f"reset: unknown option {key!r}{valid}")
        for pair in zip(EXACT, CELLS, strict=True):
            if all(key in options for key in pair):
                raise RequestError(f"reset: options {pair[0]!r} and {pair[1]!r} exclude each other")
        exact = {key: _pair(key, options[key]) for key in EXACT if key in options}
        cells = {key: _pair(key, options[key]).astype(np.int64) for key in CELLS if key in options}
        for key, place in exact.items():
            self._check_cell(f"{key} {place.tolist()} m", self.maze.cell_of(place))
        for key, cell in cells.items():
            self._check_cell(f"{key} {cell.tolist()}", cell)
        return exact, cells

    def _check_cell(self, what: str, cell: NDArray[np.int64]) -> None:
        shape = self.maze.occupancy.shape
        if not ((cell >= 0) & (cell < shape)).all():
            x_low, x_high, y_low, y_high = self.maze.extent
            raise RequestError(
                f"reset: {what} is outside {self.maze.name}; x lies within {x_low} .. {x_high} m, "
                f"y within {y_low} .. {y_high} m, rows below {shape[0]}, columns below {shape[1]}"
            )
        if self.maze.occupancy[tuple(cell)]:
            raise RequestError(
                f"reset: {what} is inside a wall of {self.maze.name}; free cells (row, column) are "
                f"{', '.join(str(tuple(free)) for free in self.maze.free_cells.tolist())}"
            )

    def _ends(self, exact: Mapping[str, Array]) -> tuple[Array, Array]:
        """Start and goal [m]: what was asked for exactly, else what was drawn."""
        physics = self._physics
        return exact.get("start", physics.reset_pos), exact.get("goal", physics.goal)

    def _arrived(self, exact: Mapping[str, Array]) -> bool:
        start, goal = self._ends(exact)
        return bool(exact) and bool(np.linalg.norm(start - goal) <= SUCCESS_RADIUS)

    def _place(self, exact: Mapping[str, Array]) -> Observation:
        """Move start and goal to where they were asked to be."""
        physics = self._physics
        start, physics.goal = (place.copy() for place in self._ends(exact))
        physics.update_target_site_pos()
        physics.point_env.set_state(start, np.zeros(2))
        state = np.concatenate([start, np.zeros(2)])
        return {"observation": state, "achieved_goal": start, "desired_goal": physics.goal.copy()}


def _observation_space(maze: Maze) -> gymnasium.Space[Observation]:
    """Places on the map [m], and velocities within ``SPEED_BOUND``."""
    x_low, x_high, y_low, y_high = maze.extent
    low, high = np.array([x_low, y_low]), np.array([x_high, y_high])
    fast = np.full(2, SPEED_BOUND)
    state = np.concatenate([low, -fast]), np.concatenate([high, fast])
    return spaces.Dict(
        observation=spaces.Box(*state, dtype=np.float64),
        achieved_goal=spaces.Box(low, high, dtype=np.float64),
        desired_goal=spaces.Box(low, high, dtype=np.float64),
    )


def _pair(option: str, value: Any) -> Array:
    """Two finite numbers, or a RequestError."""
    try:
        pair = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RequestError(f"reset: option {option!r} must be 2 numbers, got {value!r}") from error
    if pair.shape != (2,) or not np.isfinite(pair).all():
        raise RequestError(f"reset: option {option!r} must be 2 finite numbers, got {value!r}")
    return pair
