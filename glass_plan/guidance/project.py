"""Hard constraints: every trajectory moved to the nearest one that satisfies them, with a verdict.

With the rows c_j of a constraint (rows.py; their minimum is the exact margin) and the margin m that
is asked for,

    minimise |z - x|_K  subject to  c_j(z) >= m for every j,                                    (1)

    z = x + K u,  |z - x|_K^2 = <u, K u>,                                                       (2)

where K spreads a displacement over the waypoints and keeps what is pinned, by Gauss-Newton
(gauss_newton.py). If all rows are linear, one step is exact, on intersections too. Exact margins
decide the verdict. Knows no model and no flow time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glass_plan.constraints import Hard
from glass_plan.errors import KernelError
from glass_plan.guidance.gauss_newton import Problem, descend
from glass_plan.layout import Layout, Trajectory


class Ending(StrEnum):
    """How the projection of one trajectory ended."""

    FEASIBLE = "feasible"
    STALLED = "stalled"
    MAX_ITERATIONS = "max_iterations"


@dataclass(frozen=True)
class Projected:
    """The outcome of ``project``.

    Args:
        trajectory: (N, H, D); a FEASIBLE one is the nearest that was seen, another the one with the
            least violation that was seen (root of the sum of squares over rows).
        status: of each. FEASIBLE: ``margin`` is within the tolerance of what was asked for;
            STALLED: no step lessens the violation; MAX_ITERATIONS: some may.
        margin: (N,) exact margins of ``trajectory``, in the constraint's unit.
        iterations: (N,) steps taken.
    """

    trajectory: Trajectory
    status: tuple[Ending, ...]
    margin: Float[Tensor, "N"]
    iterations: Int[Tensor, "N"]


def project(
    trajectory: Trajectory,
    hard: Hard,
    *,
    channels: tuple[str, ...] | None = None,
    spread: Float[Tensor, "... H H"] | None = None,
    max_iterations: int = 30,
    tolerance: float = 1e-5,
) -> Projected:
    """The nearest trajectories that satisfy a constraint, as far as Gauss-Newton finds them.

    No randomness; trajectories do not see each other. Those that satisfy the constraint come back
    bit for bit, and so do the entries that the layout pins. Time steps are held.

    Args:
        trajectory: (N, H, D) world units.
        hard: ``constraint.hard(margin)``.
        channels: that may move, each measured in its own unit; None for all but ``dt``.
        spread: K, (H, H) or (N, H, H), symmetric and positive semi-definite over the waypoints.
            None is the identity: least squares of raw coordinates. ``sine_subspace``: the same
            among smooth displacements. ``smoothing_kernel``: the metric of ``TrajectoryProx``.
        max_iterations: cap on the steps.
        tolerance: of the margin, in the constraint's unit.

    Raises:
        LayoutError: the layout lacks a channel that is named or read.
        KernelError: no batch of trajectories, ``dt`` among the channels, a spread of another shape,
            a cap or a tolerance that is not positive. Never for what cannot be satisfied.

    Source: Han 1977, Journal of Optimization Theory and Applications 22, with the Hessian of the
    distance alone; Nocedal and Wright 2006, ch. 18.
    """
    constraint, x = hard.constraint, trajectory.x.detach()
    constraint.check(trajectory.layout)
    _check(x, channels, spread, max_iterations, tolerance)
    trajectory = replace(trajectory, x=x)
    given = constraint.margin(trajectory) - hard.margin
    broken = ((given < -tolerance) & x.isfinite().flatten(1).all(1)).nonzero()[:, 0]
    problem = _problem(trajectory, hard, channels, spread).take(broken)
    best, taken, unfinished = descend(problem, max_iterations, tolerance / 2)
    moved, iterations = x.clone(), torch.zeros(len(x), dtype=torch.int64, device=x.device)
    moved[broken] = torch.where(problem.free, problem.at(best).x.to(x), x[broken])
    iterations[broken] = taken
    result = replace(trajectory, x=moved)
    margin = constraint.margin(result)
    holds = (margin - hard.margin >= -tolerance).tolist()
    capped = set(broken[unfinished].tolist())
    failed = [Ending.MAX_ITERATIONS if k in capped else Ending.STALLED for k in range(len(x))]
    status = tuple(Ending.FEASIBLE if held else failed[k] for k, held in enumerate(holds))
    return Projected(result, status, margin, iterations)


def _check(
    x: Tensor,
    channels: tuple[str, ...] | None,
    spread: Tensor | None,
    max_iterations: int,
    tolerance: float,
) -> None:
    if x.ndim != 3:
        raise KernelError(f"project: expected a batch (N, H, D), got {tuple(x.shape)}; use x[None]")
    if channels is not None and "dt" in channels:
        raise KernelError("project: time steps are held; leave 'dt' out of channels")
    count, horizon, _ = x.shape
    shapes = [(horizon, horizon), (count, horizon, horizon)]
    if spread is not None and tuple(spread.shape) not in shapes:
        raise KernelError(
            f"project: spread must be {shapes[0]} or {shapes[1]}, got {tuple(spread.shape)}"
        )
    if max_iterations < 1 or not 0 < tolerance < math.inf:
        raise KernelError(
            "project: max_iterations and tolerance must be positive, "
            f"got max_iterations {max_iterations}, tolerance {tolerance}"
        )


def _problem(
    trajectory: Trajectory, hard: Hard, channels: tuple[str, ...] | None, spread: Tensor | None
) -> Problem:
    x, layout = trajectory.x, trajectory.layout
    kernel = torch.eye(x.shape[1]) if spread is None else spread.detach()
    kernel = kernel.to(x.device, torch.float64).expand(len(x), -1, -1)
    free = _free(layout, channels, x.shape[1]).to(x.device)
    return Problem(replace(trajectory, x=x.double()), hard, free, kernel)


def _free(layout: Layout, channels: tuple[str, ...] | None, horizon: int) -> Bool[Tensor, "H D"]:
    """Which entries may move: those of the channels that are not pinned."""
    moving = tuple(c for c in layout.names if c != "dt") if channels is None else channels
    free = torch.zeros(horizon, layout.dim, dtype=torch.bool)
    free[:, layout.columns(moving)] = True
    free[0, layout.columns(layout.start)] = False
    free[-1, layout.columns(layout.goal)] = False
    return free
