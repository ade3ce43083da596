"""Methods as they are evaluated: how the planner draws, and what its controller knows and may do.

Settings were chosen on tuning scenes: of most methods by ``experiments/tune.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from glass_plan.checkpoint import ArmWorld, PriorConfig
from glass_plan.methods import Sampling


@dataclass(frozen=True)
class Arm:
    """A method as it is evaluated.

    Args:
        sampling: how the planner draws.
        fallback: of the controller.
        aware: whether it knows the constraints.
        shield: whether a last filter may override its actions.
        observed: whether it knows of what moves only the present place and velocity.
        controller: ``"mppi"`` makes no plans, so that sampling, fallback and shield are nothing to
            it.
    """

    sampling: Sampling
    fallback: Literal["brake", "follow"] = "brake"
    aware: bool = True
    shield: bool = False
    observed: bool = False
    controller: Literal["receding-horizon", "mppi"] = "receding-horizon"


_BEST_OF_N = Sampling.best_of(24, 4)
_GRADIENT = Sampling("gradient", transitions=12, inner_steps=1, weight=20.0)

ARMS: dict[str, Arm] = {
    "unguided": Arm(Sampling.unguided(96), "follow", aware=False),
    "best-of-n": Arm(_BEST_OF_N),
    "best-of-n-detours": Arm(replace(_BEST_OF_N, method="best-of-n-detours")),
    "best-of-n-glass": Arm(Sampling("best-of-n-glass", 24, 2)),
    "gradient": Arm(_GRADIENT),
    "pcgrad": Arm(replace(_GRADIENT, method="pcgrad")),
    "conflict-gate": Arm(replace(_GRADIENT, method="conflict-gate")),
    "barrier": Arm(Sampling("barrier", weight=8.0, warm_t=0.2)),
    "projection": Arm(Sampling("best-of-n", 12, 8, inner_steps=1, hard=0.02)),
    "sde-fks": Arm(Sampling("sde-fks", 16, 3)),
    "glass-fks-published": Arm(
        Sampling("glass-fks-published", transitions=3, inner_steps=4, rho=0.5, weight=5.0)
    ),
    "ompl-rrtconnect": Arm(Sampling("ompl-rrtconnect", transitions=0)),
    "ompl-bitstar": Arm(Sampling("ompl-bitstar", transitions=0)),
    "mppi": Arm(Sampling(transitions=0), controller="mppi"),
    "glass-fks": Arm(Sampling()),
    "glass-fks-no-detours": Arm(Sampling(detours=False)),
    "glass-fks+shield": Arm(Sampling(), shield=True),
    "best-of-n-observed": Arm(_BEST_OF_N, observed=True),
    "gradient-observed": Arm(_GRADIENT, observed=True),
    "glass-fks-observed": Arm(Sampling(), observed=True),
}
"""By name; every one spends at most 100 network rows a plan. Those that ``experiments/tune.py``
tunes have the best of five settings, but ``glass-fks``, which kept the first; OMPL and MPPI were
tuned by hand, by driving twenty tuning scenes of a kind; ``best-of-n-detours`` has best-of-N's."""

_ARM_GRADIENT = replace(_GRADIENT, weight=1e5)
OVER_A_TABLE: dict[str, Arm] = {
    "gradient": Arm(_ARM_GRADIENT),
    "pcgrad": Arm(replace(_ARM_GRADIENT, method="pcgrad")),
    "conflict-gate": Arm(replace(_ARM_GRADIENT, method="conflict-gate")),
    "sde-fks": Arm(Sampling("sde-fks")),
}
"""What takes the place of ``ARMS`` for a robot's arm, whose centimetres weigh less than a maze's
decimetres. Those of gradient and SDE-FKS are the best of five (``experiments/tune.py --world
maniskill``), as best-of-N's of ``ARMS`` is; the other two weigh as the gradient does."""


def in_order(methods: Iterable[str]) -> list[str]:
    """As ``ARMS`` lists them; what it does not know comes last, by name."""
    names = set(methods)
    return [*(name for name in ARMS if name in names), *sorted(names - ARMS.keys())]


def arm_for(method: str, config: PriorConfig) -> Arm:
    """A method of ``ARMS``, with the settings for the robot of a prior."""
    others = OVER_A_TABLE if isinstance(config.world, ArmWorld) else {}
    return others.get(method, ARMS[method])
