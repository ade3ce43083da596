"""Draws the scenes of the ManiSkill safety protocols and freezes them as files.

python experiments/draw_arm_protocols.py --kinds pick_static pick_goal

Tuning scenes have seeds 0-99, reported ones 1000-1099. Drawing anew changes the protocols' digests,
and with them all results: it is done once.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import torch
import tyro
from rich.progress import track

from glass_envs.maniskill.protocols import KINDS, Array, Draw, draw_scene
from glass_envs.maniskill.world import ManiSkill
from glass_plan.layout import Trajectory
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.protocols import Scene, dump_suite

FOLDER = Path(__file__).parent / "protocols"
TASKS = {"pick": ("pick-cube", "PickCube-v0"), "stack": ("stack-cube", "StackCube-v0")}
"""By the first word of a kind: a key of ``glass_envs.maniskill.tasks.TASKS``, and the world."""
LIKES = Sampling.best_of(8, 8)
"""The routes that a scene is made from."""


@dataclass
class Args:
    """What to draw.

    Args:
        kinds: of protocols.
        scenes: in each of the two splits.
        model: whose routes; by default the shipped prior of the task.
        workers: processes.
        out: folder of the files.
    """

    kinds: tuple[str, ...] = field(default_factory=lambda: KINDS)
    scenes: int = 100
    model: str | None = None
    workers: int = 2
    out: Path = FOLDER


def main(args: Args) -> None:
    """Draw and write every kind."""
    seeds = [*range(args.scenes), *range(1000, 1000 + args.scenes)]
    for kind in args.kinds:
        word = kind.split("_")[0]
        model = f"maniskill-{word}cube"
        with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
            drawn = pool.map(draw, repeat(kind), repeat(args.model or model), seeds)
            scenes = list(track(drawn, f"drawing {kind}", total=len(seeds)))
        header = {
            "name": f"maniskill_{kind}",
            "env_id": f"glass_envs:glass_plan/{TASKS[word][1]}",
            "env_kwargs": {"control_mode": "pd_joint_pos"},
            "model": model,
            "nfe": 100,
            "max_episode_steps": 200,
            "sampler_seeds": [0, 1, 2],
            "tolerances": {"trapped_radius": 0.02},
        }
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"{header['name']}.yaml"
        path.write_text(dump_suite(header, scenes))
        print(f"wrote {path}")


def draw(kind: str, model: str, seed: int) -> Scene:
    """One scene, in a worker."""
    return draw_scene(kind, _world(kind.split("_")[0]), _routes(model), seed)


@lru_cache(maxsize=1)
def _world(word: str) -> ManiSkill:
    return ManiSkill(TASKS[word][0], control_mode="pd_joint_pos")


@lru_cache(maxsize=1)
def _routes(model: str) -> Draw:
    torch.set_num_threads(1)
    planner = Planner.from_pretrained(model, sampling=LIKES)

    def routes(state: Array, goal: Array, seed: int) -> Trajectory:
        return planner.plan(state, goal, seed=seed).candidates

    return routes


if __name__ == "__main__":
    main(tyro.cli(Args))
