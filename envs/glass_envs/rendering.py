"""Pictures of a maze from above, without a display.

MuJoCo draws on EGL, else on OSMesa; where neither works, matplotlib draws the same scene, and also
where a constraint speaks of more than balls and upright boxes, the only marks that MuJoCo lays. Set
MUJOCO_GL to choose (egl, osmesa, glfw, or disable for matplotlib). Which works is tried once, in a
process of its own: a broken driver may abort the process that asks. Knows nothing of episodes.
"""

from __future__ import annotations

import copy
import functools
import logging
import os
import subprocess
import sys
from typing import Any, Protocol

import mujoco
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from glass_envs.mazes import CELL, ROBOT_RADIUS, Array, Maze
from glass_plan.constraints import Ball, Constraint
from glass_plan.viz import (
    BLACK,
    FLOOR,
    GREEN,
    WALL,
    Mark,
    draw_constraint,
    draw_walls,
    has_marks,
    marks,
)

Picture = NDArray[np.uint8]

SIZE = 480
"""Side of the picture [pixel]."""
MAX_GEOMS = 10_000
"""Of one picture: walls, marks and the ball."""
GOAL_RADIUS = 0.2
"""Of the drawn goal [m] (PointMaze's target site); success comes earlier."""
MARK_Z, MARK_HALF_HEIGHT = -0.06, 0.03
"""Marks lie between the floor at -0.1 and the ball's centre at 0 [m]."""
PROBE_SECONDS = 60
PROBE = """
import mujoco
from mujoco.{name} import GLContext
context = GLContext(64, 64)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_100)
"""

logger = logging.getLogger(__name__)


class View(Protocol):
    """Something that draws the maze."""

    def draw(self, position: Array, goal: Array, time: float) -> Picture:
        """The scene as (SIZE, SIZE, 3), uint8.

        Args:
            position: (2,) of the ball [m].
            goal: (2,) [m].
            time: at which moving obstacles are read [s].
        """

    def close(self) -> None:
        """Give the drawing context back; a second time does nothing."""


def make_view(maze: Maze, model: mujoco.MjModel, constraints: Constraint) -> View:
    """The best view that works here.

    Args:
        maze: the map.
        model: its physics, of gymnasium-robotics' PointMaze.
        constraints: whose regions are drawn.
    """
    if not has_marks(constraints):
        logger.info("rendering: regions that are no balls and upright boxes, drawing 2-D")
        return TopView(maze, constraints)
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    names = {"": ("egl", "osmesa"), "egl": ("egl",), "osmesa": ("osmesa",), "glfw": ("glfw",)}
    for name in names.get(asked, ()):
        if works(name):
            return MujocoView(name, maze, model, constraints)
    logger.info("rendering: no OpenGL without a display (MUJOCO_GL=%r), drawing 2-D", asked)
    return TopView(maze, constraints)


@functools.cache
def works(name: str) -> bool:
    """Whether MuJoCo can draw on the backend ``name`` here, tried in a process of its own."""
    command = [sys.executable, "-c", PROBE.format(name=name)]
    environment = {**os.environ, "MUJOCO_GL": name}
    try:
        probe = subprocess.run(
            command, env=environment, timeout=PROBE_SECONDS, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


class TopView:
    """The maze as matplotlib draws it."""

    def __init__(self, maze: Maze, constraints: Constraint) -> None:
        self._maze, self._constraints = maze, constraints

    def draw(self, position: Array, goal: Array, time: float) -> Picture:
        """See ``View.draw``."""
        figure = Figure(figsize=(SIZE / 100, SIZE / 100), dpi=100)
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0), frameon=False)
        draw_walls(ax, self._maze.occupancy, CELL)
        draw_constraint(ax, self._constraints, time=time)
        ax.add_patch(Circle(tuple(goal), GOAL_RADIUS, color=GREEN, zorder=3))
        ax.add_patch(Circle(tuple(position), ROBOT_RADIUS, color=BLACK, zorder=5))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def close(self) -> None:
        """Nothing to give back."""


class MujocoView:
    """The maze as MuJoCo draws it, seen from straight above.

    Args:
        name: of the OpenGL backend: egl, osmesa or glfw.
        maze: the map.
        model: its physics; copied, the drawing has data of its own.
        constraints: whose regions lie on the floor.
    """

    def __init__(
        self, name: str, maze: Maze, model: mujoco.MjModel, constraints: Constraint
    ) -> None:
        self._constraints = constraints
        self._model, self._camera = _dressed(model), _camera_above(maze)
        self._data = mujoco.MjData(self._model)
        self._gl = _gl_context(name)
        self._gl.make_current()
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(self._model, MAX_GEOMS)
        self._closed = False

    def draw(self, position: Array, goal: Array, time: float) -> Picture:
        """See ``View.draw``."""
        self._gl.make_current()
        self._data.qpos[:] = position
        self._model.site("target").pos[:2] = goal
        mujoco.mj_forward(self._model, self._data)
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            mujoco.MjvOption(),
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        for mark in marks(self._constraints, time=time):
            _add(self._scene, mark)
        picture = np.empty((SIZE, SIZE, 3), dtype=np.uint8)
        frame = mujoco.MjrRect(0, 0, SIZE, SIZE)
        mujoco.mjr_render(frame, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, frame, self._context)
        return picture[::-1].copy()  # OpenGL's first row is at the bottom

    def close(self) -> None:
        """Free the OpenGL context."""
        if not self._closed:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._closed = True


def _gl_context(name: str) -> Any:
    """MuJoCo's OpenGL context of a backend; imported late, each loads its own libraries."""
    if name == "egl":
        from mujoco.egl import GLContext
    elif name == "osmesa":
        from mujoco.osmesa import GLContext
    else:
        from mujoco.glfw import GLContext
    return GLContext(SIZE, SIZE)


def _dressed(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy for drawing: plain colours, a ball as large as it is (PointMaze draws it double)."""
    dressed = copy.copy(model)
    dressed.geom_matid[:] = -1
    dressed.geom_rgba[dressed.geom_type == mujoco.mjtGeom.mjGEOM_BOX] = to_rgba(WALL)
    dressed.geom("ground").rgba[:] = to_rgba(FLOOR)
    ball, goal = dressed.site("particle_site"), dressed.site("target")
    ball.size[:], ball.rgba[:] = ROBOT_RADIUS, to_rgba(BLACK)
    goal.size[:], goal.rgba[:] = GOAL_RADIUS, to_rgba(GREEN)
    return dressed


def _camera_above(maze: Maze) -> mujoco.MjvCamera:
    """Straight above the map's centre, x to the right, far enough to see all of it."""
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = 0.0
    camera.azimuth, camera.elevation = 90.0, -90.0
    half_side = max(maze.occupancy.shape) * CELL / 2
    camera.distance = 1.05 * half_side / np.tan(np.radians(45.0) / 2)  # MuJoCo's fovy is 45 degrees
    return camera


def _add(scene: mujoco.MjvScene, mark: Mark) -> None:
    """Lay a mark on the floor of the scene."""
    shape = mark.shape
    if isinstance(shape, Ball):
        kind, centre = mujoco.mjtGeom.mjGEOM_CYLINDER, np.array(shape.center)
        size = [shape.radius, MARK_HALF_HEIGHT, 0.0]
    else:
        kind, centre = mujoco.mjtGeom.mjGEOM_BOX, (np.array(shape.low) + shape.high) / 2
        size = [*((np.array(shape.high) - shape.low) / 2), MARK_HALF_HEIGHT]
    mujoco.mjv_initGeom(
        scene.geoms[scene.ngeom],
        kind,
        np.array(size),
        np.array([*centre, MARK_Z]),
        np.eye(3).ravel(),
        np.array(to_rgba(mark.colour, 0.8 if mark.filled else 0.25), dtype=np.float32),
    )
    scene.ngeom += 1
