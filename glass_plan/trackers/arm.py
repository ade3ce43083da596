"""An arm follows its plans: joint targets and a gripper that is open or closed.

The joints are driven towards their targets by springs and dampers, which follow a ramp late by
damping over stiffness, all joints alike: the way stays the same if targets are read that much
ahead.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from glass_plan.bodies import tool_way, turns_of_tool
from glass_plan.embodiments.grasps import HOLDS, IN_HAND, object_in_hand, works
from glass_plan.layout import Layout, Trajectory
from glass_plan.progress import as_driven
from glass_plan.records import Plan
from glass_plan.trackers.base import Follower
from glass_plan.tracking import LONGEST

Array = NDArray[np.float64]

LEAD = 0.1
"""How far ahead targets are read [s]: damping over stiffness of ManiSkill's Panda."""
FADES = 0.5
"""How long [s] it takes an arm to come back to its plan, as it is foreseen."""
CLOSED, OPEN = -1.0, 1.0
"""Commands of the gripper."""
STOPS = 0.035
"""How long joints that are told to stay go on at their speed, about [s]: seen in ManiSkill."""
FINE, REST = 0.01, 0.3
"""Step at which an arm is foreseen that is stopped, and how long it is watched [s]."""
PUSH, PUSHED = 0.15, 0.02
"""Length of an evasive push [s], and how far off its target is [m]."""
UNDER_WAY = 6
"""Waypoints in which a gripper's work that is under way is done: a whole one takes three to six."""
THERE = 0.02
"""Distance [m] from its goal at which the object has arrived."""

OBJECT_COUNTS = 2.0
"""What is held is lost sooner than the way."""
LET_GO = 5
"""Control steps in which the gripper opens."""
BACK, BACK_SPEED = 0.1, 0.2
"""Way back [m] of a tool that lost what it held, and its speed [m/s]."""


@dataclass(frozen=True)
class ArmTracker:
    """Follows plans with an arm whose state is joints, gripper and object.

    Args:
        layout: of plans.
        dt: control step [s].
        max_speed: of the tool on its way back [m/s], if there is one.
    """

    layout: Layout
    dt: float
    max_speed: float | None = None
    shield_margin: ClassVar[float] = 0.005  # an arm ends up to 3 mm nearer than its plan

    def follower(self, plan: Plan) -> Follower:
        """For a plan that begins now."""
        return ArmFollower(self, plan)

    def stop(self, state: Array) -> Array:
        """The joints where they are, the gripper as it is."""
        return np.array([*state[: self.joints], held(state[self.joints])])

    def backup(self, state: Array, action: Array, time: float) -> Trajectory:
        """By the lag of the joints: after targets for one step, they are told to stay."""
        asked = action[None, : self.joints] - state[: self.joints]
        backup = self._halted(state, asked, round(self.dt / FINE), 0.0 * asked, time)
        return replace(backup, x=backup.x[0])

    def evasions(self, state: Array, action: Array, time: float) -> tuple[Array, Trajectory]:
        """Staying, or a push of the tool in one of 26 directions; the gripper as it is asked.

        The joints are taken to move as fast as the action that is asked for goes on with.
        """
        sides = np.array([s for s in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(s)])
        shifts = PUSHED * sides / np.linalg.norm(sides, axis=1, keepdims=True)
        x = torch.zeros(len(shifts), self.layout.dim, dtype=torch.float64)
        x[:, self.layout.columns(self.layout.start)] = torch.from_numpy(state)
        pushes = turns_of_tool(self.layout, x, torch.from_numpy(shifts)).numpy()
        turns = np.concatenate([np.zeros((1, self.joints)), pushes])
        gripper = np.full((len(turns), 1), action[-1])
        moving = (action[: self.joints] - state[: self.joints]) / LEAD
        backups = self._halted(state, turns, round(PUSH / FINE), moving, time)
        return np.hstack([state[: self.joints] + turns, gripper]), backups

    def _halted(
        self, state: Array, turns: Array, steps: int, moving: Array, time: float
    ) -> Trajectory:
        """What comes of targets so far off (N, J) that are withdrawn after steps of ``FINE``.

        Joints that are told to stay go on for ``STOPS`` times their speed; ``moving`` is what they
        have at first [rad/s].
        """
        times = FINE * np.arange(steps + round(REST / FINE) + 1)
        acts = np.minimum(times, FINE * steps)
        speed = np.exp(-FINE * steps / LEAD) / LEAD  # a share of what is left a second
        share = 1 - np.exp(-acts / LEAD) + speed * STOPS * (1 - np.exp(-(times - acts) / STOPS))
        drift = STOPS * (1 - np.exp(-times / STOPS))[:, None] * moving
        start = torch.from_numpy(np.tile(state, (len(turns), len(times), 1)))
        x = torch.zeros(*start.shape[:2], self.layout.dim, dtype=torch.float64)
        x[..., self.layout.columns(self.layout.start)] = start
        x[..., self.layout.slice("dt")] = FINE
        before = Trajectory(x, self.layout, t_start=time)
        after = x.clone()
        turned = share[:, None] * turns[:, None] + drift
        after[..., self.layout.slice("joints")] += torch.from_numpy(turned)
        return object_in_hand(before, replace(before, x=after))

    def retreat(self, driven: Array) -> list[Array]:
        """Let go and go back the way it came, if the gripper is closed with nothing in hand."""
        here = driven[-1]
        tools = self.tool(driven)
        if here[self.joints] >= HOLDS or np.linalg.norm(here[-3:] - tools[-1]) < IN_HAND:
            return []
        step = np.linalg.norm(np.diff(tools[::-1], axis=0), axis=1)
        gone = np.concatenate([[0.0], step.cumsum()])  # on the way back
        pace = self.dt * min(BACK_SPEED, self.max_speed or BACK_SPEED)
        away = np.linalg.norm(tools[::-1] - tools[-1], axis=1)
        end = gone[int((away > BACK).argmax())] if (away > BACK).any() else gone[-1]
        asked = np.arange(pace, end + pace, pace)
        columns = [np.interp(asked, gone, column[::-1]) for column in driven.T[: self.joints]]
        joints = [here[: self.joints]] * LET_GO + list(np.stack(columns, axis=-1))
        return [np.array([*row, OPEN]) for row in joints]

    def arrived(self, state: Array, goal: Array) -> bool:
        """Whether the object is where it should be."""
        return bool(np.linalg.norm(state[-3:] - goal) < THERE)

    @property
    def joints(self) -> int:
        """Number of joints, which a state begins with; the gripper follows."""
        return len(self.layout.columns(("joints",)))

    def tool(self, rows: Array) -> Array:
        """Where the tool's point is (K, 3) [m] in states (K, S)."""
        times = np.zeros((len(rows), 1))
        return tool_way(as_driven(np.hstack([rows, times]), self.layout)).numpy()


class ArmFollower:
    """Follows one plan.

    Args:
        tracker: of the arm.
        plan: to follow.
    """

    def __init__(self, tracker: ArmTracker, plan: Plan) -> None:
        self._tracker, self._plan = tracker, plan
        self._times, self._states = plan.times - plan.times[0], plan.states
        self.end = float(self._times[-1])
        self._commands = commands(self._states[:, tracker.joints])

    def _at(self, now: float | Array) -> Array:
        """States (..., S) of the plan."""
        columns = [np.interp(now, self._times, column) for column in self._states.T]
        found: Array = np.stack(columns, axis=-1)
        return found

    def _from(self, state: Array, times: Array) -> Array:
        """States (K, S) of the plan, from the present one on: what is off fades over ``FADES``.

        An object in the hand stays in it as it is.
        """
        tracker, planned = self._tracker, self._at(times)
        off = np.clip(1 - (times - times[0]) / min(FADES, times[-1] - times[0]), 0, 1)
        states: Array = planned + off[:, None] * (state - planned[0])
        in_hand = state[-3:] - tracker.tool(state[None])[0]
        if state[tracker.joints] < HOLDS and np.linalg.norm(in_hand) < IN_HAND:
            drawn = planned[0, -3:] - tracker.tool(planned[:1])[0]
            led = tracker.tool(states) - tracker.tool(planned)
            states[:, -3:] = planned[:, -3:] + led + in_hand - drawn
        return states

    def action(self, state: Array, now: float) -> Array:
        """Where the plan is a little later, and the gripper as it is now."""
        joints = self._at(now + LEAD)[: self._tracker.joints]
        last = int(np.searchsorted(self._times, now, side="right")) - 1
        return np.array([*joints, self._commands[last]])

    def off(self, state: Array, now: float) -> float:
        """Distance [m] of the tool from the plan's, or ``OBJECT_COUNTS`` times the object's."""
        there = self._at(now)
        tools = self._tracker.tool(np.stack([state, there]))
        apart = np.stack([tools[0] - tools[1], OBJECT_COUNTS * (state[-3:] - there[-3:])])
        return float(np.linalg.norm(apart, axis=1).max())

    def rest(self, state: Array, now: float, time: float) -> Trajectory:
        """What is left, at equal times."""
        whole = self._plan.trajectory
        times = np.linspace(now, self.end, whole.x.shape[-2])
        states = self._from(state, times)
        x = whole.x.clone()
        x[:, whole.layout.columns(whole.layout.start)] = torch.from_numpy(states).to(x)
        x[:, whole.layout.slice("dt")] = float(times[1] - times[0])
        return replace(whole, x=x, t_start=time)

    def foreseen(
        self, state: Array, time: float, *, now: float = 0.0, lasting: float = 0.0
    ) -> Trajectory:
        """The plan itself at the control rate, from the present state on, up to ``LONGEST``."""
        dt, left = self._tracker.dt, min(max(self.end - now, lasting), LONGEST)
        times = np.arange(max(2, round(left / dt) + 1), dtype=np.float64) * dt
        states = self._from(state, now + times)
        return as_driven(np.hstack([states, time + times[:, None]]), self._tracker.layout)


def held(gripper: float) -> float:
    """Command of a gripper that is to stay as it is."""
    return CLOSED if gripper < HOLDS else OPEN


def commands(gripper: Array) -> Array:
    """Command from each waypoint on (H,), of a gripper's widths (H,) [m].

    What is under way when a plan begins goes on.
    """
    found = np.full(len(gripper), held(gripper[0]))
    for work in works(gripper):
        under_way = work.first == 0 and work.told <= UNDER_WAY
        found[0 if under_way else work.told :] = OPEN if work.opens else CLOSED
    return found
