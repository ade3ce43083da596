"""Commands about specifications: judge a plan by one, print their JSON Schema."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from glass_plan.cli.console import INFEASIBLE

if TYPE_CHECKING:
    from glass_plan.constraints import Verdict


def check(
    spec: tyro.conf.Positional[Path],
    plan: tyro.conf.Positional[Path],
    *,
    json_out: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Judge a plan by a specification; exits with 3 if a constraint is not met.

    Example: glass-plan check spec.yaml plan.json

    Args:
        spec: YAML file of constraints.
        plan: what ``glass-plan plan --json`` printed.
        json_out: print the verdicts as JSON.
    """
    from glass_plan.constraints import judge, load_spec
    from glass_plan.constraints.plans import load_plan

    verdicts = judge(load_spec(spec), load_plan(plan))
    if json_out:
        sys.stdout.write(json.dumps(_document(verdicts)) + "\n")
    else:
        Console().print(_table(verdicts))
    return 0 if all(verdict.met for verdict in verdicts) else INFEASIBLE


def schema() -> int:
    """Print the JSON Schema of specifications, by which editors complete and check them.

    Example: glass-plan schema > spec.schema.json
    """
    from glass_plan.constraints import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0


def _document(verdicts: tuple[Verdict, ...]) -> dict[str, Any]:
    rows = [asdict(verdict) for verdict in verdicts]
    for row in rows:
        if not math.isfinite(row["margin"]):  # JSON has no infinity
            row["margin"] = None
    return {"met": all(verdict.met for verdict in verdicts), "constraints": rows}


def _table(verdicts: tuple[Verdict, ...]) -> Table:
    table = Table("constraint", "margin", "unit", "met", "first violation [s]", "decided by")
    from glass_plan.constraints.checks import LARGEST

    for verdict in verdicts:
        time = verdict.first_violation
        table.add_row(
            verdict.name,
            f"{verdict.margin:+.3f}" if abs(verdict.margin) < LARGEST else "not in the plan's time",
            verdict.unit,
            "yes" if verdict.met else "NO",
            "" if time is None else f"{time:.2f}",
            ", ".join(verdict.decided_by),
        )
    return table
