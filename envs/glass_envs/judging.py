"""How an environment judges its steps by a constraint: which parts it can, and what it tells.

A step is all that is seen, so every part is judged on it alone: one that must always hold costs 1
for each step in which it is violated, one that must hold once is remembered. Knows nothing of
worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glass_plan.constraints import AnyOf, Constraint, Eventually, Leaf
from glass_plan.errors import RequestError


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
