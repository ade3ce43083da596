"""What planning and executing leave behind: Plan, Decision, Episode. Values, all frozen.

Knows nothing of how they came about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from glass_plan.layout import Trajectory

Array = NDArray[np.float64]


class Status(StrEnum):
    """Verdict on a plan, from exact margins."""

    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Plan:
    """A chosen trajectory with its evidence.

    Args:
        trajectory: (H, D) the chosen candidate, world units.
        candidates: (N, H, D) all that were judged, the chosen one included.
        status: FEASIBLE only if every exact margin is positive.
        margins: exact margin of the chosen candidate per constraint, in the constraint's unit.
        nfe: network rows spent.
        calls: sequential network calls.
        wall_time: [s].
        ess: effective sample size after each steering step, as a share of the particles.
        log_z: log of the estimated mean of exp(reward) under the base law; nan without steering.
    """

    trajectory: Trajectory
    candidates: Trajectory
    status: Status
    margins: dict[str, float]
    nfe: int
    calls: int
    wall_time: float
    ess: tuple[float, ...] = ()
    log_z: float = float("nan")

    @property
    def states(self) -> Array:
        """(H, S) what a start tells of each waypoint; of a point mass position and velocity."""
        layout = self.trajectory.layout
        start = self.trajectory.x[..., layout.columns(layout.start)]
        return np.asarray(start.double().cpu().numpy())

    @property
    def actions(self) -> Array:
        """(H, A) actions, mean over each interval; a LayoutError where plans have none (arms)."""
        return np.asarray(self.trajectory.channel("action").double().cpu().numpy())

    @property
    def times(self) -> Array:
        """(H,) [s]."""
        return np.asarray(self.trajectory.times.double().cpu().numpy())


class Outcome(StrEnum):
    """Where an action came from."""

    PLANNED = "planned"
    REUSED = "reused"
    FALLBACK = "fallback"
    SHIELDED = "shielded"


@dataclass(frozen=True)
class Decision:
    """One decision of a controller.

    Args:
        time: of the episode [s].
        outcome: where the actions from now on come from.
        reason: why, in words.
        nfe: network rows spent on it.
        wall_time: planning time [s].
        plan: that was made, if one was.
    """

    time: float
    outcome: Outcome
    reason: str
    nfe: int = 0
    wall_time: float = 0.0
    plan: Plan | None = None


@dataclass(frozen=True)
class Episode:
    """One executed episode, recorded at the physics rate.

    The controller acts once in a while: K actions, each for one or more of T physics steps.

    Args:
        seed: of the environment.
        times: (T + 1,) [s].
        states: (T + 1, n) position [m], with as many components as the goal, then velocity [m/s]
            and whatever else the environment tells.
        actions: (K, A).
        goal: (2,) or (3,) [m].
        success: the goal was reached in time.
        margins: exact margin of every safety constraint over each physics step, (T,) per name.
        decisions: of the controller, in order.
        error: what was raised, if anything; such an episode is a failure.
        info: further numbers, by name.
    """

    seed: int
    times: Array
    states: Array
    actions: Array
    goal: Array
    success: bool
    margins: dict[str, Array]
    decisions: tuple[Decision, ...] = ()
    error: str | None = None
    info: dict[str, float] = field(default_factory=dict)

    @property
    def violations(self) -> dict[str, int]:
        """Entries into a violated state per constraint."""
        return {name: entries(margin) for name, margin in self.margins.items()}

    @property
    def safe(self) -> bool:
        """No violation, and nothing was raised."""
        return self.error is None and not any(self.violations.values())


def entries(margin: Array) -> int:
    """How often a margin goes from satisfied to violated (< 0); a start in violation counts."""
    violated = np.concatenate([[False], np.asarray(margin) < 0])
    return int(np.count_nonzero(violated[1:] & ~violated[:-1]))
