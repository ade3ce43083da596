"""Speeds that a force-limited point can drive along a path, and the actions that drive them.

Along a fixed path the squared speed w obeys |dw/ds| <= 2 a (tangential) and w <= a / curvature
(lateral). The largest such profile is a forward and a backward running minimum of w_j +- 2 a s_j
(Bobrow et al. 1985, for a constant bound): the fastest drive along the path.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.checkpoint import Dynamics
from glass_plan.layout import Trajectory

FORCE_SHARE = 0.75
"""Share of the force limit that a plan may use by default; the rest is the tracker's."""
AXIS_SHARE = 0.7
"""Of that, what the tangential and the lateral part may each use (0.7^2 + 0.7^2 < 1)."""
SHORTEST = 1e-5
"""Smallest distance between waypoints [m] in a division."""


def retime(
    trajectory: Trajectory,
    dynamics: Dynamics,
    *,
    max_speed: float | None = None,
    force_share: float = FORCE_SHARE,
) -> Trajectory:
    """The fastest drive along the same path, with the velocities and actions that belong to it.

    Args:
        trajectory: (..., H, D); its first velocity is the present one and stays.
        dynamics: of the robot.
        max_speed: [m/s] besides the dynamics' own limit.
        force_share: of the force limit that the drive may use.

    Returns:
        The path with new ``dt``, ``velocity`` and ``action``; it ends at rest.
    """
    position, velocity = trajectory.channel("position"), trajectory.channel("velocity")
    step = torch.diff(position, dim=-2)  # (..., H-1, 2)
    length = step.norm(dim=-1).clamp_min(SHORTEST)
    tangent = _tangents(step / length[..., None])
    start = (velocity[..., 0, :] * tangent[..., 0, :]).sum(-1).clamp_min(0.0)
    fastest = min(dynamics.max_speed, max_speed or dynamics.max_speed)
    accel = force_share * AXIS_SHARE * dynamics.gear / dynamics.mass
    speed = _speed_profile(length, tangent, start, accel, fastest)
    from_rest_to_rest = 0.5 * (accel * length).sqrt()  # no interval is slower on average
    mean = torch.maximum(0.5 * (speed[..., 1:] + speed[..., :-1]), from_rest_to_rest)
    dt = length / mean
    driven = speed[..., None] * tangent
    driven = torch.cat([velocity[..., :1, :], driven[..., 1:, :]], dim=-2)
    x = trajectory.x.clone()
    layout = trajectory.layout
    x[..., layout.slice("velocity")] = driven
    x[..., layout.slice("dt")] = _repeat_last(dt[..., None])
    x[..., layout.slice("action")] = _repeat_last(inverse_dynamics(driven, dt, dynamics))
    return replace(trajectory, x=x)


def inverse_dynamics(
    velocity: Float[Tensor, "... H 2"], dt: Float[Tensor, "... H-1"], dynamics: Dynamics
) -> Float[Tensor, "... H-1 2"]:
    """Mean action over each interval: (m dv/dt + c v) / gear, clipped to the limits."""
    change = torch.diff(velocity, dim=-2) / dt[..., None]
    mean = 0.5 * (velocity[..., 1:, :] + velocity[..., :-1, :])
    return ((dynamics.mass * change + dynamics.damping * mean) / dynamics.gear).clamp(-1, 1)


def _tangents(direction: Float[Tensor, "... H-1 2"]) -> Float[Tensor, "... H 2"]:
    """Unit tangent at every waypoint: the mean of the directions before and after."""
    inner = direction[..., 1:, :] + direction[..., :-1, :]
    both = torch.cat([direction[..., :1, :], inner, direction[..., -1:, :]], dim=-2)
    unit: Tensor = both / both.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
    return unit


def _speed_profile(
    length: Float[Tensor, "... H-1"],
    tangent: Float[Tensor, "... H 2"],
    start: Float[Tensor, "..."],
    accel: float,
    fastest: float,
) -> Float[Tensor, "... H"]:
    """Largest drivable speed at every waypoint, of at most ``accel`` [m/s^2] along and across."""
    curvature = torch.diff(tangent, dim=-2).norm(dim=-1) / length  # of every interval
    sharper = torch.maximum(curvature[..., 1:], curvature[..., :-1])
    inner = (accel / sharper.clamp_min(SHORTEST)).clamp_max(fastest**2)
    ends = torch.zeros_like(start)[..., None]
    w = torch.cat([start[..., None] ** 2, inner, ends], dim=-1)
    way = 2 * accel * torch.nn.functional.pad(length.cumsum(-1), (1, 0))
    forward = (w - way).cummin(-1).values + way
    backward = (forward + way).flip(-1).cummin(-1).values.flip(-1) - way
    speed: Tensor = backward.clamp_min(0.0).sqrt()
    return speed


def settle(trajectory: Trajectory, distance: float, channel: str = "position") -> Trajectory:
    """The trajectory held where a channel ends once that stays within ``distance`` of its end.

    A model that holds its goal does so with some jitter, which nobody should drive.

    Args:
        trajectory: (..., H, D).
        distance: from the last value, in the channel's unit.
        channel: that is held.
    """
    position = trajectory.channel(channel)
    goal = position[..., -1:, :]
    away = (position - goal).norm(dim=-1) >= distance
    stays = away.flip(-1).int().cummax(-1).values.flip(-1) == 0
    arrived = torch.nn.functional.pad(stays[..., :-1], (1, 0))  # after the first that stays near
    x = trajectory.x.clone()
    held = torch.where(arrived[..., None], goal, position)
    x[..., trajectory.layout.slice(channel)] = held
    return replace(trajectory, x=x)


def _repeat_last(x: Float[Tensor, "... K C"]) -> Float[Tensor, "... K+1 C"]:
    return torch.cat([x, x[..., -1:, :]], dim=-2)
