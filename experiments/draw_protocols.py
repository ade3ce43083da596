"""Draws the scenes of the Maze2D safety protocols and freezes them as files.

python experiments/draw_protocols.py --maze large

Tuning scenes have seeds 0-99, reported ones 1000-1099. Drawing anew changes the protocols' digests,
and with them all results: it is done once.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from rich.progress import track

from glass_envs.mazes import MAZES, SUCCESS_RADIUS, Array
from glass_envs.protocols import DURATION, KINDS, Draw, Routes, draw_scene
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.protocols import Scene, dump_suite

FOLDER = Path(__file__).parent / "protocols"
ENV_IDS = {"medium": "Maze2D-Medium-v0", "large": "Maze2D-Large-v0"}
LIKES = Sampling.best_of(8, 8)
"""The routes that a scene is made from."""


@dataclass
class Args:
    """What to draw.

    Args:
        maze: medium or large.
        kinds: of protocols.
        scenes: in each of the two splits.
        model: whose routes; by default the maze's errand prior.
        workers: processes.
        out: folder of the files.
    """

    maze: Literal["medium", "large"] = "large"
    kinds: tuple[str, ...] = field(default_factory=lambda: KINDS)
    scenes: int = 100
    model: str | None = None
    workers: int = 2
    out: Path = FOLDER


def main(args: Args) -> None:
    """Draw and write every kind."""
    name = f"maze2d-{args.maze}-errands"
    seeds = [*range(args.scenes), *range(1000, 1000 + args.scenes)]
    for kind in args.kinds:
        with ProcessPoolExecutor(args.workers) as pool:
            asked = repeat(kind), repeat(args.maze), repeat(args.model or name), seeds
            drawn = pool.map(draw, *asked)
            scenes = list(track(drawn, f"drawing {kind}", total=len(seeds)))
        header = {
            "name": f"maze2d_{kind}" + ("" if args.maze == "large" else f"_{args.maze}"),
            "env_id": f"glass_envs:glass_plan/{ENV_IDS[args.maze]}",
            "model": name,
            "nfe": 100,
            "max_episode_steps": round(100 * DURATION[kind]),
            "sampler_seeds": [0, 1, 2],
            "tolerances": {"goal_radius": SUCCESS_RADIUS},
        }
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"{header['name']}.yaml"
        path.write_text(dump_suite(header, scenes))
        print(f"wrote {path}")


def draw(kind: str, maze: str, model: str, seed: int) -> Scene:
    """One scene, in a worker."""
    return draw_scene(kind, MAZES[f"maze2d-{maze}"], _routes(model), seed)


@lru_cache(maxsize=1)
def _routes(model: str) -> Draw:
    torch.set_num_threads(1)
    planner = Planner.from_pretrained(model, sampling=LIKES)

    def routes(start: Array, goal: Array, seed: int) -> Routes:
        made = planner.plan(np.concatenate([start, np.zeros(2)]), goal, seed=seed).candidates
        return Routes(made.channel("position").double().numpy(), made.times.double().numpy())

    return routes


if __name__ == "__main__":
    main(tyro.cli(Args))
