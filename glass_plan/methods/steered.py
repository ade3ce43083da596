"""Feynman-Kac steering by the constraints' penalty: ours, and what was published."""

from __future__ import annotations

from glass_plan import kernels
from glass_plan.guidance import TrajectoryProx
from glass_plan.kernels.value import Potential
from glass_plan.methods.base import Draw, Request


def glass_fks(request: Request) -> Draw:
    """GLASS transitions with the prox in the denoiser's place, inside Feynman-Kac steering.

    Look-aheads and the prox take the penalty of their own flow time, the prox without speed limits;
    the target, and the archive's order, that of t = 1.
    """
    sampling, prior = request.sampling, request.denoise.prior

    def at(t: float) -> Potential:
        penalty = request.penalty.at(t)
        return reward if penalty == target else request.potential(penalty)

    target = request.penalty.at(1.0)
    reward = request.potential(target)
    prox = TrajectoryProx(
        request.denoise,
        request.bending.soft(weight=1.0, buffer=request.buffer),
        request.drivable,
        request.bend,
        request.t_start,
        visits=request.visits if sampling.detours else None,
        spacing=request.spacing,
    )
    move = kernels.Glass(prox, prior.schedule, sampling.inner_steps, sampling.rho)
    value = kernels.LookAhead(reward, at)
    steering = kernels.FeynmanKac(move, reward, value, ess_min=sampling.ess_min, base="move")
    return Draw.of(request.run(steering))


def glass_fks_published(request: Request) -> Draw:
    """GLASS-FKS as its paper runs it: no guidance, weights alone (Holderrieth et al. 2025)."""
    schedule, sampling = request.denoise.prior.schedule, request.sampling
    move = kernels.Glass(
        request.denoise, schedule, sampling.inner_steps, sampling.rho, solver="euler"
    )
    return _weighed(move, request)


def sde_fks_published(request: Request) -> Draw:
    """The same with SDE steps in place of each transition (Singhal et al. 2025)."""
    schedule, sampling = request.denoise.prior.schedule, request.sampling
    step = kernels.Sde(request.denoise, schedule, sampling.rho)
    return _weighed(kernels.Substeps(step, sampling.inner_steps), request)


def _weighed(move: kernels.Kernel, request: Request) -> Draw:
    """Sum potential, multinomial resampling at every transition."""
    steering = kernels.FeynmanKac(
        move,
        request.potential(request.penalty.at(1.0)),
        ess_min=kernels.ALWAYS,
        tempering=kernels.no_tempering,
        resampling="multinomial",
        potential="sum",
    )
    return Draw.of(request.run(steering))
