"""Samples of the prior that nothing guides; the planner chooses among them."""

from __future__ import annotations

from dataclasses import replace

from glass_plan import kernels
from glass_plan.guidance import with_way
from glass_plan.methods.base import Draw, Request


def flow(request: Request) -> Draw:
    """ODE samples."""
    return Draw.of(request.run(kernels.Ode(request.denoise, request.denoise.prior.schedule)))


def led(request: Request) -> Draw:
    """ODE samples, led at last where the map says they have to go: what that is worth alone."""
    drawn, prior = flow(request), request.denoise.prior
    if request.visits is None:
        return drawn
    world = prior.to_world(drawn.x_1, request.t_start)
    positions = request.visits(world.channel("position"), request.spacing)
    return replace(drawn, x_1=prior.from_world(with_way(world, positions)))


def glass(request: Request) -> Draw:
    """Samples by GLASS transitions."""
    sampling, schedule = request.sampling, request.denoise.prior.schedule
    move = kernels.Glass(request.denoise, schedule, sampling.inner_steps, sampling.rho)
    return Draw.of(request.run(move))
