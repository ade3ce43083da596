"""How a planner draws candidates: the settings, and one function a method.

``unguided`` and ``best-of-n`` are samples of the prior, ``glass-fks`` is ours; the others are
published ways of guiding, as baselines, and OMPL's planners, which need no model. All candidates
are judged in the same way, which methods know nothing of.
"""

from glass_plan.methods import guided, ompl, sampled, steered
from glass_plan.methods.barrier import barrier
from glass_plan.methods.base import Draw, Method, Request, Sampling

METHODS: dict[str, Method] = {
    "unguided": sampled.flow,
    "best-of-n": sampled.flow,
    "best-of-n-detours": sampled.led,
    "best-of-n-glass": sampled.glass,
    "gradient": guided.gradient,
    "pcgrad": guided.surgery,
    "conflict-gate": guided.gated,
    "barrier": barrier,
    "ompl-rrtconnect": ompl.rrt_connect,
    "ompl-bitstar": ompl.bit_star,
    "sde-fks": steered.sde_fks_published,
    "glass-fks-published": steered.glass_fks_published,
    "glass-fks": steered.glass_fks,
}
"""By name."""

__all__ = ["METHODS", "Draw", "Method", "Request", "Sampling"]
