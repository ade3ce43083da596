"""A driven episode as a video, seen from above, in real time.

One figure is reused: the walls are drawn once, the plan when it changes, and only what moves at
every frame. Knows nothing of simulators.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from glass_plan.constraints.base import Constraint
from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS
from glass_plan.records import Episode, Plan
from glass_plan.report.figures import VIOLATED, draw_goal
from glass_plan.results import violated_steps
from glass_plan.viz import BLUE, draw_constraint, draw_plan, draw_trajectory, draw_walls

Frame = NDArray[np.uint8]

FPS = 20
"""Frames a second."""
WIDTH = 640
"""Of a frame [px]."""
CAPTION = 28
"""Height of the strip that tells the time [px]."""
DPI = 100


def write_video(path: str | Path, frames: Iterable[Frame], *, fps: int = FPS) -> Path:
    """Write an H.264 ``.mp4``, or an animated ``.gif`` where there is no ffmpeg.

    Args:
        path: of the file; the suffix is replaced.
        frames: (height, width, 3) each, all of one size; an odd side loses its last pixel.
        fps: frames a second.

    Returns:
        The path written.

    Raises:
        RequestError: no frames.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise RequestError(f"video {path}: no frames to write")
    path = Path(path).with_suffix(".mp4" if _has_ffmpeg() else ".gif")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _writer(path, fps) as writer:
        for frame in itertools.chain([first], frames):
            height, width = (side - side % 2 for side in frame.shape[:2])
            writer.append_data(frame[:height, :width])
    return path


def rollout_frames(
    episode: Episode,
    *,
    occupancy: ArrayLike,
    cell: float,
    constraint: Constraint | None,
    plans: Sequence[tuple[float, Plan]] = (),
    title: str = "",
    fps: int = FPS,
) -> Iterator[Frame]:
    """Top views of an executed episode in real time, moving obstacles at their time.

    Args:
        episode: executed.
        occupancy: (rows, columns), true or 1 for a wall.
        cell: side of a cell [m].
        constraint: what was demanded besides the walls.
        plans: with the time [s] from which each was followed, in order.
        title: shown beside the time.
        fps: frames a second.

    Yields:
        (height, width, 3) frames.
    """
    stage = _Stage(occupancy, cell)
    stage.keep(lambda ax: draw_goal(ax, episode))
    violated, before = violated_steps(episode), 0
    shown: Plan | None = None
    for time in _frame_times(episode, fps):
        plan = next((plan for start, plan in reversed(plans) if start <= time), None)
        if plan is not shown:
            shown = plan
            stage.overlay(partial(draw_plan, plan=plan) if plan is not None else None)
        k = int(np.searchsorted(episode.times, time, side="right")) - 1
        hit = bool(violated[before:k].any())  # anywhere since the last frame
        before = k
        stage.caption.set_text(f"{title}  {time:.2f} s{'  violated' if hit else ''}".strip())
        stage.caption.set_color(VIOLATED if hit else "black")
        yield stage.frame(
            partial(_draw_now, episode=episode, constraint=constraint, k=k, violated=hit)
        )


class _Stage:
    """One figure drawn in three layers: kept, overlaid until replaced, and of this frame only."""

    def __init__(self, occupancy: ArrayLike, cell: float) -> None:
        rows, columns = np.shape(occupancy)
        height = round(WIDTH * rows / columns) + CAPTION
        self.figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)
        self.ax = self.figure.add_axes((0.0, CAPTION / height, 1.0, 1.0 - CAPTION / height))
        at = CAPTION / height / 2
        self.caption = self.figure.text(0.02, at, "", va="center", family="monospace", fontsize=11)
        self.caption.set_animated(True)
        draw_walls(self.ax, occupancy, cell)
        self.keep(lambda ax: None)

    def keep(self, draw: Callable[[Axes], object]) -> None:
        """Draw something for good."""
        draw(self.ax)
        self.canvas.draw()
        self.kept: Any = self.canvas.copy_from_bbox(self.figure.bbox)
        self.under = self.kept

    def overlay(self, draw: Callable[[Axes], object] | None) -> None:
        """Draw something until the next overlay."""
        self.canvas.restore_region(self.kept)
        if draw is not None:
            self._draw(draw)
        self.under = self.canvas.copy_from_bbox(self.figure.bbox)

    def frame(self, draw: Callable[[Axes], object]) -> Frame:
        """The picture with something drawn for this frame."""
        self.canvas.restore_region(self.under)
        self._draw(draw)
        self.figure.draw_artist(self.caption)
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def _draw(self, draw: Callable[[Axes], object]) -> None:
        """Render what ``draw`` adds to the axes, and take it off again."""
        before = set(self.ax.get_children())
        draw(self.ax)
        added: list[Artist] = [a for a in self.ax.get_children() if a not in before]
        for artist in sorted(added, key=lambda artist: artist.get_zorder()):
            self.ax.draw_artist(artist)
            artist.remove()


def _draw_now(
    ax: Axes, *, episode: Episode, constraint: Constraint | None, k: int, violated: bool
) -> None:
    """Obstacles, the way so far and the robot at state k."""
    if constraint is not None:
        draw_constraint(ax, constraint, time=float(episode.times[k]))
    draw_trajectory(ax, episode.states[: k + 1, :2], colour=BLUE, width=2.0)
    colour = VIOLATED if violated else BLUE
    at = (float(episode.states[k, 0]), float(episode.states[k, 1]))
    body = Circle(at, POINT_MASS.radius, facecolor=colour, edgecolor="white", zorder=7)
    ax.add_patch(body)


def _frame_times(episode: Episode, fps: int) -> list[float]:
    """Every 1/fps [s], the end included."""
    end = float(episode.times[-1])
    return [*np.arange(0.0, end, 1.0 / fps).tolist(), end]


def _has_ffmpeg() -> bool:
    """Whether the encoder that imageio drives is there."""
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped, unused-ignore]

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return False
    return True


def _writer(path: Path, fps: int) -> Any:
    """An imageio writer for the suffix."""
    if path.suffix == ".gif":
        return imageio.get_writer(path, duration=1000 / fps, loop=0)
    return imageio.get_writer(
        path, fps=fps, codec="libx264", quality=7, macro_block_size=2, ffmpeg_log_level="error"
    )
