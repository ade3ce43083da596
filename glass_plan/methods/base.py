"""What every method of drawing candidates is given and gives back; knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan import kernels
from glass_plan.constraints import Constraint
from glass_plan.errors import RequestError
from glass_plan.guidance import Bend, Visits
from glass_plan.kernels.value import Potential
from glass_plan.layout import Trajectory
from glass_plan.prior import ConditionedPrior
from glass_plan.retiming import FORCE_SHARE
from glass_plan.rewards import Reward

UNGUIDED_TEMPERATURE = 0.7
"""Of a single sample, which cannot be chosen among others."""
LEAST = {"particles": 1, "transitions": 0, "inner_steps": 1}
"""Least values of the settings that count; OMPL and MPPI have no transitions."""
RANGES = {
    "rho": (-1, 1),
    "ess_min": (0, 1),
    "weight": (0, 1e12),
    "buffer": (0, 1e9),
    "temperature": (0, 1e9),
    "warm_t": (0, 1),
    "hard": (0, 1e9),
}
"""Of the others, both ends included."""


@dataclass(frozen=True)
class Sampling:
    """How candidates are drawn.

    Args:
        method: a key of ``METHODS``.
        particles: drawn side by side.
        transitions: steps of the flow time grid.
        inner_steps: network calls per transition, where the method has any.
        rho: noise correlation of the transitions; None for DDPM's.
        ess_min: resample below this share of effective particles.
        weight: of the penalty as a log-potential [1 / squared unit]; of ``barrier``, the rate at
            which a margin may change [1 / flow time].
        buffer: margin that guidance asks for beyond each constraint's own [m]; None for what suits
            the robot and its place (``Embodiment.buffer``).
        temperature: standard deviation of the noise that a draw begins with; below 1 the samples
            are nearer to the likeliest one (low-temperature sampling, Ajay et al. 2023).
        warm_t: flow time to which a previous plan is noised before it is denoised again.
        hard: margin for which violating candidates are projected at last; None leaves them be.
        effort: share of the robot's limits, which are forces of a point mass and speeds of joints,
            that plans use; the rest is the tracker's.
        detours: whether ``glass-fks`` leads trajectories to regions that they miss (``Visits``).
    """

    method: str = "glass-fks"
    particles: int = 8
    transitions: int = 6
    inner_steps: int = 2
    rho: float | None = None
    ess_min: float = 0.5
    weight: float = 50.0
    buffer: float | None = None
    temperature: float = 1.0
    warm_t: float = 0.5
    hard: float | None = None
    effort: float = FORCE_SHARE
    detours: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        for name, least in LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise RequestError(f"Sampling: {name} must be an integer >= {least}, got {value!r}")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise RequestError(f"Sampling: {name} must be in [{low}, {high:g}], got {value!r}")

    @classmethod
    def unguided(cls, rows: int) -> Sampling:
        """One likely sample of the prior, all rows spent on its ODE steps."""
        return cls(
            method="unguided",
            particles=1,
            transitions=rows,
            inner_steps=1,
            temperature=UNGUIDED_TEMPERATURE,
        )

    @classmethod
    def best_of(cls, count: int, steps: int) -> Sampling:
        """The best by exact margins of ``count`` ODE samples."""
        return cls(method="best-of-n", particles=count, transitions=steps, inner_steps=1)

    @property
    def rows(self) -> int:
        """Network rows of a cold start; a plan's own count is ``Plan.nfe``."""
        return self.particles * self.transitions * self.inner_steps


@dataclass(frozen=True)
class Request:
    """What a method draws from.

    Args:
        denoise: the prior between this start and goal.
        sampling: the settings.
        bend: what guidance may move.
        drivable: gives a path the speeds that the robot drives it at.
        parts: what must hold, the walls included, by name.
        bending: everything that ways are bent for, preferences included: all but speed limits,
            which ``drivable`` sees to. The gradient of one makes a way shorter, and an arm's, whose
            waypoints are close in time, grows without bound.
        buffer: margin that guidance asks for beyond each constraint's own [m].
        penalty: log-potential of all of them over flow time, to be raised.
        t_start: plan time of the first waypoint [s].
        max_speed: [m/s] that is declared, if any is.
        visits: leads to regions that are missed, if any are asked for.
        spacing: of the prior's waypoints [m].
        t_grid: flow times.
        x: particles at the first of them.
        generator: of all randomness.
        expired: whether the deadline has passed.
    """

    denoise: ConditionedPrior
    sampling: Sampling
    bend: Bend
    drivable: Callable[[Trajectory], Trajectory]
    parts: Mapping[str, Constraint]
    bending: Constraint
    buffer: float
    penalty: Reward
    t_start: float
    max_speed: float | None
    visits: Visits | None
    spacing: float
    t_grid: Sequence[float]
    x: Float[Tensor, "N H D"]
    generator: torch.Generator
    expired: Callable[[], bool]

    def needs_positions(self, method: str) -> None:
        """Raise a RequestError, naming the method, if what is planned are not ways of a point."""
        if self.bend.channel != "position":
            raise RequestError(
                f"plan: {method} knows ways of a point only, not of {self.bend.channel!r}; take a "
                "prior of a maze, or another method"
            )

    def potential(self, reward: Reward) -> Potential:
        """A reward in world units, weighted, of samples in model coordinates."""
        prior, weight = self.denoise.prior, self.sampling.weight
        return lambda x_1: weight * reward(prior.to_world(x_1, self.t_start))

    def run(self, kernel: kernels.Kernel) -> kernels.Run:
        """Take a kernel over the flow times from the particles."""
        return kernels.run(kernel, self.t_grid, self.x, self.generator, expired=self.expired)


@dataclass(frozen=True)
class Draw:
    """What a method has drawn.

    Args:
        x_1: (N, H, D) candidates in model coordinates.
        infos: of the steps.
        finished: False if the deadline cut it short.
    """

    x_1: Float[Tensor, "N H D"]
    infos: tuple[dict[str, float], ...]
    finished: bool

    @classmethod
    def of(cls, ran: kernels.Run) -> Self:
        """The end points of a run, and the best that steering has seen on the way."""
        x_1 = ran.state.x_1_hat
        if isinstance(ran.state, kernels.Steered):
            x_1 = torch.cat([x_1, ran.state.archive.x_1])
        return cls(x_1, ran.infos, ran.finished)


Method = Callable[[Request], Draw]
