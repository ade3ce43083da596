"""A constraint as rows: numbers whose minimum is its exact margin, with their gradients.

A safety leaf has a row per waypoint or segment, a conjunction those of its terms, a disjunction
those of its best term; of anything else the margin is the one row. Knows no displacements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from glass_plan.constraints import All, AnyOf, Constraint, Leaf
from glass_plan.guidance.gradient import gradient
from glass_plan.layout import Trajectory


@dataclass(frozen=True)
class Rows:
    """Rows of one kind.

    Args:
        value: (N, K) in the constraint's unit; inf where nothing is asked of a trajectory.
        span: waypoints that row j reads, from the j-th on.
    """

    value: Float[Tensor, "N K"]
    span: int


def rows_of(constraint: Constraint, trajectory: Trajectory) -> list[Rows]:
    """The rows of a constraint, by kind.

    Args:
        constraint: any.
        trajectory: (N, H, D).
    """
    if isinstance(constraint, All):
        return [rows for term in constraint.terms for rows in rows_of(term, trajectory)]
    if isinstance(constraint, AnyOf):
        terms = [rows_of(term, trajectory) for term in constraint.terms]
        best = torch.stack([_least(rows, trajectory) for rows in terms]).argmax(0)[:, None]
        return [
            replace(rows, value=torch.where(best == k, rows.value, torch.inf))
            for k, term in enumerate(terms)
            for rows in term
        ]
    horizon = trajectory.x.shape[-2]
    if isinstance(constraint, Leaf) and constraint.is_safety:
        value = constraint.predicate.lowest(trajectory)
        if horizon - value.shape[-1] in (0, 1):
            return [Rows(value, span=1 + horizon - value.shape[-1])]
    return [Rows(constraint.margin(trajectory)[:, None], span=horizon)]


def values_of(constraint: Constraint, trajectory: Trajectory) -> Float[Tensor, "N K"]:
    """All rows side by side, without a graph; what is not a number is -inf."""
    with torch.no_grad():
        value = torch.cat([rows.value for rows in rows_of(constraint, trajectory)], dim=-1)
    return value.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


def gradients_of(
    constraint: Constraint, trajectory: Trajectory, chosen: Int[Tensor, "N W"]
) -> Float[Tensor, "N W H D"]:
    """Gradients of some rows, counted as in ``values_of``; with the time steps held.

    Rows that share no waypoint share a backward pass (Curtis, Powell, Reid 1974): two passes for
    all the segments of a leaf.
    """
    passes: list[Tensor] = []
    where: list[tuple[int, int, int]] = []  # pass, first waypoint and span of each row
    with torch.enable_grad():
        variable = trajectory.x.detach().requires_grad_()
        for rows in rows_of(constraint, replace(trajectory, x=variable)):
            count = rows.value.shape[-1]
            where += [(len(passes) + j % rows.span, j, rows.span) for j in range(count)]
            passes += [
                gradient(rows.value[:, k :: rows.span], variable, keep=True)
                for k in range(min(rows.span, count))
            ]
    which, first, span = torch.tensor(where, device=chosen.device).T[..., chosen, None]  # (N, W, 1)
    place = torch.arange(variable.shape[-2], device=chosen.device)
    read = (place >= first) & (place < first + span)  # (N, W, H)
    batch = torch.arange(len(chosen), device=chosen.device)[:, None]
    found: Tensor = torch.stack(passes)[which[..., 0], batch] * read[..., None]  # (N, W, H, D)
    return found.nan_to_num(0.0, 0.0, 0.0)


def _least(rows: list[Rows], trajectory: Trajectory) -> Float[Tensor, "N"]:
    no_demand = torch.full_like(trajectory.x[:, 0, :1], torch.inf)
    return torch.cat([no_demand, *(block.value for block in rows)], dim=-1).amin(-1)
