"""Shield: the last filter on an action, by what the robot could still do after it.

An action passes if the robot can be brought to rest from where it leads without violating a
constraint that must always hold (a backup policy, Bastani 2021). If not, the best of a few evasions
acts instead: coming to rest, or a push in one of several directions first; the one with the largest
margin, or the least harm if none is safe. How the robot moves is its tracker's to know. Knows
nothing of plans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glass_plan.constraints import Constraint
from glass_plan.trackers import Tracker

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shield:
    """Lets actions pass that leave a way out.

    Args:
        safety: what must always hold, walls or a robot's own limits included.
        tracker: of the robot.
    """

    safety: Constraint
    tracker: Tracker

    def filter(self, state: Array, action: Array, time: float) -> tuple[Array, bool]:
        """The action, or an evasion; and whether it is one.

        Args:
            state: (S,) as the tracker reads it.
            action: (A,) that is asked for.
            time: of the episode [s].
        """
        room = self.tracker.shield_margin
        with torch.inference_mode():
            if self.safety.margin(self.tracker.backup(state, action, time)) >= room:
                return action, False
            evasions, backups = self.tracker.evasions(state, action, time)
            margins = self.safety.margin(backups)
            harm = self.safety.violation(backups, buffer=room)
        best = int(margins.argmax() if (margins >= room).any() else harm.argmin())
        return evasions[best], True
