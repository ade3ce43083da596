"""Samplers over any denoiser D_t(x): moves, Feynman-Kac steering, and the loop that runs them."""

from glass_plan.kernels.archive import Archive, BestOf, best_of
from glass_plan.kernels.base import Kernel, Run, State, noise, run, uniform_grid
from glass_plan.kernels.feynman_kac import (
    ALWAYS,
    AdaptiveTempering,
    FeynmanKac,
    Steered,
    linear_tempering,
    no_tempering,
)
from glass_plan.kernels.glass import DdpmPower, Glass, Guide, Posterior
from glass_plan.kernels.ode import Ode
from glass_plan.kernels.sde import Sde
from glass_plan.kernels.substeps import Substeps
from glass_plan.kernels.value import LookAhead, PosteriorMean
from glass_plan.kernels.waltz import waltz

__all__ = [
    "ALWAYS",
    "AdaptiveTempering",
    "Archive",
    "BestOf",
    "DdpmPower",
    "FeynmanKac",
    "Glass",
    "Guide",
    "Kernel",
    "LookAhead",
    "Ode",
    "Posterior",
    "PosteriorMean",
    "Run",
    "Sde",
    "State",
    "Steered",
    "Substeps",
    "best_of",
    "linear_tempering",
    "no_tempering",
    "noise",
    "run",
    "uniform_grid",
    "waltz",
]
