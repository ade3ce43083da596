"""Gauss-Newton on the distance to a trajectory under the rows of a constraint, for a batch.

With J the gradients of the rows c at x + K u, rows that are linear have their solution at
u' = J^T l,

    l = argmin_{l >= 0} l^T (J K J^T + eps I) l / 2 - b^T l,  b = m - c + J K u.                (3)

A step goes towards u' as far as this lessens, with w = 2 |l|:

    <u, K u> / 2 + w |max(m - c(x + K u), 0)|.                                                  (4)

Where linear rows lead astray it goes to u + J^T l, with a larger eps and without J K u in (3), if
the second term lessens (Levenberg, Marquardt). Knows no statuses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from glass_plan.constraints import Hard
from glass_plan.guidance.multipliers import multipliers, times
from glass_plan.guidance.rows import gradients_of, values_of
from glass_plan.layout import Trajectory

SOFTNESS = 1e-9
"""eps of (3), as a share of the largest entry of J K J^T: rows may agree or conflict."""
SHARES = (1.0, 0.5, 0.25, 0.125)
"""Of a step towards u' that are tried."""
DAMPING = (1e-3, 1e-2, 0.1, 1.0, 10.0)
"""eps of the steps that are tried next."""
PROGRESS = 0.01
"""Share of the violation that such a step has to promise to take away."""
DECREASE = 0.1
"""Share of the decrease predicted by the linear rows that a step has to bring (Armijo 1966)."""
BAND = 2.0
"""A row counts in (3) once it was below this many times the first violation, above the margin."""


@dataclass(frozen=True)
class Problem:
    """(1) for a batch, in float64.

    Args:
        trajectory: x.
        hard: c and m.
        free: which entries may move.
        spread: K.
    """

    trajectory: Trajectory
    hard: Hard
    free: Bool[Tensor, "H D"]
    spread: Float[Tensor, "N H H"]

    def take(self, rows: Int[Tensor, "M"]) -> Problem:
        """The problem of some trajectories."""
        kept = replace(self.trajectory, x=self.trajectory.x[rows])
        return replace(self, trajectory=kept, spread=self.spread[rows])

    def displacement(self, u: Float[Tensor, "N ... H D"]) -> Float[Tensor, "N ... H D"]:
        """K u, with what is pinned left out of K."""
        spread = self.spread.view(len(u), *[1] * (u.ndim - 3), *self.spread.shape[1:])
        return (spread @ (u * self.free)) * self.free

    def square(self, u: Float[Tensor, "N H D"]) -> Float[Tensor, "N"]:
        """<u, K u>."""
        return (u * self.displacement(u)).sum((1, 2))

    def at(self, u: Float[Tensor, "N H D"]) -> Trajectory:
        """x + K u."""
        return replace(self.trajectory, x=self.trajectory.x + self.displacement(u))

    def slack(self, u: Float[Tensor, "N H D"]) -> Float[Tensor, "N K"]:
        """c(x + K u) - m."""
        return values_of(self.hard.constraint, self.at(u)) - self.hard.margin

    def linear(
        self, u: Float[Tensor, "N H D"], slack: Float[Tensor, "N K"], near: Bool[Tensor, "N K"]
    ) -> Linear:
        """The rows that are near, linearised at u."""
        asked = near & slack.isfinite()
        chosen = asked.int().topk(max(1, int(asked.sum(-1).amax()))).indices  # (N, W)
        counted = asked.gather(-1, chosen)
        jacobian = gradients_of(self.hard.constraint, self.at(u), chosen)
        jacobian = jacobian * (counted[..., None, None] & self.free)
        push = self.displacement(jacobian)
        gram = torch.einsum("nihd,njhd->nij", jacobian, push)
        return Linear(u, slack.gather(-1, chosen), counted, jacobian, push, gram)


@dataclass(frozen=True)
class Linear:
    """Linear rows c + J K (u' - u).

    Args:
        u: where they touch the true ones.
        slack: c - m.
        counted: whether there is such a row; if not, the others are zero.
        jacobian: J.
        push: K J.
        gram: J K J^T.
    """

    u: Float[Tensor, "N H D"]
    slack: Float[Tensor, "N W"]
    counted: Bool[Tensor, "N W"]
    jacobian: Float[Tensor, "N W H D"]
    push: Float[Tensor, "N W H D"]
    gram: Float[Tensor, "N W W"]

    def take(self, rows: Int[Tensor, "M"]) -> Linear:
        """Those of some trajectories."""
        return Linear(**{name: part[rows] for name, part in vars(self).items()})

    def nearest(
        self, anchor: Float[Tensor, "N H D"], softness: float
    ) -> tuple[Float[Tensor, "N H D"], Float[Tensor, "N"], Float[Tensor, "N"]]:
        """The solution nearest to an anchor, |l| and what the linear rows still violate there."""
        lead = torch.einsum("nwhd,nhd->nw", self.push, self.u - anchor)
        demand = (lead - self.slack).masked_fill(~self.counted, 0.0)
        none = -demand.abs().amax(-1, keepdim=True)  # is met by nothing at all
        demand = torch.where(self.counted, demand, none)
        weights = multipliers(self.gram, demand, softness)
        u = anchor + torch.einsum("nw,nwhd->nhd", weights, self.jacobian)
        return u, weights.norm(dim=-1), _violation(times(self.gram, weights) - demand)


@dataclass(frozen=True)
class _Search:
    """A step in search: from where, to where, and which trajectories have not found theirs."""

    problem: Problem
    u: Float[Tensor, "N H D"]
    slack: Float[Tensor, "N K"]
    moved: Float[Tensor, "N H D"]
    reached: Float[Tensor, "N K"]
    pending: Bool[Tensor, "N"]

    def tried(
        self, trial: Float[Tensor, "N H D"], *, nearness: float, weight: Tensor, drop: Tensor
    ) -> _Search:
        """The search after one more trial, which has to lessen (4) by a share of ``drop``."""
        rows, there = self.waiting, self.slack.clone()
        if not len(rows):
            return self
        there[rows] = self.problem.take(rows).slack(trial[rows])

        def merit(u: Tensor, slack: Tensor) -> Tensor:
            return nearness * self.problem.square(u) / 2 + weight * _violation(slack)

        enough = merit(trial, there) <= merit(self.u, self.slack) - DECREASE * drop
        enough = enough & self.pending
        return replace(
            self,
            moved=torch.where(enough[:, None, None], trial, self.moved),
            reached=torch.where(enough[:, None], there, self.reached),
            pending=self.pending & ~enough,
        )

    @property
    def waiting(self) -> Int[Tensor, "M"]:
        """The trajectories that have not found their step."""
        return self.pending.nonzero()[:, 0]

    def only(self, rows: Bool[Tensor, "N"]) -> _Search:
        """The search for some trajectories only."""
        return replace(self, pending=self.pending & rows)


def _step(
    problem: Problem,
    u: Float[Tensor, "N H D"],
    slack: Float[Tensor, "N K"],
    near: Bool[Tensor, "N K"],
    tolerance: float,
) -> tuple[Float[Tensor, "N H D"], Float[Tensor, "N K"]]:
    """Where one step leads and the slack there; nowhere if none is good enough."""
    linear, violation = problem.linear(u, slack, near), _violation(slack)
    full, weight, left = linear.nearest(torch.zeros_like(u), SOFTNESS)
    size = problem.square(full - u)
    drop = size + weight * (violation - left).clamp_min(0.0)
    search = _Search(problem, u, slack, u, slack, size > tolerance**2)
    for share in SHARES:
        if len(search.waiting):
            trial = u + share * (full - u)
            search = search.tried(trial, nearness=1.0, weight=2 * weight, drop=share * drop)
    search = search.only(slack.amin(-1) < -tolerance)
    for softness in DAMPING:
        if len(rows := search.waiting):
            trial, left = u.clone(), violation.clone()
            trial[rows], _, left[rows] = linear.take(rows).nearest(u[rows], softness)
            search = search.only(violation - left > PROGRESS * violation)
            one = torch.ones_like(violation)
            search = search.tried(trial, nearness=0.0, weight=one, drop=violation - left)
    return search.moved, search.reached


def descend(
    problem: Problem, max_iterations: int, tolerance: float
) -> tuple[Float[Tensor, "N H D"], Int[Tensor, "N"], Bool[Tensor, "N"]]:
    """The best u seen, the steps taken, and which trajectories were under way at the cap."""
    u = torch.zeros_like(problem.trajectory.x)
    live = torch.arange(len(u), device=u.device)
    best, steps, under_way = u.clone(), torch.zeros_like(live), torch.zeros_like(live).bool()
    if not len(u):
        return best, steps, under_way
    slack = problem.slack(u)
    band = -BAND * slack.amin(-1, keepdim=True)
    near, worth = slack < band, _worth(problem, u, slack, tolerance)
    for _ in range(max_iterations):
        part = problem.take(live)
        moved, reached = _step(part, u[live], slack[live], near[live], tolerance)
        went = (moved != u[live]).flatten(1).any(1)
        u[live], slack[live] = moved, reached
        near[live] |= reached < band[live]
        steps[live] += 1
        found = _worth(part, moved, reached, tolerance)
        better = live[found > worth[live]]
        best[better], worth[live] = u[better], torch.maximum(worth[live], found)
        live = live[went]
        if not len(live):
            break
    under_way[live] = True
    return best, steps, under_way


def _violation(slack: Float[Tensor, "N K"]) -> Float[Tensor, "N"]:
    """|max(-slack, 0)|."""
    length: Tensor = slack.clamp_max(0.0).norm(dim=-1)
    return length


def _worth(
    problem: Problem, u: Float[Tensor, "N H D"], slack: Float[Tensor, "N K"], tolerance: float
) -> Float[Tensor, "N"]:
    """Larger is better: > 0 by nearness where it is feasible, else < 0 by violation."""
    feasible = slack.amin(-1) >= -tolerance
    return torch.where(feasible, 1 / (1 + problem.square(u)), -_violation(slack))
