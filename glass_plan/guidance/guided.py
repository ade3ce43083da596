"""A guide put in the denoiser's place: every move that asks the denoiser is then guided.

The law of such a move has no closed density, so it carries no log-ratio; where one is needed, a
guide shifts the proposal of ``Glass`` or ``Sde`` instead (``guide=``).
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from glass_plan.denoisers import Denoiser
from glass_plan.kernels import Guide


@dataclass(frozen=True)
class Guided:
    """The guided end point as a denoiser.

    Args:
        denoise: D_t(x), counted where it counts.
        guide: bends its end points.
    """

    denoise: Denoiser
    guide: Guide
    guided: bool = True

    def __call__(self, x_t: Float[Tensor, "N ..."], t: float) -> Float[Tensor, "N ..."]:
        return self.guide(x_t, t, self.denoise(x_t, t))
