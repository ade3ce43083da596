"""How far a plan has come, as trajectories: what was driven, what is left, what comes next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from glass_plan.layout import Layout, Trajectory
from glass_plan.records import Plan
from glass_plan.tracking import Reference

Array = NDArray[np.float64]


def as_driven(rows: Array, layout: Layout) -> Trajectory:
    """What was seen of a drive, (K, S + 1) state and time, as a trajectory of K states."""
    x = torch.zeros(len(rows), layout.dim, dtype=torch.float64)
    x[:, layout.columns(layout.start)] = torch.from_numpy(rows[:, :-1])
    x[:-1, layout.slice("dt")] = torch.from_numpy(np.diff(rows[:, -1:], axis=0))
    return Trajectory(x, layout, t_start=float(rows[0, -1]))


def remainder(
    plan: Plan, reference: Reference, now: float, state: Array, time: float
) -> Trajectory:
    """The rest of a plan from the present state, resampled to the plan's horizon.

    Args:
        plan: in hand.
        reference: of the plan, from time zero.
        now: time since the plan began [s].
        state: (4,) present position and velocity; it replaces the plan's own.
        time: of the episode [s].
    """
    whole = plan.trajectory
    count = whole.x.shape[-2]
    times = np.linspace(now, reference.end, count)
    x = whole.x.clone()
    layout = whole.layout
    position, velocity = reference.spline(times), reference.spline(times, 1)
    position[0], velocity[0] = state[:2], state[2:]
    source = np.clip(np.searchsorted(plan.times - plan.times[0], times) - 1, 0, count - 1)
    x = x[torch.from_numpy(source)]  # actions of the interval that holds each time
    x[:, layout.slice("position")] = torch.from_numpy(position).to(x)
    x[:, layout.slice("velocity")] = torch.from_numpy(velocity).to(x)
    x[:, layout.slice("dt")] = float(times[1] - times[0])
    return replace(whole, x=x, t_start=time)


def head(trajectory: Trajectory, duration: float) -> Trajectory:
    """The first ``duration`` seconds of one trajectory, at least two waypoints."""
    inside = int((trajectory.times - trajectory.t_start <= duration).sum())
    return replace(trajectory, x=trajectory.x[: max(2, inside + 1)])


def state_after(trajectory: Trajectory, duration: float) -> Array:
    """The state (S,) after so long [s] along one trajectory, at rest where it ended."""
    layout = trajectory.layout
    states = trajectory.x[:, layout.columns(layout.start)].double().cpu().numpy()
    times = (trajectory.times - trajectory.t_start).double().cpu().numpy()
    return np.array([np.interp(duration, times, column) for column in states.T])
