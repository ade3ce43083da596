"""The flow inside the flow: tables of a GLASS transition, and the one loop that follows them.

Holderrieth et al. 2025 (arXiv 2509.25170), in scalars. Between t and t', with k^2 = 1 + snr_t^2 and
snr = alpha / sigma:

    gbar = rho sigma' / sigma,  abar = alpha' - gbar alpha,  sbar^2 = sigma'^2 (1 - rho^2)    (1)
    a_s = s abar,  b_s = (1 - s) b_0 + s sbar,  b_0^2 = sbar^2 + (abar / k)^2                 (2)
    y_s = a_s x_1 + b_s eps;  Lambda = snr_t^2 + u_s^2,  u_s = a_s / b_s                      (3)
    network input  alpha_t* [ (alpha / sigma^2) x_t + (a_s / b_s^2) y_s ] / Lambda, at
                   t* with snr_t*^2 = Lambda                                                  (4)
    step  y_s' = r y_s + (a_s' - r a_s) D,  r = b_s' / b_s                                    (5)
    x_t' = y_1 + gbar x_t                                                                     (6)

(5) is exact while D is constant. The solver ``2m`` puts D + c (D - D_previous) in its place: D is
taken as linear in w = u / sqrt(k^2 + u^2), as it is for data of unit variance (linear in u where u
is small, and in the noise variance 1 / u^2 where it is large). With w's mean over the next step,

    wbar = (u + u') / (sqrt(k^2 + u^2) + sqrt(k^2 + u'^2)),  c = (wbar - w) / (w - w_before)    (7)

b_0 is free; (2) starts with the spread that y_1 has for data of unit variance, so noise is neither
blown up nor squeezed on the way. At s = 0 the network input is x_t itself at time t: a transition
of M inner steps costs M network calls, the look-ahead D_t(x_t) included.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from glass_plan.denoisers import Denoiser
from glass_plan.errors import KernelError, did_you_mean
from glass_plan.schedules import Schedule

SOLVERS = ("euler", "2m")
"""Of the inner flow: first order, and second-order multistep at the same price."""


@dataclass(frozen=True)
class InnerStep:
    """One inner step: D at time t_star of from_x x_t + from_y y; then y <- r y + gain D.

    ``extrapolate`` is c of (7): 0 for ``euler`` and for the first step.
    """

    t_star: float
    from_x: float
    from_y: float
    r: float
    gain: float
    extrapolate: float


@dataclass(frozen=True)
class Table:
    """All scalars of a transition, computed once in float64.

    Args:
        steps: of the inner flow.
        b_0: standard deviation of the noise that it starts from.
        abar: by which a shift of the clean sample becomes one of the starting noise.
        end_x, end_y: x_t' = end_x x_t + end_y y.
    """

    steps: tuple[InnerStep, ...]
    b_0: float
    abar: float
    end_x: float
    end_y: float

    @property
    def is_deterministic(self) -> bool:
        """Whether the starting noise is forgotten (one step to a point)."""
        return len(self.steps) == 1 and self.steps[0].r == 0.0


def check_inner(kernel: str, inner_steps: int, solver: str) -> None:
    """Raise KernelError unless the inner flow is well defined."""
    if inner_steps < 1:
        raise KernelError(f"{kernel}: inner_steps must be at least 1, got {inner_steps}")
    if solver not in SOLVERS:
        hint = did_you_mean(solver, SOLVERS)
        raise KernelError(f"{kernel}: unknown solver {solver!r}{hint}")


@functools.lru_cache(maxsize=4096)
def transition_table(
    schedule: Schedule, t: float, t_next: float, rho: float, inner_steps: int, solver: str
) -> Table:
    """Scalars of the transition t -> t_next; t_next = 1 samples the posterior p(x_1 | x_t).

    Args:
        schedule: of the model.
        t: in [0, 1).
        t_next: in (t, 1].
        rho: correlation of the noise before and after, in [-1, 1].
        inner_steps: M.
        solver: of ``SOLVERS``.
    """
    gbar = rho * schedule.sigma(t_next) / schedule.sigma(t)
    abar = schedule.alpha(t_next) - gbar * schedule.alpha(t)
    sbar = schedule.sigma(t_next) * math.sqrt(1 - rho**2)
    steps, b_0 = _steps(schedule, t, (abar, sbar), 1.0, inner_steps, solver)
    return Table(steps, b_0, abar, end_x=gbar, end_y=1.0)


@functools.lru_cache(maxsize=4096)
def early_stop_table(
    schedule: Schedule, t: float, t_next: float, inner_steps: int, solver: str
) -> Table:
    """DDPM's transition as the posterior flow, stopped where its statistic has the noise of t_next.

    That is where Lambda = snr_t'^2; there x_t' = alpha_t' S, with S the network input of (4) over
    alpha_t*. Going on would end in a sample of p(x_1 | x_t).
    """
    if t_next >= 1.0:
        return transition_table(schedule, t, t_next, 0.0, inner_steps, solver)
    snr, snr_next = _snr(schedule, t), _snr(schedule, t_next)
    b_0 = 1.0 / math.sqrt(1.0 + snr**2)
    u = math.sqrt(snr_next**2 - snr**2)
    end = u * b_0 / (1.0 + u * b_0)  # where s / ((1 - s) b_0) = u
    steps, _ = _steps(schedule, t, (1.0, 0.0), end, inner_steps, solver)
    scale = schedule.alpha(t_next) / snr_next**2
    end_x = scale * schedule.alpha(t) / schedule.sigma(t) ** 2
    aim = end / math.hypot(end, 1 - end)  # for data of unit variance a shift shrinks by the root
    return Table(steps, b_0, aim, end_x, end_y=scale * end / ((1 - end) * b_0) ** 2)


def _steps(
    schedule: Schedule,
    t: float,
    target: tuple[float, float],
    end: float,
    inner_steps: int,
    solver: str,
) -> tuple[tuple[InnerStep, ...], float]:
    """Equal steps of s from 0 to ``end`` on the path to (abar, sbar), and its b_0."""
    abar, sbar = target
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    k = math.sqrt(1.0 + (alpha / sigma) ** 2)
    b_0 = math.hypot(sbar, abar / k)

    def at(step: int) -> tuple[float, float]:
        s = end * step / inner_steps
        return s * abar, (1 - s) * b_0 + s * sbar

    def point(step: int) -> tuple[float, float]:
        a, b = at(step)
        return a, k * b

    steps = []
    for m in range(inner_steps):
        (a, b), (a_next, b_next) = at(m), at(m + 1)
        t_star, from_x, from_y = t, 1.0, 0.0  # at s = 0 there is no signal in y yet
        if m > 0:
            precision = (alpha / sigma) ** 2 + (a / b) ** 2
            t_star = schedule.t_of_snr(math.sqrt(precision))
            scale = schedule.alpha(t_star) / precision
            from_x, from_y = scale * alpha / sigma**2, scale * a / b**2
        r = b_next / b
        c = 0.0
        if solver == "2m" and m > 0:
            c = extrapolation(point(m - 1), point(m), point(m + 1))
        steps.append(InnerStep(t_star, from_x, from_y, r, a_next - r * a, c))
    return tuple(steps), b_0


Point = tuple[float, float]
"""Signal and noise (a, b) of a path whose w = a / sqrt(a^2 + b^2)."""


def extrapolation(before: Point, now: Point, after: Point) -> float:
    """c of (7): with it a D that is linear in w, known twice, stands for the step to ``after``."""
    w, w_before = now[0] / math.hypot(*now), before[0] / math.hypot(*before)
    return (mean_w(now, after) - w) / (w - w_before)


def mean_w(now: Point, after: Point) -> float:
    """Mean of w over a step, by u = a / b; also for b = 0 at its end."""
    (a, b), (a_next, b_next) = now, after
    return (a * b_next + a_next * b) / (b_next * math.hypot(a, b) + b * math.hypot(a_next, b_next))


def integrate(
    denoise: Denoiser,
    table: Table,
    x_t: Float[Tensor, "N ..."],
    x_1_hat: Float[Tensor, "N ..."],
    y: Float[Tensor, "N ..."],
) -> Float[Tensor, "N ..."]:
    """Follow the inner flow; M - 1 calls.

    Args:
        denoise: D_t(x).
        table: of the transition.
        x_t: particles.
        x_1_hat: their D_t(x_t), already known.
        y: starting noise, of standard deviation ``table.b_0``.

    Returns:
        x_t'.
    """
    before = x_1_hat
    for m, step in enumerate(table.steps):
        if m > 0:
            x_1_hat = denoise(step.from_x * x_t + step.from_y * y, step.t_star)
        aim = x_1_hat
        if step.extrapolate:
            aim = (1 + step.extrapolate) * x_1_hat - step.extrapolate * before
        y = step.r * y + step.gain * aim
        before = x_1_hat
    return table.end_x * x_t + table.end_y * y


def _snr(schedule: Schedule, t: float) -> float:
    return schedule.alpha(t) / schedule.sigma(t)
