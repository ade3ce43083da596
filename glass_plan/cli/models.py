"""Commands that make models: collect demonstrations, train a prior."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from glass_plan.cli.console import console, known_task, positive, progress_bar
from glass_plan.errors import RequestError


def collect(
    task: tyro.conf.Positional[str],
    *,
    steps: int | None = None,
    episodes: int | None = None,
    workers: int = 2,
    seed: int = 0,
    dataset: str | None = None,
) -> int:
    """Drive the real simulator and write a Minari data set.

    Example: glass-plan collect maze2d-large --steps 1000000 --workers 2

    Args:
        task: maze2d-umaze, -medium or -large; maze2d-medium-errands or -large-errands; pickcube or
            stackcube.
        steps: transitions in a maze; the task's recipe by default.
        episodes: demonstrations with the arm that succeed; the task's recipe by default.
        workers: processes; the data do not depend on it.
        seed: of routes, speeds and noise.
        dataset: Minari id; glass_plan/TASK-v0 by default.
    """
    from glass_envs import recipes
    from glass_envs.collect import collect as drive
    from glass_plan.data import write_minari

    positive(steps=steps, episodes=episodes, workers=workers)
    with_arm = known_task(task) in recipes.ARM_RECIPES
    if (steps if with_arm else episodes) is not None:
        other, own = ("--steps", "--episodes") if with_arm else ("--episodes", "--steps")
        raise RequestError(f"collect: {task} is not counted by {other}; give {own}")
    if with_arm:
        return _demonstrate(task, episodes, workers, seed, dataset)
    recipe = recipes.RECIPES[task]
    wanted = steps or recipe.data_steps
    with progress_bar() as bar:
        row = bar.add_task(f"driving {task}", total=wanted)
        trips, dropped = drive(
            recipe.maze,
            wanted,
            workers,
            seed,
            recipe.habits,
            progress=lambda done: bar.advance(row, done),
        )
    name = dataset or recipes.dataset_id(task)
    console.print(f"writing {len(trips)} trips ({dropped} dropped) to Minari as {name}")
    write_minari(name, trips, description=f"waypoint controller on {task}, seed {seed}")
    return 0


def _demonstrate(
    task: str, episodes: int | None, workers: int, seed: int, dataset: str | None
) -> int:
    """Collect demonstrations with the arm."""
    from glass_envs import recipes
    from glass_envs.maniskill.collect import collect as demonstrate
    from glass_plan.data import write_minari

    recipe = recipes.ARM_RECIPES[task]
    wanted = episodes or recipe.episodes
    with progress_bar() as bar:
        row = bar.add_task(f"demonstrating {task}", total=wanted)
        made = demonstrate(
            recipe.task,
            wanted,
            workers,
            seed,
            progress=lambda done: bar.advance(row, done),
        )
    name = dataset or recipes.dataset_id(task)
    console.print(
        f"writing {len(made.trips)} demonstrations ({made.failed} failed) to Minari as {name}"
    )
    write_minari(
        name,
        made.trips,
        description=f"scripted demonstrator of {task}, seed {seed}",
        algorithm="scripted demonstrator",
        recorded=made.recorded,
    )
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
        task: maze2d-umaze, -medium or -large; maze2d-medium-errands or -large-errands; pickcube or
            stackcube.
        data: Minari id, or in a maze a D4RL .hdf5 file; the task's collected data by default.
        out: folder of the exact state, the TensorBoard scalars and the model; runs/ and the name
            of the prior by default.
        steps: optimiser steps; the task's recipe by default.
        batch: windows per step.
        seed: of weights, windows and noise.
        device: where the model is trained.
    """
    from glass_envs import recipes
    from glass_plan.checkpoint import save_pretrained
    from glass_plan.training import TrainConfig, Trainer
    from glass_plan.training import train as run_training

    positive(steps=steps, batch=batch)
    recipe, config = recipes.recipe_of(known_task(task)), recipes.prior_config(task)
    folder = out or Path("runs") / recipes.prior_name(task)
    source = data or recipes.dataset_id(task)
    console.print(f"reading {source}")
    windows = recipes.training_windows(task, source)
    too_long = int((windows.spans > config.spacing * (config.horizon - 1)).sum())
    console.print(f"{len(windows)} trips, {too_long} of them longer than the horizon")
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
