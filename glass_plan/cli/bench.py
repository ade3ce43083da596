"""``glass-plan bench``: the benchmarks of the sampling library and of the constraints.

Every one writes rows while it runs (run again to resume), then JSON, a table and a figure.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Protocol

import tyro
from rich.console import Console
from rich.progress import Progress

from glass_plan.cli.console import console, known_task, positive, progress_bar

OUT = Path("out/bench")
FIRST_SEED = 1000
"""Of reported seeds; those below 100 are for tuning."""
HELD_OUT_SEED = 12345
"""Of the demonstrations that no model is trained on."""


def mixture(
    *,
    outputs: int = 10_000,
    seeds: int = 3,
    field: Literal["both", "analytic", "trained"] = "both",
    out: Path = OUT,
) -> int:
    """Laws and prices of samplers on a planar mixture.

    Example: glass-plan bench mixture --field analytic

    Args:
        outputs: samples per method and seed.
        seeds: reported ones.
        field: closed form, small trained network, or both.
        out: folder of rows, tables and figure.
    """
    from glass_plan.bench.mixture import FIELDS, MixtureBench

    positive(outputs=outputs, seeds=seeds)
    fields = FIELDS if field == "both" else (field,)
    return _run(
        "mixture",
        lambda advance: MixtureBench(
            out, outputs=outputs, seeds=_seeds(seeds), fields=fields, advance=advance
        ),
    )


def transitions(
    *,
    model: str = "maze2d-large",
    windows: int = 1000,
    seeds: int = 3,
    requests: int = 16,
    reference: tuple[int, int] = (200, 32),
    steps: int = 100_000,
    out: Path = OUT,
) -> int:
    """GLASS, SDE and ODE samples of a trained prior; what values are worth.

    Example: glass-plan bench transitions --model maze2d-large

    Args:
        model: name of a shipped maze checkpoint.
        windows: held-out ones to compare with, per seed.
        seeds: reported ones.
        requests: per seed, whose particles' values are estimated.
        reference: posterior samples and SDE steps of a value to compare estimates with.
        steps: of the simulator, to collect held-out demonstrations.
        out: folder of rows, tables and figure.
    """
    from glass_envs.collect import collect
    from glass_envs.recipes import RECIPES
    from glass_plan.bench.transitions import TransitionsBench
    from glass_plan.planner import Planner
    from glass_plan.windows import Windows

    positive(windows=windows, seeds=seeds, requests=requests, steps=steps)
    positive(reference=min(reference))
    planner = Planner.from_pretrained(model)
    console.print(f"driving {model} for demonstrations that the model never saw")
    recipe = RECIPES[known_task(model)]
    trips, _ = collect(recipe.maze, steps, 1, HELD_OUT_SEED, recipe.habits)
    held_out = Windows(trips, horizon=planner.config.horizon, spacing=planner.config.spacing)
    return _run(
        "transitions",
        lambda advance: TransitionsBench(
            out,
            planner,
            held_out,
            windows,
            _seeds(seeds),
            requests=requests,
            reference=reference,
            advance=advance,
        ),
    )


def overhead(*, model: str = "maze2d-large", repeats: int = 30, out: Path = OUT) -> int:
    """Plan time over the price of its network calls.

    Example: glass-plan bench overhead

    Args:
        model: name of a shipped checkpoint, or a folder.
        repeats: timings of each row.
        out: folder of table and figure.
    """
    from glass_plan.bench.overhead import OverheadBench
    from glass_plan.planner import Planner

    positive(repeats=repeats)
    planner = Planner.from_pretrained(model)
    return _run("overhead", lambda advance: OverheadBench(out, planner, repeats, advance))


def constraints(*, model: str = "maze2d-large", repeats: int = 30, out: Path = OUT) -> int:
    """Price of constraints beside a network call; growth with their number and the horizon.

    Example: glass-plan bench constraints

    Args:
        model: name of a shipped maze checkpoint, or a folder.
        repeats: timings of each row.
        out: folder of table and figure.
    """
    from glass_plan.bench.constraint_costs import ConstraintBench
    from glass_plan.planner import Planner

    positive(repeats=repeats)
    planner = Planner.from_pretrained(model)
    return _run(
        "constraints", lambda advance: ConstraintBench(out, planner, repeats, advance=advance)
    )


def bench(
    code: Annotated[
        Annotated[int, tyro.conf.subcommand("mixture", constructor=mixture)]
        | Annotated[int, tyro.conf.subcommand("transitions", constructor=transitions)]
        | Annotated[int, tyro.conf.subcommand("overhead", constructor=overhead)]
        | Annotated[int, tyro.conf.subcommand("constraints", constructor=constraints)],
        tyro.conf.arg(name=""),
        tyro.conf.OmitSubcommandPrefixes,
    ],
) -> int:
    """Benchmarks of the library; each writes rows, a table and a figure to out/bench.

    Example: glass-plan bench mixture
    """
    return code


class Benchmark(Protocol):
    """Measures what is missing, and says how much that is at most."""

    @property
    def measurements(self) -> int: ...

    def run(self) -> str: ...


def _run(name: str, build: Callable[[Callable[[], object]], Benchmark]) -> int:
    bar: Progress
    with progress_bar() as bar:
        row = bar.add_task(name, total=None)
        benchmark = build(lambda: bar.advance(row))
        bar.update(row, total=benchmark.measurements)
        text = benchmark.run()
    Console(soft_wrap=True).print(text, markup=False)
    return 0


def _seeds(count: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + count)
