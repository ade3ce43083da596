"""Gradient guidance in its published forms: end points moved up the gradients of the penalties.

Baselines. The gradients are of the look-ahead and do not pass the network, so that rows buy as many
samples as any other method has.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from glass_plan import kernels
from glass_plan.constraints import Constraint
from glass_plan.guidance import Combiner, GradientGuide, Guided, conflict_gate, pcgrad, total
from glass_plan.kernels.value import Potential
from glass_plan.layout import Trajectory
from glass_plan.methods.base import Draw, Request


def _guided(request: Request, combine: Combiner) -> Draw:
    """ODE steps; every constraint that bends ways has a gradient of its own.

    What moves along with a robot does so in the gradient and in the step, and nothing else does:
    the start and the goal stay, and an object that nobody holds.
    """
    denoise, bend = request.denoise, request.bend
    prior, weight, buffer = denoise.prior, request.sampling.weight, request.buffer

    def moved(x_1: Tensor, before: Tensor) -> Trajectory:
        worlds = (prior.to_world(denoise.pin(x), request.t_start) for x in (before, x_1))
        return bend.along(*worlds)

    def potential(part: Constraint) -> Potential:
        reward = part.soft(weight=weight, buffer=buffer)
        return lambda x_1: reward(moved(x_1, x_1.detach()))

    rewards = [potential(part) for part in request.bending.parts().values()]
    climb = GradientGuide(rewards, prior.schedule, combine=combine)

    def guide(x_t: Tensor, t: float, x_1_hat: Tensor) -> Tensor:
        return prior.from_world(moved(climb(x_t, t, x_1_hat), x_1_hat))

    return Draw.of(request.run(kernels.Ode(Guided(denoise, guide), prior.schedule)))


gradient = partial(_guided, combine=total)
"""Their sum (Janner et al. 2022, for rewards of constraints)."""
surgery = partial(_guided, combine=pcgrad)
"""Without what opposes another (Yu et al. 2020)."""
gated = partial(_guided, combine=conflict_gate)
"""The sum, or surgery where they conflict; in the manner of Yu et al. (2026), not their network."""
