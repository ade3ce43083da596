"""What projecting the candidates at last is worth: feasible plans with and without, and their time.

python experiments/projection.py --model maze2d-large --scenes 30 --discs 2

Plans of three methods on scenes with discs on the model's own routes, walls included. Seeds below
100 are for tuning, those from 1000 on are reported.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, replace

import tyro
from rich.progress import track

from glass_envs.demo import make_scenes
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.records import Status
from glass_plan.tables import markdown_table

METHODS = {
    "one unguided sample": Sampling.unguided(20),
    "best of 4": Sampling.best_of(4, 24),
    "GLASS-FKS": Sampling(),
}


@dataclass
class Args:
    """What to compare.

    Args:
        model: checkpoint name or folder.
        scenes: how many.
        first_seed: of the scenes.
        discs: in each.
        hard: margin of the projection.
    """

    model: str = "maze2d-large"
    scenes: int = 30
    first_seed: int = 0
    discs: int = 2
    hard: float = 0.02


def main(args: Args) -> None:
    """Print the table."""
    planner = Planner.from_pretrained(args.model)
    seeds = range(args.first_seed, args.first_seed + args.scenes)
    scenes = make_scenes(planner, args.model, seeds, args.discs)
    rows = []
    for name, sampling in METHODS.items():
        for hard in (None, args.hard):
            solver = planner.with_sampling(replace(sampling, hard=hard))
            feasible, seconds = 0, []
            for scene in track(scenes, f"{name}, hard {hard}"):
                began = time.perf_counter()
                start = (*scene.start, 0.0, 0.0)
                plan = solver.plan(start, scene.goal, scene.constraints, seed=scene.seed)
                seconds.append(time.perf_counter() - began)
                feasible += plan.status is Status.FEASIBLE
            about = {"method": name, "rows": sampling.rows, "hard": hard, "n": len(scenes)}
            worth = {"feasible": feasible, "median s": statistics.median(seconds)}
            rows.append({**about, **worth, "largest s": max(seconds)})
    sys.stdout.write(markdown_table(rows))


if __name__ == "__main__":
    main(tyro.cli(Args))
