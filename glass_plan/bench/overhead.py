"""How far sampling is from the price of its network calls alone.

    ratio = time of a plan / (sequential calls x time of a bare forward pass at that batch)

Both are timed in turns, so that a busy machine slows both. Kernels are timed from noise to
trajectories in world units; the planner's methods with all they do, judging included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from glass_plan import kernels
from glass_plan.bench.records import Record
from glass_plan.checkpoint import World
from glass_plan.constraints import All, Avoid, Ball, Box, Constraint, Moving, SpeedLimit
from glass_plan.embodiments import as_point_mass
from glass_plan.goals import Goal
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.prior import ConditionedPrior
from glass_plan.tables import Entry

BATCHES = (8, 32)
STEPS = 20
"""Sequential network calls of each kernel."""
GOALS = {"ode": 1.15, "glass": 1.15, "fk": 1.25}
COLUMNS = ("what", "batch", "calls", "rows", "forward ms", "plan ms", "ratio", "low", "high", "n")


@dataclass(frozen=True)
class OverheadBench:
    """What to time.

    Args:
        folder: of all output.
        planner: whose model and methods.
        repeats: timings of each row.
        advance: called after every row.
    """

    folder: Path
    planner: Planner
    repeats: int = 30
    advance: Callable[[], object] = lambda: None

    @property
    def measurements(self) -> int:
        """How often ``advance`` is called."""
        return len(GOALS) * len(BATCHES) + len(self._methods)

    def run(self) -> str:
        """Time everything anew; write table, goals and figure; returns the text."""
        world = as_point_mass(self.planner.embodiment, "bench").world
        start, goal, spec = *opposite_corners(world), ten_constraints(world)
        denoise = self.planner.prior.condition(start, goal)
        rows: list[Entry] = []
        with torch.no_grad():
            for batch in BATCHES:
                for name in GOALS:
                    rows.append(self._kernel(name, batch, denoise, spec))
                    self.advance()
        for name, sampling in self._methods.items():
            planner = self.planner.with_sampling(sampling)
            asked = None if name == "unguided" else spec

            def plan(planner: Planner = planner, asked: Constraint | None = asked) -> None:
                planner.plan(start, goal, asked, strict=False)

            made = planner.plan(start, goal, asked, strict=False)
            about = {"what": f"planner: {name}", "calls": made.calls, "rows": made.nfe}
            rows.append({**about, **self._ratio(plan, denoise, sampling.particles, made.calls)})
            self.advance()
        return self._written(rows)

    @property
    def _methods(self) -> dict[str, Sampling]:
        return {
            "unguided": Sampling.unguided(STEPS),
            "best-of-n": Sampling.best_of(8, 12),
            "glass-fks": Sampling(),
        }

    def _kernel(self, name: str, batch: int, denoise: ConditionedPrior, spec: Constraint) -> Entry:
        prior, reward = self.planner.prior, spec.soft(weight=50.0)
        glass = kernels.Glass(denoise, prior.schedule, inner_steps=2)
        moves: dict[str, tuple[kernels.Kernel, int]] = {
            "ode": (kernels.Ode(denoise, prior.schedule, solver="2m"), STEPS),
            "glass": (glass, STEPS // 2),
            "fk": (kernels.FeynmanKac(glass, lambda x_1: reward(prior.to_world(x_1))), STEPS // 2),
        }
        kernel, steps = moves[name]
        generator = torch.Generator().manual_seed(0)
        x_0, grid = kernels.noise(batch, prior.shape, generator), kernels.uniform_grid(steps)

        def sample() -> None:
            prior.to_world(kernels.run(kernel, grid, x_0, generator).state.x)

        before = denoise.count.calls, denoise.count.rows
        sample()
        calls, rows = denoise.count.calls - before[0], denoise.count.rows - before[1]
        what = {"fk": "fk, ten constraints"}.get(name, name)
        about = {"what": what, "calls": calls, "rows": rows}
        return {**about, **self._ratio(sample, denoise, batch, calls)}

    def _ratio(
        self, plan: Callable[[], None], denoise: ConditionedPrior, batch: int, calls: int
    ) -> Entry:
        """Plan and forward pass in turns; the median ratio and its quartiles."""
        x = torch.randn(batch, *self.planner.prior.shape)

        def forward() -> None:
            denoise(x, 0.5)

        plan()
        plans, forwards = [], []
        for _ in range(self.repeats):
            forwards.append(statistics.median(seconds(forward) for _ in range(calls)))
            plans.append(seconds(plan))
        ratios = np.array(plans) / (calls * np.array(forwards))
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75)).tolist()
        return {
            "batch": batch,
            "forward ms": 1e3 * statistics.median(forwards),
            "plan ms": 1e3 * statistics.median(plans),
            **{"ratio": middle, "low": low, "high": high, "n": self.repeats},
        }

    def _written(self, rows: list[Entry]) -> str:
        goals = [
            Goal(f"{row['what']}, batch {row['batch']}: ratio", row["ratio"], GOALS[name])
            for row in rows
            if (name := row["what"].split(",")[0]) in GOALS
        ]
        record = Record(self.folder, "overhead")
        title = f"Plan time over the time of its network calls, {torch.get_num_threads()} threads"
        text = record.finish(COLUMNS, rows, title=title, goals=goals)
        figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
        axes.barh(
            [f"{row['what']}, batch {row['batch']}" for row in rows], [r["ratio"] for r in rows]
        )
        axes.axvline(1, color="0.5", lw=1)
        axes.set(xlabel="plan time / (calls x bare forward pass)")
        axes.invert_yaxis()
        figure.savefig(record.path("png"), dpi=150)
        plt.close(figure)
        return text


def seconds(call: Callable[[], None]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def free_cells(world: World) -> Tensor:
    """Centres (K, 2) [m] of the free cells, row by row from the top."""
    occupied = torch.tensor(world.walls)
    row, column = torch.nonzero(occupied == 0, as_tuple=True)
    height, width = occupied.shape
    x, y = column + 0.5 - width / 2, height / 2 - row - 0.5
    return world.cell * torch.stack([x, y], -1).double()


def opposite_corners(world: World) -> tuple[Tensor, Tensor]:
    """A start at rest (4,) in the first free cell, and a goal (2,) in the last."""
    cells = free_cells(world)
    return torch.cat([cells[0], torch.zeros(2)]).float(), cells[-1].float()


def ten_constraints(world: World, aside: float = 0.0) -> All:
    """Ten of several kinds, spread over the world; some are violated on the way.

    Args:
        world: whose free cells they stand in.
        aside: by which all of them are moved [m].
    """
    cells = [(x + aside, y) for x, y in free_cells(world).tolist()]
    at = [cells[len(cells) * (k + 1) // 10] for k in range(7)]
    discs = [Avoid(Ball(centre, 0.2)) for centre in at[:5]]
    boxes = [Avoid(Box((x - 0.2, y - 0.1), (x + 0.2, y + 0.1))) for x, y in at[5:]]
    patrol = Avoid(Moving(Ball((0.0, 0.0), 0.2), (cells[0], cells[-1]), speed=0.5, loop=True))
    return All((*discs, *boxes, patrol, SpeedLimit(4.0), SpeedLimit(3.0)))
