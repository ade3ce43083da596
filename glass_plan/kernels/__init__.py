"""Samplers over any denoiser D_t(x): ``ode`` and ``glass`` moves, Feynman-Kac steering."""

from glass_plan.kernels.base import Kernel, Run, State, noise, run, uniform_grid
from glass_plan.kernels.feynman_kac import FeynmanKac, linear_tempering
from glass_plan.kernels.glass import Glass
from glass_plan.kernels.ode import Ode

__all__ = [
    "FeynmanKac",
    "Glass",
    "Kernel",
    "Ode",
    "Run",
    "State",
    "linear_tempering",
    "noise",
    "run",
    "uniform_grid",
]
