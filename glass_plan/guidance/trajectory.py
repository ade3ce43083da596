"""Guidance in the denoiser's place: D_t(x) is replaced by a nearby trajectory that violates less.

The penalty, minus the reward at flow time t, is descended from D by a few covariant gradient steps
on what may be bent (the gradient is smoothed along the way before it is followed, Ratliff et al.
2009), until it is zero or the steps are used up: a trajectory bends as a whole, keeps its ends and
stays near; then its speeds are made drivable. No gradient goes through the network, and all
constraints pull at once. What gradients cannot find, a region behind a wall, is led to first
(``Visits``). Earlier than ``t_min`` the look-ahead is a blur of several routes and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from glass_plan.guidance.gradient import gradient
from glass_plan.guidance.visits import Visits
from glass_plan.layout import Trajectory
from glass_plan.prior import ConditionedPrior
from glass_plan.retiming import SHORTEST
from glass_plan.rewards import Reward


def ends(trajectory: Trajectory) -> Bool[Tensor, "... H"]:
    """Which waypoints are the first or the last."""
    mask = torch.zeros(trajectory.x.shape[:-1], dtype=torch.bool, device=trajectory.x.device)
    mask[..., [0, -1]] = True
    return mask


def as_drawn(trajectory: Trajectory) -> Trajectory:
    """Nothing is known better."""
    return trajectory


def unchanged(before: Trajectory, after: Trajectory) -> Trajectory:
    """Nothing moves along."""
    return after


@dataclass(frozen=True)
class Bend:
    """How trajectories of a robot may be bent.

    Args:
        channel: that is moved; the others stay, but for what moves along and what ``drivable``
            makes of them.
        scale: units of that channel that are worth a metre.
        smoothing: way [m] over which a displacement spreads.
        fixed: waypoints (N, H) of trajectories that must not move.
        along: what moves along with the channel; it is given the trajectory before and after.
        known: puts right, before a trajectory is bent, what is known better than a model draws it.
    """

    channel: str = "position"
    scale: float = 1.0
    smoothing: float = 0.3
    fixed: Callable[[Trajectory], Bool[Tensor, "N H"]] = ends
    along: Callable[[Trajectory, Trajectory], Trajectory] = unchanged
    known: Callable[[Trajectory], Trajectory] = as_drawn

    def moved(self, trajectory: Trajectory, way: Float[Tensor, "N H C"]) -> Trajectory:
        """A trajectory with other values of the channel, at its own speeds."""
        return self.along(trajectory, with_way(trajectory, way, self.channel))


@dataclass(frozen=True)
class TrajectoryProx:
    """A denoiser that proposes trajectories with less penalty.

    Args:
        denoise: the prior of one request.
        reward: what to ascend, in world units: <= 0, and 0 where nothing is violated.
        drivable: gives a path the speeds that the robot drives it at (``retime``).
        bend: what may be moved.
        t_start: plan time of the first waypoint [s].
        steps: gradient steps per call.
        step_size: largest displacement of a waypoint per step [m].
        t_min: flow time before which nothing is changed.
        visits: leads to regions that are missed; None leaves that to the gradient.
        spacing: of waypoints that were led [m].
    """

    denoise: ConditionedPrior
    reward: Reward
    drivable: Callable[[Trajectory], Trajectory]
    bend: Bend = Bend()
    t_start: float = 0.0
    steps: int = 8
    step_size: float = 0.08
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
        channel, trajectory = self.bend.channel, self.bend.known(trajectory)
        if self.visits is not None:
            led = self.visits(trajectory.channel(channel), self.spacing)
            trajectory = with_way(trajectory, led, channel)
        kernel = smoothing_kernel(trajectory, self.bend)
        moved = self._descend(trajectory, kernel, self.reward.at(t))
        return self.drivable(self.bend.moved(trajectory, moved))

    def _descend(
        self, trajectory: Trajectory, kernel: Float[Tensor, "N H H"], reward: Reward
    ) -> Float[Tensor, "N H C"]:
        scale = self.bend.scale
        way = trajectory.channel(self.bend.channel)
        for _ in range(self.steps):
            with torch.enable_grad():
                variable = way.detach().requires_grad_()
                cost = -reward(self.bend.moved(trajectory, variable))
                uphill = gradient(cost, variable)
            if not bool((cost > 0).any()):
                break
            direction = kernel @ uphill
            largest = direction.norm(dim=-1).amax(-1)
            # A hinge-squared cost c is cleared by moving about sqrt(c): never overshoot by far.
            size = scale * cost.detach().sqrt().clamp_max(self.step_size)
            way = way - (size / largest.clamp_min(SHORTEST**2))[:, None, None] * direction
        return way.detach()


def with_way(
    trajectory: Trajectory, way: Float[Tensor, "N H C"], channel: str = "position"
) -> Trajectory:
    """The trajectory with other values of a channel, at its own speeds."""
    old = torch.diff(trajectory.channel(channel), dim=-2).norm(dim=-1)
    new = torch.diff(way, dim=-2).norm(dim=-1)
    stretch = (new.detach() + SHORTEST) / (old + SHORTEST)
    layout = trajectory.layout
    dt = trajectory.dt[..., None] * torch.nn.functional.pad(stretch, (0, 1), value=1.0)[..., None]
    x = trajectory.x.clone()
    x[..., layout.slice(channel)] = way
    x[..., layout.slice("dt")] = dt
    return replace(trajectory, x=x)


def smoothing_kernel(trajectory: Trajectory, bend: Bend) -> Float[Tensor, "N H H"]:
    """Gaussian kernel of the distance [m] along the way, zero where nothing must move."""
    step = torch.diff(trajectory.channel(bend.channel), dim=-2).norm(dim=-1)
    way = torch.nn.functional.pad(step.cumsum(-1), (1, 0)) / (bend.smoothing * bend.scale)  # (N, H)
    apart = way[:, :, None] - way[:, None, :]
    fixed = bend.fixed(trajectory)[:, None, :]
    nearest = apart.abs().masked_fill(~fixed, torch.inf).amin(-1)
    taper = 1 - torch.exp(-0.5 * nearest**2)
    kernel = torch.exp(-0.5 * apart**2)
    return taper[:, :, None] * kernel * taper[:, None, :]
