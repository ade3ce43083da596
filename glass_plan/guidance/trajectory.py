"""Guidance in the denoiser's place: D_t(x) is replaced by a nearby trajectory that violates less.

The penalty, minus the reward at flow time t, is descended from D by a few covariant gradient steps
on the positions (the gradient is smoothed along the way before it is followed, Ratliff et al.
2009), until it is zero or the steps are used up: a trajectory bends as a whole, keeps its ends and
stays near; then its speeds are made drivable. No gradient goes through the network, and all
constraints pull at once. What gradients cannot find, a region behind a wall, is led to first
(``Visits``). Earlier than ``t_min`` the look-ahead is a blur of several routes and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.guidance.gradient import gradient
from glass_plan.guidance.visits import Visits
from glass_plan.layout import Trajectory
from glass_plan.prior import ConditionedPrior
from glass_plan.retiming import SHORTEST
from glass_plan.rewards import Reward


@dataclass(frozen=True)
class TrajectoryProx:
    """A denoiser that proposes trajectories with less penalty.

    Args:
        denoise: the prior of one request.
        reward: what to ascend, in world units: <= 0, and 0 where nothing is violated.
        drivable: gives a path the speeds that the robot drives it at (``retime``).
        t_start: plan time of the first waypoint [s].
        steps: gradient steps per call.
        step_size: largest displacement of a waypoint per step [m].
        smoothing: length scale along the way [m] over which a displacement spreads.
        t_min: flow time before which nothing is changed.
        visits: leads to regions that are missed; None leaves that to the gradient.
        spacing: of waypoints that were led [m].
    """

    denoise: ConditionedPrior
    reward: Reward
    drivable: Callable[[Trajectory], Trajectory]
    t_start: float = 0.0
    steps: int = 8
    step_size: float = 0.08
    smoothing: float = 0.3
    t_min: float = 0.3
    visits: Visits | None = None
    spacing: float = 0.4
    guided: bool = True

    def __call__(self, x_t: Float[Tensor, "N H D"], t: float) -> Float[Tensor, "N H D"]:
        x_1_hat = self.denoise(x_t, t)
        if t < self.t_min:
            return x_1_hat
        prior = self.denoise.prior
        return prior.from_world(self.correct(prior.to_world(x_1_hat, self.t_start), t))

    def correct(self, trajectory: Trajectory, t: float = 1.0) -> Trajectory:
        """Descend the penalty of flow time ``t`` and make the result drivable."""
        if self.visits is not None:
            led = self.visits(trajectory.channel("position"), self.spacing)
            trajectory = with_positions(trajectory, led)
        kernel = smoothing_kernel(trajectory.channel("position"), self.smoothing)
        moved = self._descend(trajectory, kernel, self.reward.at(t))
        bent = with_positions(trajectory, moved)
        return self.drivable(bent)

    def _descend(
        self, trajectory: Trajectory, kernel: Float[Tensor, "N H H"], reward: Reward
    ) -> Float[Tensor, "N H 2"]:
        position = trajectory.channel("position")
        for _ in range(self.steps):
            with torch.enable_grad():
                variable = position.detach().requires_grad_()
                cost = -reward(with_positions(trajectory, variable))
                uphill = gradient(cost, variable)
            if not bool((cost > 0).any()):
                break
            direction = kernel @ uphill
            largest = direction.norm(dim=-1).amax(-1)
            # A hinge-squared cost c is cleared by moving about sqrt(c): never overshoot by far.
            size = cost.detach().sqrt().clamp_max(self.step_size)
            position = position - (size / largest.clamp_min(SHORTEST**2))[:, None, None] * direction
        return position.detach()


def with_positions(trajectory: Trajectory, position: Float[Tensor, "N H 2"]) -> Trajectory:
    """The trajectory moved to other positions, at its own speeds."""
    old = torch.diff(trajectory.channel("position"), dim=-2).norm(dim=-1)
    new = torch.diff(position, dim=-2).norm(dim=-1)
    stretch = (new.detach() + SHORTEST) / (old + SHORTEST)
    layout = trajectory.layout
    dt = trajectory.dt[..., None] * torch.nn.functional.pad(stretch, (0, 1), value=1.0)[..., None]
    x = trajectory.x.clone()
    x[..., layout.slice("position")] = position
    x[..., layout.slice("dt")] = dt
    return replace(trajectory, x=x)


def smoothing_kernel(
    position: Float[Tensor, "N H 2"], length_scale: float
) -> Float[Tensor, "N H H"]:
    """Gaussian kernel of the distance along the way, zero at both ends."""
    step = torch.diff(position, dim=-2).norm(dim=-1)
    way = torch.nn.functional.pad(step.cumsum(-1), (1, 0)) / length_scale  # (N, H)
    near_end = torch.minimum(way, way[:, -1:] - way)
    taper = 1 - torch.exp(-0.5 * near_end**2)
    kernel = torch.exp(-0.5 * (way[:, :, None] - way[:, None, :]) ** 2)
    return taper[:, :, None] * kernel * taper[:, None, :]
