"""How a planner draws candidates: the settings, and one function a method.

Unguided and best-of-N are samples of the prior; GLASS-FKS steers them by the constraints' penalty.
Knows nothing of how candidates are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan import kernels
from glass_plan.checkpoint import Dynamics
from glass_plan.guidance import TrajectoryProx, Visits
from glass_plan.kernels.value import Potential
from glass_plan.prior import ConditionedPrior
from glass_plan.rewards import Reward

UNGUIDED_TEMPERATURE = 0.7
"""Of a single sample, which cannot be chosen among others."""


@dataclass(frozen=True)
class Sampling:
    """How candidates are drawn.

    Args:
        method: a key of ``METHODS``.
        particles: drawn side by side.
        transitions: steps of the flow time grid.
        inner_steps: network calls per transition (``glass-fks`` only).
        rho: noise correlation of the transitions; None for DDPM's.
        ess_min: resample below this share of effective particles.
        weight: of the penalty as a log-potential [1 / squared unit].
        buffer: margin that steering asks for beyond each constraint's own.
        temperature: standard deviation of the noise that a draw begins with; below 1 the samples
            are nearer to the likeliest one (low-temperature sampling, Ajay et al. 2023).
        warm_t: flow time to which a previous plan is noised before it is denoised again.
        hard: margin for which violating candidates are projected at last; None leaves them be.
        detours: whether ``glass-fks`` leads trajectories to regions that they miss (``Visits``).
    """

    method: str = "glass-fks"
    particles: int = 8
    transitions: int = 6
    inner_steps: int = 2
    rho: float | None = None
    ess_min: float = 0.5
    weight: float = 50.0
    buffer: float = 0.05
    temperature: float = 1.0
    warm_t: float = 0.5
    hard: float | None = None
    detours: bool = True

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
        dynamics: of the robot.
        penalty: log-potential of the constraints over flow time, to be raised.
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
    dynamics: Dynamics
    penalty: Reward
    t_start: float
    max_speed: float | None
    visits: Visits | None
    spacing: float
    t_grid: Sequence[float]
    x: Float[Tensor, "N H D"]
    generator: torch.Generator
    expired: Callable[[], bool]


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


def _flow(request: Request) -> Draw:
    """Plain samples of the prior."""
    ran = _run(kernels.Ode(request.denoise, request.denoise.prior.schedule), request)
    return Draw(ran.state.x_1_hat, ran.infos, ran.finished)


def _steered(request: Request) -> Draw:
    """GLASS transitions with the prox in the denoiser's place, inside Feynman-Kac steering.

    Look-aheads and the prox take the penalty of their own flow time; the target, and the archive's
    order, that of t = 1.
    """
    sampling, prior = request.sampling, request.denoise.prior

    def potential(penalty: Reward) -> Potential:
        return lambda x_1: sampling.weight * penalty(prior.to_world(x_1, request.t_start))

    def at(t: float) -> Potential:
        penalty = request.penalty.at(t)
        return reward if penalty == target else potential(penalty)

    target = request.penalty.at(1.0)
    reward = potential(target)
    prox = TrajectoryProx(
        request.denoise,
        request.penalty,
        request.dynamics,
        request.t_start,
        request.max_speed,
        visits=request.visits if sampling.detours else None,
        spacing=request.spacing,
    )
    move = kernels.Glass(prox, prior.schedule, sampling.inner_steps, sampling.rho)
    value = kernels.LookAhead(reward, at)
    steering = kernels.FeynmanKac(move, reward, value, ess_min=sampling.ess_min, base="move")
    ran = _run(steering, request)
    assert isinstance(ran.state, kernels.Steered)
    return Draw(torch.cat([ran.state.x_1_hat, ran.state.archive.x_1]), ran.infos, ran.finished)


def _run(kernel: kernels.Kernel, request: Request) -> kernels.Run:
    return kernels.run(
        kernel, request.t_grid, request.x, request.generator, expired=request.expired
    )


METHODS: dict[str, Callable[[Request], Draw]] = {
    "unguided": _flow,
    "best-of-n": _flow,
    "glass-fks": _steered,
}
"""How candidates are drawn; all are judged in the same way."""
