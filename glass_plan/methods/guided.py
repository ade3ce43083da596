"""Gradient guidance in its published forms: end points moved up the gradients of the penalties.

Baselines. The gradients are of the look-ahead and do not pass the network, so that rows buy as many
samples as any other method has.
"""

from __future__ import annotations

from functools import partial

from glass_plan import kernels
from glass_plan.constraints import Constraint
from glass_plan.guidance import Combiner, GradientGuide, Guided, conflict_gate, pcgrad, total
from glass_plan.kernels.value import Potential
from glass_plan.methods.base import Draw, Request


def _guided(request: Request, combine: Combiner) -> Draw:
    """ODE steps; every constraint that bends ways has a gradient of its own."""
    schedule, buffer = request.denoise.prior.schedule, request.buffer

    def held(part: Constraint) -> Potential:
        """Its reward of samples between the request's start and goal, which it must not move."""
        potential = request.potential(part.soft(weight=1.0, buffer=buffer))
        return lambda x_1: potential(request.denoise.pin(x_1))

    rewards = [held(part) for part in request.bending.parts().values()]
    guide = GradientGuide(rewards, schedule, combine=combine)
    return Draw.of(request.run(kernels.Ode(Guided(request.denoise, guide), schedule)))


gradient = partial(_guided, combine=total)
"""Their sum (Janner et al. 2022, for rewards of constraints)."""
surgery = partial(_guided, combine=pcgrad)
"""Without what opposes another (Yu et al. 2020)."""
gated = partial(_guided, combine=conflict_gate)
"""The sum, or surgery where they conflict; in the manner of Yu et al. (2026), not their network."""
