"""FlowPrior: a trained trajectory flow = network + schedule + normaliser + layout.

``prior.condition(start, goal)`` gives a ``Denoiser`` D_t(x) = E[x_1 | x_t = x] in the model's
coordinates, with the request's entries held by inpainting (Janner et al. 2022). The rows that pass
through the network are counted here, and nowhere else. Knows nothing of rewards or kernels.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from glass_plan.denoisers import Count
from glass_plan.layout import Layout, Trajectory
from glass_plan.normalizers import Normalizer
from glass_plan.schedules import Schedule


class FlowPrior(nn.Module):
    """A pretrained trajectory model.

    Args:
        net: x_1_hat = net(x_t, t, pinned).
        schedule: the Gaussian path it was trained on.
        normalizer: world units to model coordinates, one value per column of the layout.
        layout: meaning of the columns.
        horizon: H waypoints.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        schedule: Schedule,
        normalizer: Normalizer,
        layout: Layout,
        horizon: int,
    ) -> None:
        super().__init__()
        self.net = net
        self.normalizer = normalizer
        self.schedule = schedule
        self.layout = layout
        self.horizon = horizon
        self._start = layout.columns(layout.start)
        self._goal = layout.columns(layout.goal)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, D) of one trajectory."""
        return self.horizon, self.layout.dim

    def pinned_of(self, x: Float[Tensor, "N H D"]) -> Float[Tensor, "N P"]:
        """The entries that a request pins, read from trajectories."""
        return torch.cat([x[:, 0, self._start], x[:, -1, self._goal]], dim=1)

    def pin(
        self, x: Float[Tensor, "N H D"], pinned: Float[Tensor, "N P"]
    ) -> Float[Tensor, "N H D"]:
        """Trajectories with the pinned entries put in place."""
        x = x.clone()
        x[:, 0, self._start] = pinned[:, : len(self._start)]
        x[:, -1, self._goal] = pinned[:, len(self._start) :]
        return x

    def denoise(
        self, x_t: Float[Tensor, "N H D"], t: Float[Tensor, "N"], pinned: Float[Tensor, "N P"]
    ) -> Float[Tensor, "N H D"]:
        """E[x_1 | x_t] in model coordinates; pinned entries are exact."""
        x_1_hat: Tensor = self.net(self.pin(x_t, pinned), t, pinned)
        return self.pin(x_1_hat, pinned)

    def condition(self, start: Float[Tensor, "S"], goal: Float[Tensor, "G"]) -> ConditionedPrior:
        """The prior over trajectories from ``start`` to ``goal`` (world units).

        Args:
            start: values of the layout's start channels, e.g. (x, y, vx, vy).
            goal: values of the layout's goal channels, e.g. (x, y).

        Raises:
            RequestError: wrong length, or not finite.
        """
        self.layout.check_values("plan: start", start, self.layout.start)
        self.layout.check_values("plan: goal", goal, self.layout.goal)
        row = self.normalizer.mean.new_zeros(1, 2, self.layout.dim)
        row[0, 0, self._start] = start.to(row)
        row[0, 1, self._goal] = goal.to(row)
        return ConditionedPrior(self, self.pinned_of(self.normalizer.normalize(row)))

    def to_world(self, x: Float[Tensor, "... H D"], t_start: float = 0.0) -> Trajectory:
        """Model coordinates to a trajectory in world units; differentiable."""
        return Trajectory(self.normalizer.denormalize(x), self.layout, t_start)

    def from_world(self, trajectory: Trajectory) -> Float[Tensor, "... H D"]:
        """A trajectory in world units to model coordinates."""
        return self.normalizer.normalize(trajectory.x)


class ConditionedPrior:
    """The denoiser of one request, or of several side by side; counts what the network is asked.

    Args:
        prior: the model.
        pinned: (Q, P) pinned entries in model coordinates, for rows 0..Q-1, Q..2 Q-1 and so on;
            Q = 1 for one request.
    """

    def __init__(self, prior: FlowPrior, pinned: Float[Tensor, "Q P"]) -> None:
        self.prior = prior
        self.pinned = pinned
        self.count = Count()

    def __call__(self, x_t: Float[Tensor, "N H D"], t: float) -> Float[Tensor, "N H D"]:
        """D_t(x); a graph is kept only for an x that asks for its gradient."""
        rows = len(x_t)
        self.count.rows += rows
        self.count.calls += 1
        with torch.set_grad_enabled(x_t.requires_grad):
            return self.prior.denoise(x_t, x_t.new_full((rows,), t), self._pinned(rows))

    def pin(self, x: Float[Tensor, "N H D"]) -> Float[Tensor, "N H D"]:
        """Samples with the pinned entries put in place, through which no gradient passes."""
        return self.prior.pin(x, self._pinned(len(x)))

    def _pinned(self, rows: int) -> Float[Tensor, "N P"]:
        return self.pinned.repeat(rows // len(self.pinned), 1)
