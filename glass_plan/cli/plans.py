"""Commands that use models: plan once, drive the demo, look at the installation."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from glass_plan.cli.console import INFEASIBLE, console, positive, progress_bar
from glass_plan.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from glass_plan.checkpoint import World
    from glass_plan.constraints import Constraint
    from glass_plan.records import Plan

PICTURES = (".pdf", ".png", ".svg")
"""Kinds of files that a plan is drawn to."""


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
        start: x y [vx vy], in metres and metres a second.
        goal: x y.
        spec: YAML file of constraints.
        method: of drawing candidates, e.g. glass-fks, best-of-n or unguided; an unknown one prints
            them all.
        seed: of the sampler.
        json_out: print the plan as JSON.
        picture: file of a picture of the plan, PNG, PDF or SVG.
    """
    from glass_plan.constraints import load_spec
    from glass_plan.embodiments import as_point_mass
    from glass_plan.methods import Sampling
    from glass_plan.planner import Planner
    from glass_plan.records import Status

    planner = Planner.from_pretrained(model, sampling=Sampling(method=method))
    world = as_point_mass(planner.embodiment, "glass-plan plan").world
    if picture is not None and picture.suffix.lower() not in PICTURES:
        hint = did_you_mean(picture.suffix, PICTURES)
        raise RequestError(f"--picture {picture}: unknown kind {picture.suffix!r}{hint}")
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
        _draw(picture, world, made, constraints)
    return 0 if made.status is Status.FEASIBLE else INFEASIBLE


def _draw(path: Path, world: World, made: Plan, constraints: Constraint | None) -> None:
    from glass_plan.report.figures import Panel, plan_figure

    figure = plan_figure(
        [Panel(str(made.status), made)],
        occupancy=world.walls,
        cell=world.cell,
        constraint=constraints,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def demo(
    world: tyro.conf.Positional[Literal["maze2d", "pickcube", "stackcube"]] = "maze2d",
    *,
    scenes: int | None = None,
    workers: int = 2,
    out: Path | None = None,
    model: str = "maze2d-large",
    first_seed: int = 1000,
    protocol: Path | None = None,
) -> int:
    """Three planners on the same scenes with obstacles that the model never saw.

    Example: glass-plan demo pickcube --scenes 8 --out out/demo-pickcube

    Args:
        world: a maze in MuJoCo, or an arm that picks or stacks in ManiSkill.
        scenes: number of scenes, the same for all methods; 24 in a maze, 8 with an arm by default.
        workers: processes.
        out: folder of the report; out/demo, or out/demo-WORLD, by default.
        model: checkpoint of a maze, name or folder.
        first_seed: of a maze's scenes (from 1000 on: reported ones; below 100: for tuning).
        protocol: file of an arm's scenes, whose first reported ones are run; by default
            experiments/protocols/maniskill_pick_static.yaml, or stack_static.
    """
    from glass_plan.report.terminal import summary_table

    count = (24 if world == "maze2d" else 8) if scenes is None else scenes
    positive(scenes=count, workers=workers)
    if first_seed < 0:
        raise RequestError(f"--first-seed must be at least 0, got {first_seed}")
    folder = out or Path("out/demo" if world == "maze2d" else f"out/demo-{world}")
    if world == "maze2d":
        from glass_envs.demo import run_demo

        reports, page = run_demo(
            model=model,
            seeds=range(first_seed, first_seed + count),
            workers=workers,
            out=folder,
            progress=progress_bar(),
        )
    else:
        from glass_envs.maniskill.demo import run_demo as run_arm_demo

        kind = world.removesuffix("cube")
        known = Path(f"experiments/protocols/maniskill_{kind}_static.yaml")
        if protocol is None and not known.is_file():
            raise RequestError(
                f"demo {world}: no {known} here; work in a clone, or --protocol FILE"
            )
        reports, page = run_arm_demo(
            protocol or known,
            scenes=count,
            workers=workers,
            out=folder,
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
    packages = "torch mujoco gymnasium gymnasium-robotics minari numpy pytorch_kinematics"
    for package in packages.split():
        console.print(f"{package} {importlib.metadata.version(package)}")
    for name in shipped():
        prior, _ = from_pretrained(name)
        size = sum(p.numel() for p in prior.parameters())
        console.print(f"checkpoint {name}: {size / 1e6:.1f} M parameters, sha256 verified")
    return 0
