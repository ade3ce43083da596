"""Guidance: what bends the denoised end point towards the reward.

A guide is (x_t, t, D_t(x_t)) -> the end point to aim at. Put in the denoiser's place (``Guided``)
it steers every call; given to ``Glass`` or ``Sde`` as ``guide=`` it shifts a proposal whose
log-ratio is known.
"""

from glass_plan.guidance.combine import COMBINERS, Combiner, conflict_gate, pcgrad, total
from glass_plan.guidance.gradient import GradientGuide
from glass_plan.guidance.guided import Guided
from glass_plan.guidance.project import Ending, Projected, project
from glass_plan.guidance.prox import ProxGuide, sine_subspace
from glass_plan.guidance.tilted import TiltedGuide
from glass_plan.guidance.trajectory import Bend, TrajectoryProx, ends, smoothing_kernel, with_way
from glass_plan.guidance.visits import Visits
from glass_plan.strengths import Constant, Ramp, Window

__all__ = [
    "COMBINERS",
    "Bend",
    "Combiner",
    "Constant",
    "Ending",
    "GradientGuide",
    "Guided",
    "Projected",
    "ProxGuide",
    "Ramp",
    "TiltedGuide",
    "TrajectoryProx",
    "Visits",
    "Window",
    "conflict_gate",
    "ends",
    "pcgrad",
    "project",
    "sine_subspace",
    "smoothing_kernel",
    "total",
    "with_way",
]
