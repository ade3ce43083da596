"""The demo: planners on the same maze scenes, with the same seeds and number of network rows.

Unguided (knows the walls only), best-of-N (chooses among unguided samples by exact margins) and
GLASS-FKS (steered), each in closed loop in MuJoCo on scenes with discs on the routes that the model
likes. Writes a self-contained report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.progress import Progress

from glass_envs.mazes import MAZES, Array
from glass_envs.scenes import Scene, draw_scene
from glass_plan.embodiments import as_point_mass
from glass_plan.executors import EpisodeTask, run_tasks
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.records import Episode, Plan
from glass_plan.records import Outcome as Decided
from glass_plan.report.figures import Panel, clearance_figure, plan_figure
from glass_plan.report.html import write_report
from glass_plan.report.video import rollout_frames, write_video
from glass_plan.safety import SafetyReport

ENV_IDS = {
    "maze2d-umaze": "glass_envs:glass_plan/Maze2D-UMaze-v0",
    "maze2d-medium": "glass_envs:glass_plan/Maze2D-Medium-v0",
    "maze2d-large": "glass_envs:glass_plan/Maze2D-Large-v0",
}
GUIDED = Sampling()
ODE_STEPS = 8
"""Of each of the best-of-N samples."""


@dataclass(frozen=True)
class Arm:
    """One row of the demo.

    Args:
        sampling: the planner's method.
        fallback: of the controller.
        aware: whether it knows the discs.
    """

    sampling: Sampling
    fallback: Literal["brake", "follow"] = "follow"
    aware: bool = True


BEST_OF_N = Sampling.best_of(GUIDED.rows // ODE_STEPS, ODE_STEPS)
STEERED = "GLASS-FKS"
ARMS = {
    "unguided": Arm(Sampling.unguided(GUIDED.rows), aware=False),
    "best-of-N": Arm(BEST_OF_N),
    STEERED: Arm(GUIDED),
    "best-of-N + brake": Arm(BEST_OF_N, "brake"),
    f"{STEERED} + brake": Arm(GUIDED, "brake"),
}
"""All spend the same network rows on a plan from scratch. The first three compare planners: their
best plan is driven, feasible or not. The others may stop rather than drive into a disc."""
ROUTES = 4
"""Unguided samples on which a scene's discs are put."""


@dataclass(frozen=True)
class Outcome:
    """What a demo leaves behind.

    Args:
        scenes: that were run.
        episodes: by method, in the scenes' order.
    """

    scenes: tuple[Scene, ...]
    episodes: Mapping[str, tuple[Episode, ...]]

    @property
    def reports(self) -> list[SafetyReport]:
        """One per method."""
        return [SafetyReport.from_episodes(e, name=name) for name, e in self.episodes.items()]


def make_scenes(
    planner: Planner, task: str, seeds: Sequence[int], discs: int = 2
) -> tuple[Scene, ...]:
    """Scenes with discs on the planner's unguided routes."""
    likes = planner.with_sampling(Sampling.best_of(ROUTES, ODE_STEPS))

    def routes(start: Array, goal: Array, seed: int) -> Array:
        plan = likes.plan(np.concatenate([start, np.zeros(2)]), goal, seed=seed)
        return np.asarray(plan.candidates.channel("position").double().numpy())

    return tuple(draw_scene(MAZES[task], routes, seed, discs) for seed in seeds)


def run_demo(
    *, model: str, seeds: Sequence[int], workers: int, out: Path, progress: Progress
) -> tuple[list[SafetyReport], Path]:
    """Run all methods on all scenes and write the report.

    Args:
        model: checkpoint of one of the mazes.
        seeds: of the scenes.
        workers: processes.
        out: folder of the report.
        progress: bar to show.

    Returns:
        One safety report per method, and the path of the page.
    """
    torch.set_num_threads(workers)
    planner = Planner.from_pretrained(model)
    walls = as_point_mass(planner.embodiment, "demo").world.walls
    task = next(name for name, maze in MAZES.items() if maze.rows == walls)
    with progress:
        row = progress.add_task("drawing scenes", total=None)
        scenes = make_scenes(planner, task, seeds)
        tasks = [
            episode_task(scene, model=model, task=task, arm=arm)
            for scene in scenes
            for arm in ARMS.values()
        ]
        progress.update(row, description="driving", total=len(tasks))
        done: dict[int, Episode] = {}
        for index, episode in run_tasks(tasks, workers):
            done[index] = episode
            progress.advance(row)
        names = list(ARMS)
        episodes = {
            name: tuple(done[k] for k in range(offset, len(tasks), len(names)))
            for offset, name in enumerate(names)
        }
        progress.update(row, description="drawing the report", total=None)
        outcome = Outcome(scenes, episodes)
        page = write_outcome(outcome, planner, model, out)
    return outcome.reports, page


def episode_task(scene: Scene, *, model: str, task: str, arm: Arm) -> EpisodeTask:
    """One row on one scene."""
    return EpisodeTask(
        env_id=ENV_IDS[task],
        model=model,
        sampling=arm.sampling,
        seed=scene.seed,
        sampler_seed=scene.seed,
        constraints=scene.constraints,
        aware=arm.aware,
        fallback=arm.fallback,
        env_kwargs={"constraints": scene.constraints},
        options={"start": scene.start, "goal": scene.goal},
    )


def write_outcome(outcome: Outcome, planner: Planner, model: str, out: Path) -> Path:
    """``report.html``, ``plan.png``, ``rollout.mp4`` and ``eval_info.json``; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    world = as_point_mass(planner.embodiment, "demo").world
    shown = _most_telling(outcome)
    scene = outcome.scenes[shown]
    panels = [
        Panel(name, _plans(episodes[shown])[0][1], episodes[shown])
        for name, episodes in outcome.episodes.items()
        if _plans(episodes[shown])
    ]
    figure = plan_figure(
        panels, occupancy=world.walls, cell=world.cell, constraint=scene.constraints
    )
    figure.savefig(out / "plan.png")
    guided = outcome.episodes[STEERED][shown]
    video = write_video(
        out / "rollout.mp4",
        rollout_frames(
            guided,
            occupancy=world.walls,
            cell=world.cell,
            constraint=scene.constraints,
            plans=_plans(guided),
            title=STEERED,
        ),
    )
    reports = outcome.reports
    meta = {
        "command": f"glass-plan demo --scenes {len(outcome.scenes)} --model {model}",
        "model": f"{model}, weights sha256 {planner.config.sha256[:16]}",
        "scene seeds": f"{outcome.scenes[0].seed} to {outcome.scenes[-1].seed}",
        "network rows per plan": GUIDED.rows,
        "violations": "entries into a disc or a wall, counted at every physics step (100 Hz)",
    }
    info = {"meta": meta, "methods": {report.name: report.to_dict() for report in reports}}
    (out / "eval_info.json").write_text(json.dumps(info, indent=2))
    return write_report(
        out / "report.html",
        f"glass_plan demo: {model}",
        reports=reports,
        figures={
            "One scene, all planners": figure,
            "Clearance over time, all scenes": clearance_figure(outcome.episodes),
        },
        video=video,
        meta=meta,
    )


def _plans(episode: Episode) -> list[tuple[float, Plan]]:
    """The plans that were driven, each with the time from which it was."""
    return [
        (decision.time, decision.plan)
        for decision in episode.decisions
        if decision.plan is not None and decision.outcome is Decided.PLANNED
    ]


def _most_telling(outcome: Outcome) -> int:
    """A scene that the steered planner solves and as many others as possible do not."""

    def score(k: int) -> tuple[bool, int]:
        guided = outcome.episodes[STEERED][k]
        others = [e[k] for name, e in outcome.episodes.items() if not name.startswith(STEERED)]
        return guided.safe and guided.success, sum(not other.safe for other in others)

    return max(range(len(outcome.scenes)), key=score)
