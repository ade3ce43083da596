"""The command line ``glass-plan``: the one place where planner and simulated worlds meet.

Exit codes: 0 what was asked for happened, 2 bad request, 3 infeasible plan.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import logging
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from glass_plan.errors import GlassPlanError, RequestError, did_you_mean

INFEASIBLE, BAD_REQUEST = 3, 2

console = Console(stderr=True)


def progress_bar() -> Progress:
    """A bar with count, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _positive(**counts: int | None) -> None:
    """Refuse a count below one, by its option's name."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise RequestError(f"--{name} must be at least 1, got {count}")


def _task(name: str) -> str:
    from glass_envs.mazes import MAZES

    if name not in MAZES:
        raise RequestError(f"unknown task {name!r}{did_you_mean(name, MAZES)}")
    return name


def collect(
    task: tyro.conf.Positional[str],
    *,
    steps: int | None = None,
    workers: int = 2,
    seed: int = 0,
    dataset: str | None = None,
) -> int:
    """Drive the real simulator and write a Minari data set.

    Example: glass-plan collect maze2d-large --steps 1000000 --workers 2

    Args:
        task: maze2d-umaze, maze2d-medium or maze2d-large.
        steps: transitions; the task's recipe by default.
        workers: processes; the data do not depend on it.
        seed: of routes, speeds and noise.
        dataset: Minari id; glass_plan/TASK-v0 by default.
    """
    from glass_envs import recipes
    from glass_envs.collect import collect as drive
    from glass_plan.data import write_minari

    _positive(steps=steps, workers=workers)
    wanted = steps or recipes.RECIPES[_task(task)].data_steps
    with progress_bar() as bar:
        row = bar.add_task(f"driving {task}", total=wanted)
        trips, dropped = drive(
            task, wanted, workers, seed, progress=lambda done: bar.advance(row, done)
        )
    name = dataset or recipes.dataset_id(task)
    console.print(f"writing {len(trips)} trips ({dropped} dropped) to Minari as {name}")
    write_minari(name, trips, description=f"waypoint controller on {task}, seed {seed}")
    return 0


def train(
    task: tyro.conf.Positional[str],
    *,
    data: str | None = None,
    out: Path | None = None,
    steps: int | None = None,
    batch: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> int:
    """Train a prior; run again to resume where it was killed.

    Example: glass-plan train maze2d-large --out runs/maze2d-large

    Args:
        task: maze2d-umaze, maze2d-medium or maze2d-large.
        data: Minari id or D4RL .hdf5 file; the task's collected data by default.
        out: folder of the exact state, the TensorBoard scalars and the model.
        steps: optimiser steps; the task's recipe by default.
        batch: windows per step.
        seed: of weights, windows and noise.
        device: where the model is trained.
    """
    from glass_envs import recipes
    from glass_plan.checkpoint import save_pretrained
    from glass_plan.data import Windows, read_trips
    from glass_plan.training import TrainConfig, Trainer
    from glass_plan.training import train as run_training

    _positive(steps=steps, batch=batch)
    recipe, config = recipes.RECIPES[_task(task)], recipes.prior_config(task)
    folder = out or Path("runs") / task
    console.print(f"reading {data or recipes.dataset_id(task)}")
    rows = config.world.walls
    trips = read_trips(data or recipes.dataset_id(task), maze_shape=(len(rows), len(rows[0])))
    windows = Windows(trips, horizon=recipe.horizon, spacing=recipe.spacing)
    how = TrainConfig(steps=steps or recipe.train_steps, seed=seed)
    how = how if batch is None else dataclasses.replace(how, batch=batch)
    trainer = Trainer(config, windows, how, device=device)
    with progress_bar() as bar:
        row = bar.add_task(f"training {task}", total=how.steps)

        def show(step: int, loss: float) -> None:
            if step % 20 == 0:
                bar.update(row, completed=step, description=f"training {task}, loss {loss:.4f}")

        for _ in run_training(trainer, folder, on_step=show):
            save_pretrained(trainer.averaged, config, folder / "pretrained")
    save_pretrained(trainer.averaged, config, folder / "pretrained")
    console.print(f"model in {folder / 'pretrained'}")
    return 0


def plan(
    model: tyro.conf.Positional[str],
    *,
    start: tuple[float, ...],
    goal: tuple[float, float],
    spec: Path | None = None,
    method: str = "glass-fks",
    seed: int = 0,
    json_out: Annotated[bool, tyro.conf.arg(name="json")] = False,
    picture: Path | None = None,
) -> int:
    """Plan once and print the verdict; exits with 3 if no feasible plan was found.

    Example: glass-plan plan maze2d-large --start -4.5 3.0 --goal 4 3 --picture plan.png

    Args:
        model: name of a shipped checkpoint, or a folder.
        start: x y [vx vy].
        goal: x y.
        spec: YAML file of constraints.
        method: glass-fks, best-of-n or unguided.
        seed: of the sampler.
        json_out: print the plan as JSON.
        picture: write a PNG of the plan.
    """
    from glass_plan.constraints import load_spec
    from glass_plan.methods import Sampling
    from glass_plan.planner import Planner
    from glass_plan.records import Status

    planner = Planner.from_pretrained(model, sampling=Sampling(method=method))
    constraints = load_spec(spec) if spec is not None else None
    state = (*start, 0.0, 0.0) if len(start) == 2 else start
    made = planner.plan(state, goal, constraints, seed=seed)
    if json_out:
        result = {
            "status": made.status,
            "margins": made.margins,
            "nfe": made.nfe,
            "calls": made.calls,
            "wall_time": made.wall_time,
            "times": made.times.tolist(),
            "states": made.states.tolist(),
            "actions": made.actions.tolist(),
        }
        sys.stdout.write(json.dumps(result) + "\n")
    console.print(f"{made.status}: {made.nfe} network rows, {1e3 * made.wall_time:.0f} ms")
    for name, margin in made.margins.items():
        console.print(f"  {name}: margin {margin:+.3f}")
    if picture is not None:
        _draw(picture, planner, made, constraints)
    return 0 if made.status is Status.FEASIBLE else INFEASIBLE


def _draw(path: Path, planner: object, made: object, constraints: object) -> None:
    from glass_plan.constraints import Constraint
    from glass_plan.planner import Planner
    from glass_plan.records import Plan
    from glass_plan.report.figures import Panel, plan_figure

    assert isinstance(planner, Planner)
    assert isinstance(made, Plan)
    assert constraints is None or isinstance(constraints, Constraint)
    world = planner.config.world
    figure = plan_figure(
        [Panel(str(made.status), made)],
        occupancy=world.walls,
        cell=world.cell,
        constraint=constraints,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def demo(
    *,
    scenes: int = 24,
    workers: int = 2,
    out: Path = Path("out/demo"),
    model: str = "maze2d-large",
    first_seed: int = 1000,
) -> int:
    """Three planners on the same maze scenes with obstacles that the model never saw.

    Example: glass-plan demo --scenes 24 --out out/demo

    Args:
        scenes: number of scenes, the same for all methods.
        workers: processes.
        out: folder of the report.
        model: checkpoint name or folder.
        first_seed: of the scenes (from 1000 on: reported ones; below 100: for tuning).
    """
    from glass_envs.demo import run_demo
    from glass_plan.report.terminal import summary_table

    _positive(scenes=scenes, workers=workers)
    reports, page = run_demo(
        model=model,
        seeds=range(first_seed, first_seed + scenes),
        workers=workers,
        out=out,
        progress=progress_bar(),
    )
    Console().print(summary_table(reports))
    console.print(f"report: {page}")
    return 0


def doctor() -> int:
    """Tell what this installation can do.

    Example: glass-plan doctor
    """
    import torch

    from glass_plan.checkpoint import from_pretrained, shipped

    console.print(f"python {platform.python_version()}, torch threads {torch.get_num_threads()}")
    for package in ("torch", "mujoco", "gymnasium", "gymnasium-robotics", "minari", "numpy"):
        console.print(f"{package} {importlib.metadata.version(package)}")
    for name in shipped():
        prior, _ = from_pretrained(name)
        size = sum(p.numel() for p in prior.parameters())
        console.print(f"checkpoint {name}: {size / 1e6:.1f} M parameters, sha256 verified")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "plan": plan,
    "collect": collect,
    "train": train,
    "doctor": doctor,
}


def main() -> None:
    """Entry point of the console script."""
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=console)]
    )
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="glass-plan", description="Steered trajectory planning for robots."
        )
    except (GlassPlanError, OSError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        code = BAD_REQUEST
    sys.exit(code)


if __name__ == "__main__":
    main()
