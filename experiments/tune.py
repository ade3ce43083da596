"""Chooses the settings of the benchmark's methods by what they plan on the tuning scenes.

python experiments/tune.py --out out/tune

Every method may have as many settings. The score of a setting is the mean over the protocols of two
shares, halved: plans that are feasible, and plans that keep every safety constraint. One plan is
made from the start of a scene, nothing is driven. ``glass_plan.arms.ARMS`` has the best ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from rich.progress import track

from glass_envs.maniskill.protocols import Array, errand_of, state_of
from glass_plan.errors import did_you_mean
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.protocols import Scene, Suite, load_suite
from glass_plan.provenance import made_by
from glass_plan.records import Plan, Status
from glass_plan.tables import Entry, markdown_table

PROTOCOLS = Path(__file__).parent / "protocols"
PROTOCOLS_OF = {
    "maze2d": ("maze2d_static", "maze2d_goal", "maze2d_dynamic", "maze2d_hybrid"),
    "maniskill": (
        "maniskill_pick_static",
        "maniskill_pick_goal",
        "maniskill_stack_static",
        "maniskill_stack_hybrid",
    ),
}
SCENES = {"projection": 10}
"""Tuning scenes a protocol, where not all that are asked for: it takes seconds a plan."""


WEIGHTS, ARM_WEIGHTS = (5.0, 20.0, 50.0, 200.0, 1000.0), (1e3, 2e4, 1e5, 1e6, 3e6)
"""Of gradients; an arm's penalties are of centimetres."""


def _guided(method: str, weights: Sequence[float] = WEIGHTS) -> dict[str, Sampling]:
    sampling = Sampling(method, transitions=12, inner_steps=1)
    return {f"weight {w:g}": replace(sampling, weight=w) for w in weights}


def _steered(method: str) -> dict[str, Sampling]:
    """Particles, transitions and inner steps; weight."""
    asked = [
        (8, 3, 4, 5.0),
        (8, 3, 4, 50.0),
        (8, 6, 2, 50.0),
        (4, 5, 5, 50.0),
        (16, 3, 2, 50.0),
    ]
    rho = 0.5 if method == "glass-fks-published" else None
    return {
        f"K {k}, {t} x {m}, weight {w:g}": Sampling(
            method, k, transitions=t, inner_steps=m, weight=w, rho=rho
        )
        for k, t, m, w in asked
    }


SETTINGS: dict[str, dict[str, Sampling]] = {
    "best-of-n": {
        f"N {n}, {96 // n} steps": Sampling.best_of(n, 96 // n) for n in (6, 8, 12, 16, 24)
    },
    "best-of-n-glass": {
        f"N {n}, {t} x {m}": Sampling("best-of-n-glass", n, transitions=t, inner_steps=m)
        for n, t, m in ((8, 6, 2), (8, 4, 3), (12, 4, 2), (16, 3, 2), (24, 2, 2))
    },
    "gradient": _guided("gradient"),
    "pcgrad": _guided("pcgrad"),
    "conflict-gate": _guided("conflict-gate"),
    "barrier": {
        f"weight {w:g}, from t = {t:g}": Sampling("barrier", weight=w, warm_t=t)
        for w, t in ((0.5, 0.5), (2.0, 0.5), (8.0, 0.5), (2.0, 0.2), (8.0, 0.2))
    },
    "projection": {
        f"N {n}, {96 // n} steps, margin {m:g}": replace(Sampling.best_of(n, 96 // n), hard=m)
        for n, m in ((4, 0.02), (8, 0.02), (12, 0.02), (8, 0.01), (8, 0.05))
    },
    "sde-fks": _steered("sde-fks"),
    "glass-fks-published": _steered("glass-fks-published"),
    "glass-fks": {
        f"weight {w:g}, buffer {b:g}": Sampling(weight=w, buffer=b)
        for w, b in ((50.0, 0.05), (5.0, 0.05), (500.0, 0.05), (50.0, 0.03), (50.0, 0.08))
    },
}
OVER_A_TABLE = {"gradient": _guided("gradient", ARM_WEIGHTS)}
"""In their place for an arm."""


def settings(world: str, method: str) -> dict[str, Sampling]:
    """What is tried of a method."""
    return OVER_A_TABLE.get(method, SETTINGS[method]) if world == "maniskill" else SETTINGS[method]


@dataclass
class Args:
    """What to try.

    Args:
        world: whose protocols: maze2d or maniskill.
        scenes: of each protocol's tuning scenes.
        methods: to tune; all by default.
        workers: processes.
        out: folder of ``tuning.json`` and ``tuning.md``, or ``tuning-WORLD``.
    """

    world: Literal["maze2d", "maniskill"] = "maze2d"
    scenes: int = 50
    methods: tuple[str, ...] = tuple(SETTINGS)
    workers: int = 2
    out: Path = Path("out/tune")


def main(args: Args) -> None:
    """Try every setting, and write what came of it."""
    for method in args.methods:
        if method not in SETTINGS:
            raise SystemExit(f"tune: unknown method {method!r}{did_you_mean(method, SETTINGS)}")
    args.out.mkdir(parents=True, exist_ok=True)
    made = made_by()
    asked = [(method, name) for method in args.methods for name in settings(args.world, method)]
    with ProcessPoolExecutor(args.workers) as pool:
        tried = pool.map(partial(entry, world=args.world, scenes=args.scenes), asked)
        table = list(track(tried, "tuning", total=len(asked)))
    for method in args.methods:
        rows = [row for row in table if row["method"] == method]
        max(rows, key=lambda row: row["score"])["best"] = "yes"
    whole = {"made by": made, "goals": [], "table": table}
    name = "tuning" if args.world == "maze2d" else f"tuning-{args.world}"
    (args.out / f"{name}.json").write_text(json.dumps(whole, indent=1, allow_nan=False))
    text = markdown_table(table)
    (args.out / f"{name}.md").write_text(text)
    print(text)


def entry(asked: tuple[str, str], world: str, scenes: int) -> Entry:
    """One line of the table, in a worker."""
    torch.set_num_threads(1)
    method, name = asked
    sampling, count = settings(world, method)[name], SCENES.get(method, scenes)
    found: Entry = {"method": method, "setting": name, "rows": sampling.rows, "scenes": count}
    scores, times = list[float](), list[float]()
    for protocol in PROTOCOLS_OF[world]:
        kind = protocol.removeprefix(f"{world}_")
        plans = list(planned(protocol, sampling, range(count)))
        feasible = np.mean([plan.status is Status.FEASIBLE for plan, _ in plans])
        safe = np.mean([min(plan.margins[part] for part in parts) > 0 for plan, parts in plans])
        found |= {f"{kind} %": float(100 * feasible), f"{kind} safe %": float(100 * safe)}
        scores.append(float(feasible + safe) / 2)
        times += [plan.wall_time for plan, _ in plans]
    found |= {"score": float(np.mean(scores)), "ms": 1e3 * float(np.median(times)), "best": ""}
    return found


def planned(
    protocol: str, sampling: Sampling, seeds: Sequence[int]
) -> Iterator[tuple[Plan, list[str]]]:
    """A plan from the start of each scene, and the names of what must always hold."""
    suite = _suite(protocol)
    planner = _planner(suite.model).with_sampling(sampling)
    for seed in seeds:
        scene = suite.scenes[seed]
        plan = planner.plan(*_ends(scene), scene.constraints, seed=seed)
        parts = planner.judged(scene.constraints).parts().items()
        yield plan, [name for name, part in parts if part.is_safety]


def _ends(scene: Scene) -> tuple[Array, Array]:
    """What a plan begins with, and its goal."""
    options = scene.options
    if "joints" in options:
        return state_of(options), errand_of(options).goal
    return np.array([*options["start"], 0.0, 0.0]), np.array(options["goal"])


@lru_cache
def _suite(protocol: str) -> Suite:
    return load_suite(PROTOCOLS / f"{protocol}.yaml", "tuning")


@lru_cache
def _planner(model: str) -> Planner:
    return Planner.from_pretrained(model)


if __name__ == "__main__":
    main(tyro.cli(Args))
