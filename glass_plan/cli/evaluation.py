"""Commands about benchmarks: run a method on a protocol, compare and certify what was run."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console

from glass_plan.cli.console import INFEASIBLE, console, positive, progress_bar

if TYPE_CHECKING:
    from glass_plan.executors import Executor

OUT = Path("out/evaluate")


def evaluate(
    *,
    protocol: Path,
    method: str,
    episodes: int = 100,
    workers: int = 2,
    executor: Literal["local", "ray"] = "local",
    split: Literal["reported", "tuning"] = "reported",
    unmonitored: bool = False,
    latency: float = 0.0,
    out: Path = OUT,
) -> int:
    """Run a method in closed loop on a protocol's scenes; run again to resume or to add episodes.

    Example: glass-plan evaluate --protocol experiments/protocols/maze2d_static.yaml
    --method glass-fks --episodes 300

    Args:
        protocol: file of scenes and budgets.
        method: a name, see the list that an unknown one prints.
        episodes: cases, in the protocol's order: all scenes once, then with the next sampler seed.
        workers: processes; the rows depend neither on their number nor on where they are.
        executor: where the processes are: local, on this machine; ray, on the cluster that
            RAY_ADDRESS names (auto: the one that this machine is part of), else on this machine.
            An episode whose process dies is run again, up to three times in all; after 100 episodes
            a process is replaced.
        split: reported scenes, or those for tuning.
        unmonitored: follow each plan until it ends or is lost, as planners are published, instead
            of checking it while it is followed: what plans are worth by themselves.
        latency: seconds of the world that go by while a plan is made; with 0 it waits.
        out: folder of results, one folder a protocol and one file a method.
    """
    from glass_plan.evaluation import evaluate as run
    from glass_plan.evaluation import results_folder, results_path
    from glass_plan.protocols import load_suite
    from glass_plan.report.terminal import summary_table
    from glass_plan.safety import SafetyReport, read_rows

    positive(episodes=episodes, workers=workers)
    suite = load_suite(protocol, split, monitored=not unmonitored, latency=latency)
    folder = results_folder(out, suite, split)
    with progress_bar() as bar:
        row = bar.add_task(f"{suite.protocol.name}, {method}", total=episodes)
        bar.update(row, completed=len(read_rows(results_path(folder, method))))
        where = _executor(executor, workers)
        for _ in run(suite, method, folder, episodes=episodes, executor=where):
            bar.advance(row)
    rows = read_rows(results_path(folder, method))
    console.print(f"rows in {results_path(folder, method)}")
    commits = Counter(row.commit for row in rows)
    if len(commits) > 1:
        told = ", ".join(f"{count} of {name}" for name, count in commits.items())
        console.print(f"these are of several commits: {told}; move the file away to begin anew")
    if raised := [row.error for row in rows if row.error]:
        console.print(f"{len(raised)} of {len(rows)} episodes raised and count as failures; first:")
        console.print(f"  {raised[0]}", markup=False)
    Console().print(summary_table([SafetyReport.from_rows(rows, method)]))
    return 0


def _executor(name: Literal["local", "ray"], workers: int) -> Executor:
    from glass_plan.executors import Local
    from glass_plan.ray_executor import THIS_MACHINE, RayActors

    if name == "local":
        return Local(workers)
    return RayActors(workers, address=os.environ.get("RAY_ADDRESS", THIS_MACHINE))


def compare(
    folder: tyro.conf.Positional[Path],
    *,
    against: str = "glass-fks",
    goals: Path | None = None,
    beside: Path | None = None,
) -> int:
    """Print the methods of a protocol side by side and paired; write tables and figures.

    Example: glass-plan compare out/evaluate/maze2d_static-reported-0123456789abcdef

    Args:
        folder: that ``glass-plan evaluate`` wrote.
        against: the method that all others are paired with; it needs rows.
        goals: file of what is wanted, e.g. experiments/protocols/goals.yaml; says met or missed.
        beside: what an earlier comparison wrote, e.g. docs/benchmark/maze2d_static.json; its
            methods that have no rows in the folder are shown as they were then.
    """
    from glass_plan.report.comparison import write_comparison

    text = write_comparison(folder, against, goals, beside)
    Console(soft_wrap=True).print(text, markup=False)
    return 0


def certify(
    *,
    calibration: Path,
    fresh: Path,
    method: str,
    delta: float = 0.05,
    alpha: float = 0.05,
    splits: int = 1000,
    seed: int = 0,
) -> int:
    """Calibrate a safety margin on tuning scenes and hold it against fresh ones.

    Prints at which margin P(violation) is at most delta with confidence 1 - alpha, and what the
    fresh scenes say; writes PROTOCOL-certificate-METHOD.json, .md and .png beside the fresh rows.
    Exits with 3 if no finite margin is certified, or if the exact binomial test rejects at alpha
    that fresh scenes exceed it with a probability of at most delta.

    Example: glass-plan certify --calibration out/evaluate/maze2d_static-tuning-0123456789abcdef
    --fresh out/evaluate/maze2d_static-reported-0123456789abcdef --method glass-fks
    --delta 0.05 --alpha 0.05

    Args:
        calibration: folder that ``glass-plan evaluate --split tuning`` wrote.
        fresh: folder that ``glass-plan evaluate --split reported`` wrote.
        method: whose rows are in both.
        delta: largest probability that a new scene loses more than the margin.
        alpha: largest probability, over calibrations, that this is wrong.
        splits: random ones of all scenes, by which the coverage is checked.
        seed: of these splits.
    """
    from glass_plan.conformal import Level
    from glass_plan.report.certificate import write_certificate

    positive(splits=splits)
    level = Level(delta, alpha)
    holds, text = write_certificate(calibration, fresh, method, level, splits=splits, seed=seed)
    Console(soft_wrap=True).print(text, markup=False, highlight=False)
    return 0 if holds else INFEASIBLE
