"""What constraints cost, beside a call of the network that they steer.

    ratio = time of an evaluation / time of a bare forward pass, at the same batch and threads

Both are timed in turns, so that a busy machine slows both. Steering takes the penalty and its
gradient; judging takes exact margins. ``growth`` is the exponent of the cost in the number of
constraints or waypoints, by least squares of the logarithms over the upper half of the sizes, where
the fixed price of an operation is small.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

from glass_plan import kernels
from glass_plan.bench.overhead import free_cells, opposite_corners, seconds, ten_constraints
from glass_plan.bench.records import Record
from glass_plan.checkpoint import World
from glass_plan.constraints import All, Always, Avoid, Ball, Constraint, Eventually, Reach, Until
from glass_plan.embodiments import as_point_mass
from glass_plan.goals import Goal
from glass_plan.layout import Trajectory
from glass_plan.nets import TemporalUNet
from glass_plan.planner import Planner
from glass_plan.prior import ConditionedPrior
from glass_plan.tables import Entry

BATCH = 32
SMOOTH = 0.05
"""Temperature of the smooth margins [unit of the constraint]."""
SHARE = 0.25
"""Of a forward pass, that ten constraints may cost."""
LINEAR = 1.1
"""Largest exponent that counts as linear."""
COUNTS = (10, 20, 40, 80, 160)
HORIZONS = (64, 128, 256, 512, 1024, 2048)
UNET = {"width": 32, "depth": 3}
"""Of Diffuser's net with 1.2 M parameters."""
COLUMNS = ("what", "ms", "low", "high", "forward ms", "ratio", "of U-Net's", "growth", "n")


@dataclass(frozen=True)
class Evaluation:
    """Something asked of a constraint, with or without the gradient of the sum."""

    name: str
    ask: Callable[[Constraint, Trajectory], Tensor]
    with_gradient: bool = True

    def of(self, spec: Constraint, trajectory: Trajectory) -> Callable[[], None]:
        """To be timed."""

        def evaluate() -> None:
            x = trajectory.x.detach().requires_grad_(self.with_gradient)
            asked = self.ask(spec, Trajectory(x, trajectory.layout))
            if self.with_gradient:
                torch.autograd.grad(asked.sum(), x)

        return evaluate


def _penalty(spec: Constraint, trajectory: Trajectory) -> Tensor:
    return spec.violation(trajectory, buffer=0.05)


def _exact(spec: Constraint, trajectory: Trajectory) -> Tensor:
    return spec.margin(trajectory)


def _smooth(spec: Constraint, trajectory: Trajectory) -> Tensor:
    return spec.margin(trajectory, temperature=SMOOTH)


STEERS = Evaluation("penalty and gradient", _penalty)
JUDGES = Evaluation("exact margin", _exact, with_gradient=False)
EVALUATIONS = (
    STEERS,
    JUDGES,
    Evaluation("exact margin and gradient", _exact),
    Evaluation("smooth margin and gradient", _smooth),
)


@dataclass(frozen=True)
class Curve:
    """A cost against a size."""

    what: str
    sizes: Sequence[int]
    build: Callable[[int], Callable[[], None]]


@dataclass(frozen=True)
class ConstraintBench:
    """What to time.

    Args:
        folder: of all output.
        planner: whose prior draws the trajectories and whose network is the measure.
        repeats: timings of each row.
        counts: of constraints, whose growth is told.
        horizons: likewise, of waypoints.
        advance: called after every row.
    """

    folder: Path
    planner: Planner
    repeats: int = 30
    counts: Sequence[int] = COUNTS
    horizons: Sequence[int] = HORIZONS
    advance: Callable[[], object] = lambda: None

    @property
    def measurements(self) -> int:
        """How often ``advance`` is called."""
        return len(EVALUATIONS) + 6

    def run(self) -> str:
        """Time everything anew; write table, goals and figure; returns the text."""
        world = as_point_mass(self.planner.embodiment, "bench").world
        start, goal = opposite_corners(world)
        denoise = self.planner.prior.condition(start, goal)
        drawn = self._drawn(denoise)
        rows = []
        for evaluation in EVALUATIONS:
            timed = evaluation.of(ten_constraints(world), drawn)
            rows.append({"what": f"ten: {evaluation.name}", **self._cost(timed, denoise)})
            self.advance()
        growths = {}
        for curve in self._curves(world, drawn):
            growths[curve] = [self._median(curve.build(size)) for size in curve.sizes]
            exponent = growth(curve.sizes, growths[curve])
            rows.append({"what": curve.what, "growth": exponent, "n": self.repeats})
            self.advance()
        return self._written(rows, growths)

    def _drawn(self, denoise: ConditionedPrior) -> Trajectory:
        prior = self.planner.prior
        generator = torch.Generator().manual_seed(0)
        x_0 = kernels.noise(BATCH, prior.shape, generator)
        ode = kernels.Ode(denoise, prior.schedule)
        with torch.no_grad():
            drawn = kernels.run(ode, kernels.uniform_grid(10), x_0, generator).state.x
            return prior.to_world(drawn)

    def _curves(self, world: World, drawn: Trajectory) -> list[Curve]:
        def by_count(ask: Evaluation) -> Curve:
            what = f"{ask.name}, by constraints"
            return Curve(what, self.counts, lambda count: ask.of(many(world, count), drawn))

        def by_horizon(ask: Evaluation, name: str, spec: Constraint) -> Curve:
            what = f"{ask.name} of {name}, by waypoints"
            return Curve(what, self.horizons, lambda horizon: ask.of(spec, finer(drawn, horizon)))

        ten, formulas = ten_constraints(world), nested(world)
        return [
            curve
            for ask in (STEERS, JUDGES)
            for curve in (
                by_count(ask),
                by_horizon(ask, "ten", ten),
                by_horizon(ask, "nested formulas", formulas),
            )
        ]

    def _cost(self, timed: Callable[[], None], denoise: ConditionedPrior) -> Entry:
        """Evaluation and forward passes in turns; medians, and the quartiles of the ratio."""
        horizon, dim = self.planner.prior.shape
        unet = TemporalUNet(horizon=horizon, dim=dim, pinned_dim=1, **UNET)
        x, t, pinned = torch.randn(BATCH, horizon, dim), torch.rand(BATCH), torch.rand(BATCH, 1)

        @torch.no_grad()
        def forward() -> None:
            denoise(x, 0.5)

        @torch.no_grad()
        def reference() -> None:
            unet(x, t, pinned)

        def in_turns() -> list[float]:
            return [seconds(call) for call in (timed, forward, reference)]

        in_turns()
        times = np.array([in_turns() for _ in range(self.repeats)])
        own, bare, large = times.T
        low, ratio, high = np.quantile(own / bare, (0.25, 0.5, 0.75)).tolist()
        return {
            "ms": 1e3 * float(np.median(own)),
            "forward ms": 1e3 * float(np.median(bare)),
            **{"ratio": ratio, "low": low, "high": high, "n": self.repeats},
            "of U-Net's": float(np.median(own / large)),
        }

    def _median(self, timed: Callable[[], None]) -> float:
        timed()
        return statistics.median(seconds(timed) for _ in range(self.repeats))

    def _written(self, rows: list[Entry], growths: dict[Curve, list[float]]) -> str:
        goals = [
            *(Goal(f"{r['what']}: ratio", r["ratio"], SHARE) for r in rows if "ratio" in r),
            *(Goal(f"{r['what']}: exponent", r["growth"], LINEAR) for r in rows if "growth" in r),
        ]
        record = Record(self.folder, "constraints")
        title = f"Constraints on {BATCH} trajectories, {torch.get_num_threads()} threads"
        text = record.finish(COLUMNS, rows, title=title, goals=goals)
        figure, (by_count, by_horizon) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
        for curve, costs in growths.items():
            axes = by_count if curve.what.endswith("constraints") else by_horizon
            axes.loglog(curve.sizes, [1e3 * cost for cost in costs], ".-", label=curve.what)
        for axes, of in ((by_count, "constraints"), (by_horizon, "waypoints")):
            axes.set(xlabel=of, ylabel="ms")
            axes.legend(fontsize="x-small")
        figure.savefig(record.path("png"), dpi=150)
        plt.close(figure)
        return text


def growth(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Exponent of the cost over the upper half of the sizes."""
    upper = len(sizes) // 2
    slope, _ = np.polyfit(np.log(sizes[upper:]), np.log(costs[upper:]), 1)
    return float(slope)


def many(world: World, count: int) -> Constraint:
    """The ten again and again, a little aside each time."""
    tens = [ten_constraints(world, aside=0.01 * k).terms for k in range(count // 10)]
    return All(tuple(term for terms in tens for term in terms))


def nested(world: World) -> Constraint:
    """Formulas whose windows are asked for at every instant."""
    cells = free_cells(world).tolist()
    at = [Ball(tuple(cells[len(cells) * k // 5]), 0.3) for k in range(5)]
    until = Until(Avoid(at[0]), Reach(at[1]))
    soon = Until(Avoid(at[2]), Reach(at[3]), window=(0.5, 2.0))
    return All((Always(Eventually(Reach(at[4]), window=(0.0, 1.0))), Always(until), Always(soon)))


def finer(trajectory: Trajectory, horizon: int) -> Trajectory:
    """The same paths (B, H, D) by more waypoints."""
    channels = trajectory.x.movedim(-1, -2)
    x = torch.nn.functional.interpolate(channels, horizon, mode="linear", align_corners=True)
    x = x.movedim(-2, -1).contiguous()
    x[..., trajectory.layout.slice("dt")] *= (trajectory.x.shape[-2] - 1) / (horizon - 1)
    return Trajectory(x, trajectory.layout)
