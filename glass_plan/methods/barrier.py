"""Barrier correction: a plan is predicted by the flow, then corrected under barrier constraints.

A baseline after SafeFlowMatcher (Yang et al. 2025, arXiv 2509.24243). The prediction is a plain ODE
sample. The correction begins with it and runs the flow's last part again, fading,

    dx/dt = (1 - t) v_t(x) + u = D_t(x) - x + u,                                                (1)

with the smallest u that keeps for the margin b_c of every safety constraint at every waypoint

    <grad b_c, dx/dt> >= -weight sgn(b_c - buffer) |b_c - buffer|^RHO,                          (2)

a quadratic programme in the plane at each waypoint, solved by Hildreth's row action. The paper has
one constraint at a time and runs all of the flow again. What is to be reached is no barrier, and is
not corrected for.
"""

from __future__ import annotations

import itertools

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan import kernels
from glass_plan.constraints import Leaf
from glass_plan.guidance import with_way
from glass_plan.guidance.gradient import gradient
from glass_plan.layout import Trajectory
from glass_plan.methods.base import Draw, Request

RHO = 0.5
"""Below 1, a margin is restored in finite time."""
SWEEPS = 8
"""Of the row action over the constraints."""
TINY = 1e-9
"""Squared gradient below which a constraint does not depend on the place."""


def barrier(request: Request) -> Draw:
    """``transitions`` network calls predict, ``inner_steps - 1`` times as many correct."""
    request.needs_positions("barrier")
    prior, sampling = request.denoise.prior, request.sampling
    predicted = request.run(kernels.Ode(request.denoise, prior.schedule))
    barriers = [p for p in request.parts.values() if isinstance(p, Leaf) and p.is_safety]
    x = predicted.state.x_1_hat
    count = sampling.transitions * (sampling.inner_steps - 1)
    times = kernels.uniform_grid(count, sampling.warm_t)
    for t, t_next in itertools.pairwise(times):
        if request.expired():
            return Draw(x, predicted.infos, finished=False)
        flowed = x + (t_next - t) * (request.denoise(x, t) - x)
        before, after = (prior.to_world(z, request.t_start) for z in (x, flowed))
        x = prior.from_world(corrected(before, after, barriers, request, t_next - t))
    return Draw(x, predicted.infos, predicted.finished)


def corrected(
    before: Trajectory, after: Trajectory, barriers: list[Leaf], request: Request, step: float
) -> Trajectory:
    """A step whose positions keep (2); ends stay."""
    buffer, rate = request.buffer, request.sampling.weight
    position = before.channel("position")
    with torch.enable_grad():
        variable = position.detach().requires_grad_()
        at = with_way(before, variable)
        values = [leaf.predicate.values(at)[..., : position.shape[-2]] for leaf in barriers]
        slopes = torch.stack([gradient(value, variable, keep=True) for value in values])
    over = torch.stack([value.detach() for value in values]) - buffer  # (C, N, H)
    least = -step * rate * over.sign() * over.abs() ** RHO
    move = hildreth(after.channel("position") - position, slopes, least)
    move[:, 0] = 0.0
    move[:, -1] = after.channel("position")[:, -1] - position[:, -1]
    return with_way(after, position + move)


def hildreth(
    move: Float[Tensor, "N H 2"],
    slopes: Float[Tensor, "C N H 2"],
    least: Float[Tensor, "C N H"],
    sweeps: int = SWEEPS,
) -> Float[Tensor, "N H 2"]:
    """The nearest moves with <slope_c, move> >= least_c (Hildreth 1957), waypoint by waypoint."""
    move = move.clone()
    squares = (slopes**2).sum(-1)  # (C, N, H)
    dual = torch.zeros_like(least)
    for _ in range(sweeps):
        for c, slope in enumerate(slopes):
            lack = least[c] - (slope * move).sum(-1)
            raised = (dual[c] + lack / squares[c].clamp_min(TINY)).clamp_min(0.0)
            raised = torch.where(squares[c] > TINY, raised, 0.0)
            move = move + (raised - dual[c])[..., None] * slope
            dual[c] = raised
    return move
