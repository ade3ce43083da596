"""The command line ``glass-plan``: the one place where planner and simulated worlds meet.

Exit codes: 0 what was asked for happened, 2 bad request, 3 infeasible plan or no certificate.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import tyro
from rich.logging import RichHandler

from glass_plan.cli.bench import bench
from glass_plan.cli.console import BAD_REQUEST, console
from glass_plan.cli.evaluation import certify, compare, evaluate
from glass_plan.cli.models import collect, train
from glass_plan.cli.plans import demo, doctor, plan
from glass_plan.cli.specs import check, schema
from glass_plan.errors import GlassPlanError

COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "plan": plan,
    "collect": collect,
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "certify": certify,
    "check": check,
    "schema": schema,
    "bench": bench,
    "doctor": doctor,
}


def main() -> None:
    """Entry point of the console script."""
    logging.basicConfig(
        level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=console)]
    )
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="glass-plan", description="Steered trajectory planning for robots."
        )
    except (GlassPlanError, OSError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        code = BAD_REQUEST
    sys.exit(code)
