"""The arm's demo: planners on the same frozen scenes in SAPIEN, with the same seeds and rows.

Unguided knows no obstacles, best-of-N chooses among its samples by exact margins, GLASS-FKS is
steered; each with the benchmark's controller. Writes a self-contained report, and a video where
pictures can be made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from rich.progress import Progress

from glass_envs.maniskill.world import Picture
from glass_plan.arms import ARMS
from glass_plan.constraints import Ball, Box, Constraint
from glass_plan.constraints.moving import Carried
from glass_plan.errors import GlassPlanError, RequestError
from glass_plan.evaluation import episode_task
from glass_plan.executors import run_tasks
from glass_plan.protocols import Scene, Suite, load_suite
from glass_plan.records import Array, Episode
from glass_plan.report.figures import VIOLATED, clearance_figure, verdict
from glass_plan.report.html import write_report
from glass_plan.report.video import write_video
from glass_plan.results import Row, violated_steps
from glass_plan.safety import SafetyReport
from glass_plan.viz import BLUE, GREEN, RED, demands

METHODS = ("unguided", "best-of-n", "glass-fks")
STEERED = METHODS[-1]
ELEVATION, AZIMUTH = 25.0, -50.0
"""From where the scene is seen [deg]."""


def run_demo(
    protocol: Path, *, scenes: int, workers: int, out: Path, progress: Progress
) -> tuple[list[SafetyReport], Path]:
    """Run all methods on the first reported scenes of a protocol and write the report.

    Args:
        protocol: file of an arm's scenes.
        scenes: how many.
        workers: processes.
        out: folder of the report.
        progress: bar to show.

    Returns:
        One safety report per method, and the path of the page.

    Raises:
        ProtocolError: no such file, or none of a protocol.
        RequestError: more scenes than there are.
    """
    suite = load_suite(protocol)
    seeds = list(suite.scenes)[:scenes]
    if scenes > len(seeds):
        raise RequestError(f"demo: {protocol} has {len(seeds)} scenes, asked for {scenes}")
    tasks = [episode_task(suite, ARMS[name], seed, 0) for name in METHODS for seed in seeds]
    done: dict[int, Episode] = {}
    with progress:
        row = progress.add_task("driving", total=len(tasks))
        for index, episode in run_tasks(tasks, workers):
            done[index] = episode
            progress.advance(row)
        episodes = {
            name: tuple(done[k * len(seeds) + i] for i in range(len(seeds)))
            for k, name in enumerate(METHODS)
        }
        progress.update(row, description="drawing the report", total=None)
        reports = [SafetyReport.from_episodes(e, name=name) for name, e in episodes.items()]
        page = write_outcome(suite, episodes, reports, out)
    return reports, page


def write_outcome(
    suite: Suite,
    episodes: Mapping[str, Sequence[Episode]],
    reports: Sequence[SafetyReport],
    out: Path,
) -> Path:
    """Report, ``paths.png``, ``eval_info.json``, and a video if it can be; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    shown = _most_telling(episodes)
    scene = suite.scenes[episodes[STEERED][shown].seed]
    paths = path_figure({name: several[shown] for name, several in episodes.items()}, scene)
    paths.savefig(out / "paths.png")
    meta = {
        "protocol": f"{suite.protocol.name}, {suite.protocol.digest}",
        "model": suite.model,
        "scenes": f"{len(episodes[STEERED])}, from seed {episodes[STEERED][0].seed} on",
        "network rows per plan, at most": suite.protocol.nfe,
        "violations": "entries of any part of arm or cube, at every physics step (100 Hz)",
        "drawn": f"scene {scene.seed}",
    }
    info = {"meta": meta, "methods": {report.name: report.to_dict() for report in reports}}
    (out / "eval_info.json").write_text(json.dumps(info, indent=2))
    return write_report(
        out / "report.html",
        f"glass_plan demo: {suite.protocol.name}",
        reports=reports,
        figures={
            "One scene: ways of the tool, obstacles, goal": paths,
            "Clearance over time, all scenes": clearance_figure(episodes),
        },
        video=_film(suite, scene, out / "rollout.mp4"),
        meta=meta,
    )


def path_figure(episodes: Mapping[str, Episode], scene: Scene) -> Figure:
    """Where each method's tool went in one scene, with what had to be avoided or reached.

    Args:
        episodes: by name of the method.
        scene: in which they were.
    """
    figure = Figure(figsize=(4.6 * len(episodes), 4.6), dpi=120, layout="constrained")
    for k, (name, episode) in enumerate(episodes.items(), start=1):
        axes: Any = figure.add_subplot(1, len(episodes), k, projection="3d")
        _draw_demands(axes, scene.constraints)
        place, violated = episode.states[:, :3], violated_steps(episode)
        axes.plot(*place.T, color=BLUE, linewidth=1.5)
        inside = np.where(violated[:, None], place[1:], np.nan)
        axes.plot(*inside.T, color=VIOLATED, linewidth=3.5)
        axes.scatter(*episode.goal, s=110, marker="*", color=GREEN, edgecolor="black")
        axes.scatter(*place[0], s=40, color="white", edgecolor="black")
        axes.set(xlabel="x [m]", ylabel="y [m]", zlabel="z [m]")
        axes.set_zlim(bottom=0.0)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_major_locator(MultipleLocator(0.1))
        axes.set_title(f"{name}\n{verdict(episode)}", fontsize=10)
        axes.set_box_aspect(np.ptp([axes.get_xlim(), axes.get_ylim(), axes.get_zlim()], axis=1))
        axes.view_init(ELEVATION, AZIMUTH)
    return figure


def _draw_demands(axes: Any, constraint: Constraint) -> None:
    """Spheres and boxes, red to avoid and green to reach; what moves where it begins."""
    for region, colour, _ in demands(constraint):
        shape, at = region, np.zeros(3)
        if isinstance(region, Carried):
            begin = torch.zeros(1, dtype=torch.float64)
            shape, at = region.shape, region.position(begin)[0].numpy()
        alpha = 0.5 if colour == RED else 0.25
        if isinstance(shape, Ball):
            axes.plot_surface(*_sphere(at + shape.center, shape.radius), color=colour, alpha=alpha)
        elif isinstance(shape, Box):
            size = np.subtract(shape.high, shape.low)
            axes.bar3d(*(at + shape.low), *size, color=colour, alpha=alpha)


def _sphere(centre: Array, radius: float) -> tuple[Array, Array, Array]:
    """Places (16, 16) of its surface by coordinate [m]."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 16), np.linspace(0, np.pi, 16))
    unit = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)])
    x, y, z = centre[:, None, None] + radius * unit
    return x, y, z


class _Filmed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps a picture of every step."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.frames: list[Picture] = []

    def step(self, action: Any) -> Any:
        told = self.env.step(action)
        picture: Any = self.env.render()
        self.frames.append(picture)
        return told


def _film(suite: Suite, scene: Scene, path: Path) -> Path | None:
    """A video of the steered planner in a scene; None where there is no Vulkan driver."""
    task = episode_task(suite, ARMS[STEERED], scene.seed, 0)
    kwargs: dict[str, Any] = {**task.env_kwargs, "render_mode": "rgb_array"}
    try:
        env = _Filmed(gymnasium.make(task.env_id, **kwargs))
    except GlassPlanError:
        return None
    try:
        replace(task, env_kwargs=kwargs).run_in(env)
        return write_video(path, env.frames)
    finally:
        env.close()


def _most_telling(episodes: Mapping[str, Sequence[Episode]]) -> int:
    """A scene that the steered planner solves and as many others as possible do not."""
    rows = {name: [Row.of(episode) for episode in several] for name, several in episodes.items()}

    def score(k: int) -> tuple[bool, int]:
        steered = rows[STEERED][k]
        unsafe = sum(not several[k].safe for several in rows.values())
        return steered.safe and steered.success, unsafe

    return max(range(len(rows[STEERED])), key=score)
