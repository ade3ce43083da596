"""Ellipsoids: signed distance by Newton steps to the nearest point of the surface.

The nearest point to p in the frame of the axes is c_i = a_i^2 p_i / (a_i^2 + s) with the largest
root s of sum_i (a_i p_i / (a_i^2 + s))^2 = 1 (Eberly, 2013); the gradient is the normal at c.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.constraints.checks import Numbers, constant, items, point, positive
from glass_plan.constraints.geometry import Region, rotation, turned_back
from glass_plan.errors import SpecError

NEWTON_STEPS = 20
"""From the start used here the root is bracketed within sqrt(d); float64 needs about 12."""


@dataclass(frozen=True)
class Ellipsoid(Region):
    """Points whose coordinates, over the half axes, lie in the unit ball; turned about the centre.

    Args:
        center: [m].
        radii: half axes [m].
        rotation: none, (angle,) in the plane or a rotation vector in space [rad].
    """

    center: Numbers
    radii: Numbers
    rotation: Numbers = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", point("Ellipsoid: center", self.center))
        given = items("Ellipsoid: radii", self.radii)
        radii = tuple(positive(f"Ellipsoid: radii[{k}]", r) for k, r in enumerate(given))
        if len(radii) != self.dim:
            raise SpecError(f"Ellipsoid: needs {self.dim} radii like its center, got {radii}")
        object.__setattr__(self, "radii", radii)
        object.__setattr__(self, "rotation", rotation("Ellipsoid", self.rotation, self.dim))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.center)

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Normal . (p - c), for the nearest point c of the surface and its normal."""
        center, radii = constant((self.center, self.radii), points.dtype, points.device)
        local = points - center
        if self.rotation:
            local = turned_back(local, self.rotation)
        with torch.no_grad():
            nearest, normal = _nearest(local, radii)
        distance: Tensor = (normal * (local - nearest)).sum(-1)
        return distance


def _nearest(
    points: Float[Tensor, "... d"], radii: Float[Tensor, "d"]
) -> tuple[Float[Tensor, "... d"], Float[Tensor, "... d"]]:
    """Nearest point of the surface, and the unit normal there."""
    tiny = torch.finfo(points.dtype).eps * radii.amin()
    p = points.abs().clamp_min(tiny)  # off the planes of symmetry, where the root degenerates
    least = radii.square().amin()
    excess = radii.square() - least  # a_i^2 + s = excess_i + u with u = s + least > 0
    u = (radii * p - excess).amax(-1, keepdim=True)
    for _ in range(NEWTON_STEPS):
        share = radii * p / (excess + u)
        square = share.square()
        slope = (square / (excess + u)).sum(-1, keepdim=True)
        u = u + 0.5 * (square.sum(-1, keepdim=True) - 1).clamp_min(0) / slope
    on = radii * (radii * p / (excess + u))
    on = on / torch.linalg.vector_norm(on / radii, dim=-1, keepdim=True)
    normal = on / radii.square()
    normal = normal / torch.linalg.vector_norm(normal, dim=-1, keepdim=True)
    sign = torch.where(points < 0, -1.0, 1.0).to(points.dtype)
    return sign * on, sign * normal
