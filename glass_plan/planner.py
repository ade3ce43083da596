"""Planner: a request in, a plan with its evidence out.

Has candidates drawn from the prior (methods.py), makes their speeds drivable, judges all of them by
exact margins and chooses by rule. Knows no simulator.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import replace

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from glass_plan import kernels
from glass_plan.checkpoint import PriorConfig, from_pretrained
from glass_plan.constraints import All, Constraint, Hard, SpeedLimit, asked
from glass_plan.embodiments import as_vector, embodiment
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.guidance import Bend, project, smoothing_kernel
from glass_plan.layout import Trajectory
from glass_plan.methods import METHODS, Request, Sampling
from glass_plan.prior import FlowPrior
from glass_plan.records import Array, Plan, Status

SPEED_SHARE = 0.93
"""Of a speed limit that a plan drives at; the rest is for tracking errors."""
ENOUGH = 0.04
"""Margin [constraint's unit] beyond which more does not count; the shorter plan wins then."""

REPAIR_STEPS = 6
"""Most steps of a projection."""


class Planner:
    """Plans with a trajectory prior.

    Args:
        prior: the model.
        config: of the checkpoint; its world says whose plans these are.
        sampling: how candidates are drawn.
    """

    def __init__(self, prior: FlowPrior, config: PriorConfig, sampling: Sampling) -> None:
        if sampling.method not in METHODS:
            hint = did_you_mean(sampling.method, METHODS)
            raise RequestError(f"planner: unknown method {sampling.method!r}{hint}")
        if not 0 < sampling.effort <= 1:
            raise RequestError(f"planner: effort must be in (0, 1], got {sampling.effort}")
        self.prior, self.config, self.sampling = prior, config, sampling
        self.embodiment = embodiment(config)

    @classmethod
    def from_pretrained(
        cls,
        name: str,
        *,
        sampling: Sampling | None = None,
        device: str | torch.device = "cpu",
    ) -> Planner:
        """A planner over a shipped checkpoint or a folder.

        Raises:
            CheckpointError: unknown name, corrupt or mismatched checkpoint.
        """
        prior, config = from_pretrained(name, device=device)
        return cls(prior, config, sampling or Sampling())

    def with_sampling(self, sampling: Sampling) -> Planner:
        """The same model, drawn from in another way."""
        return Planner(self.prior, self.config, sampling)

    def plan(
        self,
        start: ArrayLike | Mapping[str, ArrayLike],
        goal: ArrayLike,
        constraints: Constraint | None = None,
        *,
        seed: int = 0,
        t_start: float = 0.0,
        warm_start: Trajectory | None = None,
        deadline: float | None = None,
        strict: bool = True,
    ) -> Plan:
        """Plan from a state to a goal under constraints.

        Args:
            start: (S,) the layout's start channels: of a point mass position [m] and velocity
                [m/s], of an arm joints [rad], gripper [m] and the object's place [m]; or an
                observation of a world's (``Embodiment.state``).
            goal: (G,) its goal channels: a place [m], of an arm the object's.
            constraints: what must hold besides what always has to there, e.g. a maze's walls.
            seed: of all randomness.
            t_start: time now [s], at which moving obstacles are read.
            warm_start: (H, D) a previous plan from the present state; it is refined, not redrawn.
            deadline: [s] of wall time; a plan cut short has the status TIMEOUT.
            strict: refuse a start that violates what must always hold, or an end that cannot be,
                as in a wall or out of reach; a controller that has to get out of one says False.

        Returns:
            The chosen plan; INFEASIBLE, with the margins, if no candidate satisfies everything.

        Raises:
            RequestError: not finite, wrong shape, or (strict) in violation from the start.
            LayoutError: a constraint reads a channel that the model does not have.
        """
        began = time.perf_counter()
        constraints = asked("plan", constraints)
        for name, value in (("t_start", t_start), ("deadline", deadline)):
            if value is not None and math.isnan(value):
                raise RequestError(f"plan: {name} must be a time [s], got {value}")
        state, target = self.embodiment.state(start), as_vector(goal, "goal")
        denoise = self.prior.condition(state, target)
        everything = self.judged(constraints)
        judged = everything.parts()
        for part in judged.values():
            part.check(self.prior.layout)
        if strict:
            self._refuse(state, target, judged, t_start)
        generator = torch.Generator().manual_seed(seed)
        grid, x = self._initial(warm_start, generator)

        def expired() -> bool:
            return deadline is not None and time.perf_counter() - began > deadline

        max_speed, robot = speed_limit(judged), self.embodiment
        buffer = robot.buffer if self.sampling.buffer is None else self.sampling.buffer
        drivable = functools.partial(
            robot.drivable, max_speed=max_speed, effort=self.sampling.effort
        )
        request = Request(
            denoise=denoise,
            sampling=self.sampling,
            bend=robot.bend,
            drivable=drivable,
            parts=judged,
            bending=without_speed_limits(everything),
            buffer=buffer,
            penalty=everything.soft(weight=1.0, buffer=buffer),
            t_start=t_start,
            max_speed=max_speed,
            visits=robot.visits(judged),
            spacing=self.config.spacing,
            t_grid=grid,
            x=x,
            generator=generator,
            expired=expired,
        )
        draw = METHODS[self.sampling.method](request)
        extra = [] if warm_start is None else [self.prior.from_world(warm_start)[None]]
        drawn = self.prior.to_world(torch.cat([draw.x_1, *extra]), t_start)
        candidates = drivable(robot.settled(drawn))
        if self.sampling.hard is not None and not expired():
            demand = request.bending.hard(self.sampling.hard)
            candidates = drivable(repair(candidates, demand, robot.bend))
        best, margins, feasible = choose(candidates, judged)
        verdict = Status.FEASIBLE if feasible else Status.INFEASIBLE
        return Plan(
            trajectory=replace(candidates, x=candidates.x[best]),
            candidates=candidates,
            status=verdict if draw.finished else Status.TIMEOUT,
            margins=margins,
            nfe=denoise.count.rows,
            calls=denoise.count.calls,
            wall_time=time.perf_counter() - began,
            ess=tuple(info["ess"] for info in draw.infos if "ess" in info),
            log_z=draw.infos[-1].get("log_z", float("nan")) if draw.infos else float("nan"),
        )

    def state(self, observation: ArrayLike | Mapping[str, ArrayLike]) -> Array:
        """(S,) what a plan from an observation begins with.

        Raises:
            RequestError: there is no such state in it, or it is not finite.
        """
        state = self.embodiment.state(observation)
        self.prior.layout.check_values("state", state, self.prior.layout.start)
        return state.numpy()

    def judged(self, constraints: Constraint) -> Constraint:
        """What plans are judged by: what always has to hold here, and what is asked for."""
        terms = constraints.terms if isinstance(constraints, All) else (constraints,)
        return All((self.embodiment.standing, *terms))

    def _refuse(
        self, state: Tensor, target: Tensor, judged: Mapping[str, Constraint], t_start: float
    ) -> None:
        """Raise for a start that violates a safety constraint, or an end that cannot be."""
        layout, ends = self.prior.layout, self.embodiment.of_ends.parts()
        safety = {name: part for name, part in judged.items() if part.is_safety}
        for what, names, place, checks in (
            ("start", layout.start, state, ends | safety),
            ("goal", layout.goal, target, ends),
        ):
            still = torch.zeros(2, layout.dim, dtype=torch.float64)
            still[:, layout.columns(names)] = place
            for name, part in checks.items():
                margin = float(part.margin(Trajectory(still, layout, t_start)))
                if margin < 0:
                    raise RequestError(
                        f"plan: {what} {[round(v, 3) for v in place.tolist()]} violates {name!r} "
                        f"(margin {margin:.3f}); move it, or plan with strict=False to get out"
                    )

    def _initial(
        self, warm_start: Trajectory | None, generator: torch.Generator
    ) -> tuple[tuple[float, ...], Tensor]:
        sampling, device = self.sampling, self.prior.normalizer.mean.device
        x_0 = sampling.temperature * kernels.noise(
            sampling.particles, self.prior.shape, generator, device=device
        )
        if warm_start is None:
            return kernels.uniform_grid(sampling.transitions), x_0
        t, schedule = sampling.warm_t, self.prior.schedule
        steps = max(1, round(sampling.transitions * (1 - t)))
        x_t = schedule.alpha(t) * self.prior.from_world(warm_start) + schedule.sigma(t) * x_0
        return kernels.uniform_grid(steps, t), x_t


def repair(candidates: Trajectory, demand: Hard, bend: Bend) -> Trajectory:
    """Ways moved, smoothly and as little as it takes, to where they satisfy a demand, if at all."""
    projected = project(
        candidates,
        demand,
        channels=(bend.channel,),
        spread=smoothing_kernel(candidates, bend),
        max_iterations=REPAIR_STEPS,
    )
    return bend.along(candidates, projected.trajectory)


def without_speed_limits(constraint: Constraint) -> Constraint:
    """The terms of a conjunction but for the speed limits among them."""
    if not isinstance(constraint, All):
        return constraint
    others = (term for term in constraint.terms if not isinstance(term, SpeedLimit))
    return replace(constraint, terms=tuple(without_speed_limits(term) for term in others))


def speed_limit(judged: Mapping[str, Constraint], share: float = SPEED_SHARE) -> float | None:
    """A share of the lowest of the speed limits among the parts [m/s], if there is one."""
    limits = [part.limit for part in judged.values() if isinstance(part, SpeedLimit)]
    return share * min(limits) if limits else None


def choose(
    candidates: Trajectory, judged: Mapping[str, Constraint]
) -> tuple[int, dict[str, float], bool]:
    """The best candidate by rule: its index, exact margins, and whether it is feasible."""
    best, *_ = ranked(candidates, judged)
    return best


def ranked(
    candidates: Trajectory, judged: Mapping[str, Constraint]
) -> list[tuple[int, dict[str, float], bool]]:
    """All candidates, the best first: their index, exact margins, and whether they are feasible.

    Among the feasible, margins up to ``ENOUGH`` count, then the shorter time; then come the others,
    the least violating first. A margin that is not a number violates without bound, and what is
    not finite comes last.
    """
    table = {name: part.margin(candidates) for name, part in judged.items()}
    worst = torch.stack(list(table.values())).nan_to_num(nan=-torch.inf).amin(0)  # (N,)
    duration = candidates.times[:, -1]
    finite = candidates.x.isfinite().flatten(1).all(1)
    feasible = (worst > 0) & finite
    score = worst.clamp(torch.finfo(worst.dtype).min, ENOUGH) + feasible * (1 - 1e-3 * duration)
    score = score.where(finite, -torch.inf)
    return [
        (k, {name: float(margin[k]) for name, margin in table.items()}, bool(feasible[k]))
        for k in score.argsort(descending=True, stable=True).tolist()
    ]
