"""Samples of the prior that nothing guides; the planner chooses among them."""

from __future__ import annotations

from glass_plan import kernels
from glass_plan.methods.base import Draw, Request


def flow(request: Request) -> Draw:
    """ODE samples."""
    return Draw.of(request.run(kernels.Ode(request.denoise, request.denoise.prior.schedule)))


def glass(request: Request) -> Draw:
    """Samples by GLASS transitions."""
    sampling, schedule = request.sampling, request.denoise.prior.schedule
    move = kernels.Glass(request.denoise, schedule, sampling.inner_steps, sampling.rho)
    return Draw.of(request.run(move))
