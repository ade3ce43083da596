"""How an environment judges its steps by a constraint: which parts it can, and what it tells.

A step is all that is seen, so every part is judged on it alone: one that must always hold costs 1
for each step in which it is violated, one that must hold once is remembered. A step may be several
of physics. Knows nothing of worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glass_plan.constraints import AnyOf, Constraint, Eventually, Leaf
from glass_plan.errors import RequestError
from glass_plan.layout import Trajectory


def check_steps_decide(world: str, parts: Mapping[str, Constraint]) -> None:
    """Raise a RequestError, naming the world and the part, if no single step decides a part."""
    for name, part in parts.items():
        if not (part.is_safety or _met_at_an_instant(part)):
            raise RequestError(
                f"{world}: {name!r} takes more than one instant to judge, and a step is all "
                "that is seen; leave it out here, judge the driven path (glass_plan.judge)"
            )


def _met_at_an_instant(part: Constraint) -> bool:
    """Whether one physics step in which it holds is enough for the whole episode."""
    match part:
        case AnyOf(terms=terms):
            return all(map(_met_at_an_instant, terms))
        case Eventually(term=term):
            return term.is_state
        case Leaf():
            return not part.is_safety
    return False


def stepwise(part: Constraint, way: Trajectory) -> NDArray[np.float64]:
    """Margin of a part that must always hold over each physics step, in its unit, (S,).

    Args:
        part: of a constraint.
        way: (S + 1, D), or the start of an episode, (1, D), which counts as a step.
    """
    with torch.inference_mode():
        if part.is_state:
            return np.asarray(part.instants(way).low.numpy())
        if len(way.x) == 1:
            return np.asarray(part.margin(way)[None].numpy())
        steps = torch.stack([way.x[:-1], way.x[1:]], dim=-2)  # (S, 2, D)
        apart = Trajectory(steps, way.layout, t_start=way.times[:-1, None])
        return np.asarray(part.margin(apart).numpy())


class Tally:
    """What has been reached in an episode, and what a step costs.

    Args:
        parts: of a constraint; those that must hold once begin as not reached.
    """

    def __init__(self, parts: Mapping[str, Constraint]) -> None:
        self._reached = {name: False for name, part in parts.items() if not part.is_safety}

    @property
    def done(self) -> bool:
        """Whether all that must hold once has held."""
        return all(self._reached.values())

    def count(self, margins: Mapping[str, float]) -> dict[str, Any]:
        """What ``info`` tells of a step.

        Args:
            margins: of every part over the step, in its unit.

        Returns:
            ``margin_<name>`` and ``cost_<name>`` (0.0 or 1.0), ``reached_<name>`` and ``cost``.
        """
        info: dict[str, Any] = {}
        cost = 0.0
        for name, margin in margins.items():
            if name in self._reached:
                self._reached[name] |= margin > 0
                info[f"reached_{name}"] = self._reached[name]
            else:
                info[f"margin_{name}"], info[f"cost_{name}"] = margin, float(margin < 0)
                cost += info[f"cost_{name}"]
        return {**info, "cost": cost}
