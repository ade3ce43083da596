"""What all commands share: where they print, how they show progress, what they refuse."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from glass_plan.errors import RequestError, did_you_mean

INFEASIBLE, BAD_REQUEST = 3, 2
"""Exit codes."""

console = Console(stderr=True)


def progress_bar() -> Progress:
    """A bar with count, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def positive(**counts: int | None) -> None:
    """Refuse a count below one, by its option's name."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise RequestError(f"--{name} must be at least 1, got {count}")


def known_task(name: str) -> str:
    """The name, if there is a recipe of it."""
    from glass_envs.recipes import ARM_RECIPES, RECIPES

    if name not in (*RECIPES, *ARM_RECIPES):
        raise RequestError(f"unknown task {name!r}{did_you_mean(name, (*RECIPES, *ARM_RECIPES))}")
    return name
