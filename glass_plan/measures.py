"""What is measured of an episode besides success and safety, by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from glass_plan.bodies import tool_way
from glass_plan.protocols import Scene
from glass_plan.records import Episode, Outcome, Plan
from glass_plan.results import PROMISED

Array = NDArray[np.float64]

TRAPPED_TIME, TRAPPED_RADIUS = 2.0, 0.2
"""No progress: for so long [s] within so much [m] of one place, the goal too."""
MOVES = 0.01
"""Steps of a plan shorter than this [m] hold the goal, and have no roughness."""


TRAPPED_TOLERANCE = "trapped_radius"
"""Of a protocol whose robot makes smaller ways, in place of ``TRAPPED_RADIUS``."""


def measures(
    episode: Episode, scene: Scene, tolerances: Mapping[str, float] | None = None
) -> dict[str, float]:
    """What a row tells besides success and safety, and what the episode's ``info`` has.

    ``promised_NAME`` is the smallest margin of a constraint in the plans that were followed,
    ``first_feasible`` whether the first plan satisfied everything, before any was driven.

    Args:
        episode: that was run.
        scene: where; with a ``shortest`` way, lengths are told as a ratio to it too.
        tolerances: of the protocol.
    """
    path, radius = positions(episode), (tolerances or {}).get(TRAPPED_TOLERANCE, TRAPPED_RADIUS)
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    plans = [d.plan for d in episode.decisions if d.plan is not None]
    followed = [d.plan for d in episode.decisions if d.plan and d.outcome is Outcome.PLANNED]
    rough = [roughness(_way(plan)) for plan in plans]
    promised = {
        PROMISED + name: min(plan.margins[name] for plan in followed if name in plan.margins)
        for name in episode.margins
        if any(name in plan.margins for plan in followed)
    }
    return {
        **episode.info,
        "length": length,
        **({} if scene.shortest is None else {"length_ratio": length / scene.shortest}),
        "duration": float(episode.times[-1]),
        "trapped": float(trapped(episode, radius)),
        "calls": float(max((plan.calls for plan in plans), default=0)),
        **({"roughness": float(np.mean(rough))} if rough else {}),
        **({"first_feasible": float(min(plans[0].margins.values()) > 0)} if plans else {}),
        **promised,
    }


def positions(episode: Episode) -> Array:
    """Where the robot, or its tool, was, (T + 1, d) [m]: as many components as the goal has."""
    return episode.states[:, : len(episode.goal)]


def _way(plan: Plan) -> Array:
    """Where a plan's waypoints lead the robot, or its tool, (H, d) [m]."""
    trajectory = plan.trajectory
    known = "position" in trajectory.layout.names
    way = trajectory.channel("position") if known else tool_way(trajectory)
    return np.asarray(way.double().numpy())


def trapped(episode: Episode, radius: float = TRAPPED_RADIUS) -> bool:
    """Whether it ever made no progress for ``TRAPPED_TIME``, within so much [m] of one place."""
    path, times = positions(episode), episode.times
    if times[-1] < TRAPPED_TIME:
        return False
    window = int(np.searchsorted(times - times[0], TRAPPED_TIME))
    starts = np.arange(0, len(path) - window, 10)
    spread = np.array(
        [np.linalg.norm(path[k : k + window] - path[k], axis=1).max() for k in starts]
    )
    return bool((spread < radius).any())


def roughness(path: Array) -> float:
    """Mean second difference of a plan's waypoints over their mean distance."""
    step = np.diff(path, axis=0)
    length = np.linalg.norm(step, axis=1)
    moving = (length[1:] > MOVES) & (length[:-1] > MOVES)
    bends = np.linalg.norm(np.diff(step, axis=0), axis=1)[moving]
    return float(bends.mean() / length[length > MOVES].mean()) if moving.any() else 0.0
