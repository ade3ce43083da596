"""MPPI: sampled actions through the true dynamics, weighed by their costs, many times a second.

A baseline after Williams et al. (2017), by ``pytorch-mppi``. At every decision

    u <- sum_k w_k u_k,    w_k ~ exp(-(S_k - min S) / temperature),                             (1)

over action sequences u_k sampled about the last one, each action held for ``hold`` physics steps.
The cost of a roll-out x_1 .. x_T is

    S = mean_t L(x_t) + L(x_T) + sum_t sum_c h_c(x_t, t),                                       (2)

L(x) [m] what is left of the shortest tour of regions to the goal, by ways round walls and what
stays, with the regions counted off that the roll-out has seen by then; h_c what it costs to be
close to walls and to what must be avoided, where that is at plan time t. Limits of speed are kept
by the filter that ``RecedingHorizon`` has for actions, in roll-outs, too. Knows no model and makes
no plan: every decision is PLANNED. Of other constraints it knows nothing.
"""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from glass_plan.checkpoint import Dynamics
from glass_plan.constraints import Constraint, asked
from glass_plan.controller import TRACKED_SHARE
from glass_plan.embodiments import as_point_mass
from glass_plan.errors import MissingPackageError, RequestError
from glass_plan.mppi_costs import Cost, Settings
from glass_plan.planner import Planner, speed_limit
from glass_plan.progress import as_driven
from glass_plan.records import Decision, Outcome
from glass_plan.tracking import integrate, slowed

Array = NDArray[np.float64]


@dataclass
class _Drive:
    """What changes during an episode."""

    goal: Array
    seed: int
    asked: Constraint
    sampler: Any
    action: Array = field(default_factory=lambda: np.zeros(2))
    next_decision: float = 0.0
    driven: list[Array] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


class Mppi:
    """Drives a robot by sampled actions.

    Args:
        planner: of whose world the walls and the dynamics are; it draws nothing.
        constraints: what must hold besides the world's walls.
        settings: of the sampling.
    """

    def __init__(
        self,
        planner: Planner,
        constraints: Constraint | None,
        settings: Settings | None = None,
    ) -> None:
        self.planner, self.constraints = planner, asked("mppi", constraints)
        self._robot = as_point_mass(planner.embodiment, "mppi")
        self.settings = settings or Settings()
        self._max_speed = speed_limit(self._judged(self.constraints), TRACKED_SHARE)
        self._drive: _Drive | None = None
        self._cost: Cost | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Decisions since the last reset, in order."""
        return tuple(self._drive.decisions) if self._drive else ()

    def reset(self, goal: ArrayLike, seed: int) -> None:
        """Begin an episode.

        Args:
            goal: (2,) [m].
            seed: of the samples; the k-th decision of the episode draws from (seed, k).

        Raises:
            MissingPackageError: ``pytorch-mppi`` is not installed.
        """
        place = np.asarray(goal, dtype=np.float64)
        self._drive = _Drive(place, seed, self.constraints, self._sampler())

    def act(self, observation: Mapping[str, ArrayLike] | ArrayLike, time: float) -> Array:
        """The action (2,) for the present state.

        Args:
            observation: (4,) state, or a mapping with the key ``observation``.
            time: of the episode [s].

        Raises:
            RequestError: not reset, or a state that is not finite.
        """
        drive = self._drive
        if drive is None:
            raise RequestError("mppi: call reset(goal, seed) before act")
        state = self.planner.state(observation)
        drive.driven.append(np.array([*state, time]))
        if time >= drive.next_decision - 1e-9:
            self._decide(drive, state, time)
            drive.next_decision = time + self.settings.hold * self._robot.dynamics.dt
        if self._max_speed is None:
            return drive.action
        return slowed(drive.action, state[2:], self._max_speed, self._robot.dynamics)

    def _decide(self, drive: _Drive, state: Array, time: float) -> None:
        began = clock.perf_counter()
        driven = as_driven(np.stack(drive.driven), self.planner.prior.layout)
        drive.asked, drive.driven = drive.asked.remaining(driven), drive.driven[-1:]
        judged = self._judged(drive.asked)
        self._cost = Cost.of(judged, state, drive.goal, time, self._robot, self.settings)
        key = np.random.SeedSequence((drive.seed, len(drive.decisions))).generate_state(1)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(int(key[0]))  # the package draws from the global generator
            action = drive.sampler.command(torch.from_numpy(state).float())
        drive.action = action.double().numpy().clip(-1, 1)
        took = clock.perf_counter() - began
        why = f"the mean of {self.settings.samples} samples"
        drive.decisions.append(Decision(time, Outcome.PLANNED, why, wall_time=took))

    def _judged(self, constraints: Constraint) -> dict[str, Constraint]:
        return self.planner.judged(constraints).parts()

    def _sampler(self) -> Any:
        """``pytorch-mppi``'s controller; all costs are in its terminal one, at once."""
        try:
            from pytorch_mppi import MPPI
        except ImportError as error:
            raise MissingPackageError("pytorch-mppi", "baselines") from error
        settings, dynamics = self.settings, self._robot.dynamics
        return MPPI(
            lambda state, action: predict(
                state, action, dynamics, settings.hold, max_speed=self._max_speed
            ),
            lambda state, action: state.new_zeros(len(state)),
            nx=4,
            noise_sigma=torch.eye(2) * settings.noise**2,
            num_samples=settings.samples,
            horizon=settings.horizon,
            terminal_state_cost=lambda states, actions: self._paid(states[0]),
            lambda_=settings.temperature,
            u_min=-torch.ones(2),
            u_max=torch.ones(2),
            U_init=torch.zeros(settings.horizon, 2),
            sample_null_action=True,
        )

    def _paid(self, states: Float[Tensor, "K T 4"]) -> Float[Tensor, "K"]:
        assert self._cost is not None
        return self._cost(states)


def predict(
    state: Float[Tensor, "K 4"],
    action: Float[Tensor, "K 2"],
    dynamics: Dynamics,
    steps: int,
    *,
    max_speed: float | None = None,
) -> Float[Tensor, "K 4"]:
    """Position and velocity after some physics steps in the open, as the simulator takes them.

    Args:
        state: (K, 4) now.
        action: (K, 2) that is held.
        dynamics: of the robot.
        steps: of physics.
        max_speed: to which an action is ``slowed`` [m/s].
    """
    position, velocity = state[:, :2], state[:, 2:]
    for _ in range(steps):
        velocity = integrate(velocity, action, dynamics)
        if max_speed is not None:
            speed = velocity.norm(dim=-1, keepdim=True)
            velocity = velocity * (max_speed / speed.clamp_min(max_speed))
        position = position + dynamics.dt * velocity
    return torch.cat([position, velocity], dim=-1)
