"""Until and its dual: one thing holds up to another.

rho(hold U goal) = sup_s min(rho(goal, s), inf_{u <= s} rho(hold, u)) (Donze & Maler, 2010); Release
is the opposite of Until of the opposites. Whether hold is asked for at the instant of the goal
matters only if that is the first of all: margins ask for it in both, penalties in Release only.

From plan time 0 by running extrema, O(H). From every instant by hold U_[a,b] goal = F_[a,b] goal
and G_[0,a] (hold U goal) (Donze, Ferrere & Maler, 2013), whose part without a window is a recursion
from the end (recursions.py). That needs hold at the instant of the goal in Until, and not in
Release: where it is otherwise, what comes before the window, [0,a), is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from glass_plan.constraints import signals, windows
from glass_plan.constraints.base import Constraint, negated
from glass_plan.constraints.checks import LARGEST
from glass_plan.constraints.formulas import Temporal
from glass_plan.constraints.joined import NOTHING
from glass_plan.constraints.recursions import held_up_to, least_sum_up_to
from glass_plan.constraints.smooth import Instants, all_instants, any_instants
from glass_plan.constraints.windows import Window
from glass_plan.layout import Trajectory


@dataclass(frozen=True, repr=False)
class Until(Temporal):
    """``hold`` holds from the beginning until, in the window, ``goal`` holds; and it does.

    Args:
        hold: up to then.
        goal: once.
        window: (start, end) [s] of the goal; empty for any time.
    """

    hold: Constraint
    goal: Constraint
    window: Window = ()

    word, operands = "until", ("hold", "goal")

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Largest of the goal's, each no more than hold's up to it; see ``Constraint.margin``."""
        hold = self.hold.instants(trajectory, temperature=temperature)
        goal = self.goal.instants(trajectory, temperature=temperature)
        up_to = windows.running_smallest(hold.low, temperature)
        both = Instants(torch.minimum(goal.low, up_to), torch.minimum(goal.high, up_to))
        return signals.eventually_from_zero(both, trajectory, self.window, temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Soft least of the goal's and the sum of hold's before; see ``Constraint.violation``."""
        hold = self.hold.shortfalls(trajectory, buffer=buffer)
        goal = self.goal.shortfalls(trajectory, buffer=buffer)
        both = goal + pad(hold.cumsum(-1)[..., :-1], (1, 0))
        return signals.least_of(both, signals.in_window(trajectory, self.window))

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """See ``Constraint.instants``."""
        goal = self.goal.instants(trajectory, temperature=temperature)
        hold = self.hold.instants(trajectory, temperature=temperature)
        free = _unlimited(hold, goal, -LARGEST)
        if not self.window:
            return free
        once = signals.eventually_within(goal, trajectory, self.window, temperature)
        before = (0.0, self.window[0])
        up_to = signals.always_within(free.low, trajectory, before, temperature)
        return all_instants([once, up_to], temperature)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """See ``Constraint.shortfalls``."""
        hold = self.hold.shortfalls(trajectory, buffer=buffer)
        goal = self.goal.shortfalls(trajectory, buffer=buffer)
        free = least_sum_up_to(hold, goal, LARGEST)
        if not self.window:
            return free
        before = (0.0, self.window[0])
        once = signals.least_within(goal, trajectory, self.window)
        up_to = signals.sum_within(free, trajectory, before)
        early = signals.sum_within(hold, trajectory, before, with_end=False)  # no goal counts yet
        return once + up_to + early

    def remaining(self, driven: Trajectory) -> Constraint:
        """Nothing once the goal was met; see ``Constraint.remaining``."""
        return NOTHING if self.margin(driven) > 0 else self

    def __invert__(self) -> Constraint:
        return Release(~self.goal, ~self.hold, self.window, name=negated(self.name))


@dataclass(frozen=True, repr=False)
class Release(Temporal):
    """``hold`` holds, in the window, up to and with the instant when ``goal`` does, if ever.

    Args:
        hold: up to then, or for ever.
        goal: what releases from it.
        window: (start, end) [s] of the instants at which ``hold`` is asked for; empty for all.
    """

    hold: Constraint
    goal: Constraint
    window: Window = ()

    word, operands = "release", ("hold", "goal")

    def margin(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Float[Tensor, "..."]:
        """Least of hold's, each no less than the goal's before; see ``Constraint.margin``."""
        hold = self.hold.instants(trajectory, temperature=temperature)
        goal = self.goal.instants(trajectory, temperature=temperature)
        before = windows.running_largest(goal.high, temperature)
        released = torch.maximum(hold.low, pad(before[..., :-1], (1, 0), value=-LARGEST))
        return signals.always_from_zero(released, trajectory, self.window, temperature)

    def violation(self, trajectory: Trajectory, *, buffer: float = 0.0) -> Float[Tensor, "..."]:
        """Sum of hold's, each no more than the goal's before; see ``Constraint.violation``."""
        hold = self.hold.shortfalls(trajectory, buffer=buffer)
        goal = self.goal.shortfalls(trajectory, buffer=buffer)
        before = pad(goal.cummin(-1).values[..., :-1], (1, 0), value=LARGEST)
        inside = signals.in_window(trajectory, self.window)
        return (torch.minimum(hold, before) * inside).sum(-1)

    def instants(self, trajectory: Trajectory, *, temperature: float = 0.0) -> Instants:
        """See ``Constraint.instants``."""
        goal = self.goal.instants(trajectory, temperature=temperature)
        hold = self.hold.instants(trajectory, temperature=temperature)
        free = _unlimited(hold, goal, LARGEST)
        if not self.window:
            return free
        before = (0.0, self.window[0])
        if self.window[0] > 0:  # nothing has to hold yet
            free = any_instants([goal, free], temperature)
        all_along = signals.always_within(hold.low, trajectory, self.window, temperature)
        released = signals.eventually_within(free, trajectory, before, temperature)
        return any_instants([all_along, released], temperature)

    def shortfalls(
        self, trajectory: Trajectory, *, buffer: float = 0.0
    ) -> Float[Tensor, "... 2*H-1"]:
        """See ``Constraint.shortfalls``."""
        hold = self.hold.shortfalls(trajectory, buffer=buffer)
        goal = self.goal.shortfalls(trajectory, buffer=buffer)
        free = least_sum_up_to(hold, hold + goal, 0.0)  # and with the instant of the goal
        if not self.window:
            return free
        before = (0.0, self.window[0])
        all_along = signals.sum_within(hold, trajectory, self.window)
        released = signals.least_within(free, trajectory, before)
        if self.window[0] > 0:  # nothing has to hold yet
            early = signals.least_within(goal, trajectory, before, with_end=False)
            released = torch.minimum(released, early)
        return torch.minimum(all_along, released)

    def __invert__(self) -> Constraint:
        return Until(~self.goal, ~self.hold, self.window, name=negated(self.name))


def _unlimited(hold: Instants, goal: Instants, last: float) -> Instants:
    """Without a window: hold up to the goal; ``last`` is what it is worth if that never comes."""
    begun = held_up_to(hold.low, goal.high, last)  # at the start of each segment
    following = pad(begun[..., 1:], (0, 1), value=last)
    now = torch.minimum(hold.low, torch.maximum(goal.low, following))
    return Instants(now, torch.maximum(now, begun))
