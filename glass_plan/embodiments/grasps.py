"""How an arm's plan takes hold of an object and lets it go, and what of that must be kept.

The width of the gripper tells: a model draws it neither as a step nor at rest, so that what counts
is what changes by more than ``GRIP`` in all, however slowly.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from glass_plan.bodies import tool_way, turns_of_tool
from glass_plan.guidance import ends
from glass_plan.layout import Trajectory

Array = NDArray[np.float64]

GRIP = 4e-3
"""A gripper works where its width changes by more [m]. While it holds it wavers by up to 2 mm; it
lets go by 6.6 mm at least, since a demonstration of stacking ends before it is open."""
BEGINS, CLOSES, ENDS = 0.1, 0.6, 0.9
"""Shares of a change of width: at the first the gripper's work begins, at the last it is done; at
the other a gripper that closes is told to, since the tool has come down then."""
STRAIGHT = 0.04
"""Way of the tool [m] before and after the gripper works that is not bent."""
FADE = 0.1
"""Way of the tool [m] over which it comes back to its plan from where it was led."""
FARTHEST = 0.03
"""How far [m] an object may be from where a plan has it when it is taken or let go."""
HOLDS = 0.035
"""Way of a finger from the middle [m] below which a gripper that does not move is meant to hold."""
IN_HAND = 0.04
"""Distance [m] of an object's middle from the tool's point within which it can be held."""


class Work(NamedTuple):
    """One opening or closing of a gripper, by waypoints; at ``told`` it is told to."""

    first: int
    told: int
    last: int
    opens: bool


def works(gripper: Array) -> list[Work]:
    """All openings and closings of a gripper by its widths (H,) [m], in order.

    An opening is told at its end: a demonstration may end when an object is let go.
    """
    found = []
    for begin, end in itertools.pairwise(_turns(gripper)):
        done = (gripper[begin : end + 1] - gripper[begin]) / (gripper[end] - gripper[begin])
        first = int(np.flatnonzero(done <= BEGINS)[-1])
        told, last = (first + int((done[first:] >= share).argmax()) for share in (CLOSES, ENDS))
        opens = bool(gripper[end] > gripper[begin])
        found.append(Work(begin + first, begin + (last if opens else told), begin + last, opens))
    return found


def _turns(values: Array) -> list[int]:
    """Where values turn that then change by more than ``GRIP``, begin and end included."""
    turns, top, low, heading = list[int](), 0, 0, 0
    for k, value in enumerate(values.tolist()):
        top = k if value >= values[top] else top
        low = k if value <= values[low] else low
        if heading >= 0 and values[top] - value > GRIP:
            turns.append(top)
            low, heading = k, -1
        elif heading <= 0 and value - values[low] > GRIP:
            turns.append(low)
            top, heading = k, 1
    return [*turns, top if heading > 0 else low]


def held_still(trajectory: Trajectory) -> Bool[Tensor, "N H"]:
    """The ends, and the waypoints near those between which the gripper takes hold or lets go.

    How the tool comes there and leaves is the prior's to know: from the side it would push the
    object away.
    """
    grips = torch.zeros(trajectory.x.shape[:-1], dtype=torch.bool, device=trajectory.x.device)
    for n, widths in enumerate(_widths(trajectory)):
        for work in works(widths):
            grips[n, work.first : work.last + 1] = True
    with torch.no_grad():
        gone = _gone(tool_way(trajectory))
    apart = (gone[:, :, None] - gone[:, None, :]).abs().masked_fill(~grips[:, None, :], torch.inf)
    return ends(trajectory) | (apart.amin(-1) <= STRAIGHT)


def object_in_hand(before: Trajectory, after: Trajectory) -> Trajectory:
    """The trajectory after its joints were moved, with the object moved along while it is held."""
    tool, place = tool_way(before), before.channel("object")
    near = (place - tool).norm(dim=-1, keepdim=True) < IN_HAND
    held = near & (before.channel("gripper") < HOLDS)
    x = after.x.clone()
    x[..., after.layout.slice("object")] = place + held * (tool_way(after) - tool)
    return replace(after, x=x)


def placed(trajectory: Trajectory) -> Trajectory:
    """The object put where it is, and the tool led to where that changes what has to be done.

    A model draws an object that lies as one that drifts by a centimetre until it is taken, and one
    that is held as one in the middle of the hand. Here it lies until then, or stays in the hand as
    it is; the tool comes to it, or with it to where the plan lets it go or ends. The joints are
    turned by the least that brings the tool there (``turns_of_tool``), all alike near that place
    and less and less away from it; where a plan begins it stays, and the object where it ends.

    Args:
        trajectory: (N, H, D).
    """
    last = trajectory.x.shape[1] - 1
    first = [next(iter(works(widths)), None) for widths in _widths(trajectory)]
    taken = [0 if work is None or work.opens else work.told for work in first]
    let_go = [last if work is None or not work.opens else work.told for work in first]
    tool, place = tool_way(trajectory)[:, 0], trajectory.channel("object")[:, 0]
    closed = trajectory.channel("gripper")[:, 0, 0] < HOLDS
    held = (closed & ((place - tool).norm(dim=-1) < IN_HAND)).tolist()
    x = trajectory.x.clone()
    for holds, at in ((False, taken), (True, let_go)):
        rows = [n for n, k in enumerate(at) if held[n] == holds and (holds or 0 < k < last)]
        if rows:
            some = replace(trajectory, x=x[rows])
            where = torch.tensor([at[n] for n in rows], device=x.device)
            x[rows] = _led(some, where, holds=holds).x
    return replace(trajectory, x=x)


def _led(trajectory: Trajectory, at: Int[Tensor, "N"], *, holds: bool) -> Trajectory:
    """Led so that tool and object, as they are in the beginning, fit at some waypoints."""
    x, each = trajectory.x, torch.arange(len(trajectory.x))
    tool, place = tool_way(trajectory), trajectory.channel("object")
    in_hand = place[:, :1] - tool[:, :1]
    off = (place - tool - in_hand)[each, at] if holds else (place[:, :1] - place)[each, at]
    near = off.norm(dim=-1, keepdim=True) < FARTHEST
    turns = turns_of_tool(trajectory.layout, x[each, at].detach(), off.where(near, 0.0))
    share = _share_of_turn(_gone(tool), at)
    moved = x.clone()
    moved[..., trajectory.layout.slice("joints")] += share[..., None] * turns[:, None]
    led = object_in_hand(trajectory, replace(trajectory, x=moved))
    if holds:
        known, until, later = tool_way(led) + in_hand, at, place
    else:
        known, until, later = place[:, :1], at + 1, led.channel("object")
    before = (torch.arange(x.shape[1], device=x.device) < until[:, None]) & near
    result = led.x.clone()
    result[..., trajectory.layout.slice("object")] = torch.where(before[..., None], known, later)
    return replace(trajectory, x=result)


def _share_of_turn(gone: Float[Tensor, "N H"], at: Int[Tensor, "N"]) -> Float[Tensor, "N H"]:
    """1 near some waypoints, falling off along the way; 0 at the ends but where it is one."""
    here, whole = gone.gather(-1, at[:, None]), gone[:, -1:]
    away = ((gone - here).abs() - STRAIGHT).clamp_min(0) / FADE
    before = gone / (here / 2).clamp_min(1e-9)
    after = torch.where(whole - here < 1e-9, 1.0, (whole - gone) / ((whole - here) / 2))
    return torch.exp(-0.5 * away**2) * before.clamp_max(1) * after.clamp_max(1)


def _widths(trajectory: Trajectory) -> Array:
    """Of the grippers, (N, H) [m]."""
    return trajectory.channel("gripper").squeeze(-1).detach().double().cpu().numpy()


def _gone(places: Float[Tensor, "N H 3"]) -> Float[Tensor, "N H"]:
    """Way along places [m]."""
    return torch.nn.functional.pad(torch.diff(places, dim=-2).norm(dim=-1).cumsum(-1), (1, 0))
