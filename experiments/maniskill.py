"""ManiSkill experiments: the unguided prior does its task without obstacles; its model card.

python experiments/maniskill.py --task pickcube --episodes 100

Scenes are ManiSkill's own, by seed. Interrupted runs resume; ``unguided-NAME.json`` and the card
beside the weights, checkpoints/NAME/README.md, are made from what was run.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import tyro
from rich.progress import track

from glass_envs.recipes import ARM_RECIPES, prior_name
from glass_plan.checkpoint import WEIGHTS, from_pretrained, resolve
from glass_plan.executors import EpisodeTask, run_tasks
from glass_plan.goals import Goal
from glass_plan.methods import Sampling
from glass_plan.provenance import commit, made_by
from glass_plan.results import Row, append_row, read_rows, sole_writer
from glass_plan.statistics import Rate
from glass_plan.training import TrainConfig

ENV_IDS = {"pickcube": "PickCube-v0", "stackcube": "StackCube-v0"}
WANTED = {"pickcube": 98.0, "stackcube": 93.0}
"""Success within ``STEPS`` [%]."""
STEPS = 200
"""Control steps of an episode."""
CARD = """# {name}

A trajectory flow for ManiSkill's `{task}`: {parameters:.1f} M parameters (residual MLP), {horizon}
waypoints {spacing} m apart along the way of the tool and the fingers, channels {channels}.
{size:.1f} MB in half precision.

## Made by

```sh
glass-plan collect {task}   # {episodes:,} scripted demonstrations in SAPIEN, seed 0
glass-plan train {task}     # {steps:,} steps of batch {batch}, seed 0
```

sha256 of `{weights}`: `{sha256}`

## Measured

Without obstacles, unguided: one sample of {ode_steps} ODE steps a plan, ManiSkill's scenes of seeds
{first} to {last}, at most {limit} control steps.

| what | value |
|---|---|
| success, once | {once} |
| success, at the end | {at_end} |
| dropped the cube on the way | {dropped} |

Intervals are Wilson's at 95 %. Controller: RecedingHorizon, joint targets at 20 Hz; commit
{commit}.

```sh
python experiments/maniskill.py --task {task} --episodes {n}
```
"""


@dataclass
class Args:
    """What to run.

    Args:
        task: of a prior that ships.
        episodes: scenes.
        first_seed: of the scenes; 1000 and above are reported seeds.
        ode_steps: network rows of the single unguided sample.
        workers: processes.
        out: folder of the results.
    """

    task: Literal["pickcube", "stackcube"] = "pickcube"
    episodes: int = 100
    first_seed: int = 1000
    ode_steps: int = 96
    workers: int = 2
    out: Path = Path("out/maniskill")


def main(args: Args) -> None:
    """Drive, and write the summary and the card."""
    name = prior_name(args.task)
    path = args.out / f"unguided-{name}-{args.ode_steps}.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    seeds = range(args.first_seed, args.first_seed + args.episodes)
    with sole_writer(path):
        done = {row.seed for row in read_rows(path)}
        tasks = [
            EpisodeTask(
                env_id=f"glass_envs:glass_plan/{ENV_IDS[args.task]}",
                model=name,
                sampling=Sampling.unguided(args.ode_steps),
                seed=seed,
                sampler_seed=seed,
                aware=False,
                fallback="follow",
                env_kwargs={"control_mode": "pd_joint_pos", "max_episode_steps": STEPS},
            )
            for seed in seeds
            if seed not in done
        ]
        for _, episode in track(run_tasks(tasks, args.workers), args.task, total=len(tasks)):
            row = Row.of(episode, episode.seed)
            append_row(path, replace(row, info=dict(episode.info), commit=commit()))
    rows = [row for row in read_rows(path) if row.seed in seeds]
    rates = {
        key: Rate(round(sum(row.info.get(key, 0.0) for row in rows)), len(rows))
        for key in ("success_once", "success_at_end", "dropped")
    }
    once = 100 * rates["success_once"].value
    goal = Goal(f"{args.task}, unguided: success %", once, WANTED[args.task], above=True)
    made = ", ".join(sorted({row.commit for row in rows}))
    table = [{"task": args.task, **{key: str(rate).strip() for key, rate in rates.items()}}]
    whole = {
        "made by": made_by(row.commit for row in rows),
        "goals": [{**asdict(goal), "met": goal.met}],
        "table": table,
    }
    (args.out / f"unguided-{name}.json").write_text(json.dumps(whole, indent=1))
    print(goal)
    write_card(args, name, rates, made)


def write_card(args: Args, name: str, rates: dict[str, Rate], made: str) -> None:
    """Write the card beside the weights."""
    prior, config = from_pretrained(name)
    folder, recipe = resolve(name), ARM_RECIPES[args.task]
    card = CARD.format(
        name=name,
        task=args.task,
        parameters=sum(p.numel() for p in prior.parameters()) / 1e6,
        horizon=config.horizon,
        spacing=config.spacing,
        channels=", ".join(config.layout.names),
        size=(folder / WEIGHTS).stat().st_size / 1e6,
        episodes=recipe.episodes,
        steps=recipe.train_steps,
        batch=TrainConfig().batch,
        weights=WEIGHTS,
        sha256=config.sha256,
        ode_steps=args.ode_steps,
        first=args.first_seed,
        last=args.first_seed + args.episodes - 1,
        limit=STEPS,
        once=str(rates["success_once"]).strip(),
        at_end=str(rates["success_at_end"]).strip(),
        dropped=str(rates["dropped"]).strip(),
        commit=made,
        n=args.episodes,
    )
    (folder / "README.md").write_text(card)
    print(f"wrote {folder / 'README.md'}")


if __name__ == "__main__":
    main(tyro.cli(Args))
