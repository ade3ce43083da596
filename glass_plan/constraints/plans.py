"""Plans as documents: what ``glass-plan plan --json`` prints, as a trajectory.

{"times": [...], "states": [[...], ...], "actions": [[...], ...]}, one entry a waypoint, times in s;
a state holds the layout's channels before the action. A ``layout`` may be given, in the form of a
checkpoint's ``config.json``; the default is the planar point mass. Other keys are ignored.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import torch

from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS, Layout, Trajectory


class Document(msgspec.Struct, frozen=True):
    """The keys of a plan that matter."""

    times: list[float]
    states: list[list[float]]
    actions: list[list[float]]
    layout: Layout = POINT_MASS


def load_plan(path: str | Path) -> Trajectory:
    """Read one trajectory (H, D) from a JSON file.

    Raises:
        RequestError: unreadable, or not a plan.
    """
    try:
        return parse_plan(Path(path).read_bytes())
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error}); give a JSON file") from error
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from error


def parse_plan(text: str | bytes) -> Trajectory:
    """Read one trajectory (H, D) from JSON.

    Raises:
        RequestError: not a plan.
    """
    try:
        plan = msgspec.json.decode(text, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(
            f"plan: {error}; write times, states and actions as `glass-plan plan --json` does"
        ) from error
    _check(plan)
    steps = [b - a for a, b in itertools.pairwise(plan.times)] or [1.0]
    rows = zip(plan.states, plan.actions, [*steps, steps[-1]], strict=False)
    x = [[*state, *action, dt] for state, action, dt in rows]
    return Trajectory(torch.tensor(x, dtype=torch.float64), plan.layout, plan.times[0])


def _check(plan: Document) -> None:
    """Raise a RequestError unless the numbers fit together."""
    counts = {name: len(getattr(plan, name)) for name in ("times", "states", "actions")}
    if len(set(counts.values())) != 1 or not plan.times:
        raise RequestError(f"plan: needs one entry a waypoint in each, got {counts}")
    if any(b <= a for a, b in itertools.pairwise(plan.times)):
        raise RequestError("plan: times must increase, got one that does not; check `times`")
    if plan.layout.names[-2:] != ("action", "dt"):
        raise RequestError(
            f"plan: the layout's last channels must be action and dt, got {plan.layout.names}"
        )
    state, action = plan.layout.slice("action").start, plan.layout.channels[-2].size
    for name, rows, size in (("states", plan.states, state), ("actions", plan.actions, action)):
        for k, row in enumerate(rows):
            if len(row) != size:
                raise RequestError(f"plan: {name}[{k}] must be {size} numbers, got {row!r:.80}")
