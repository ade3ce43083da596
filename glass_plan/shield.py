"""Shield: the last filter on an action, by what the robot could still do after it.

An action passes if the robot can be brought to rest from where it leads without violating a
constraint that must always hold (a backup policy, Bastani 2021, on the double integrator with the
simulator's own step). If not, the best of a few evasions acts instead: braking, or a push in one of
several directions and then braking; the one with the largest margin, or the least harm if none is
safe. Knows nothing of plans.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from glass_plan.checkpoint import Dynamics
from glass_plan.constraints import Constraint
from glass_plan.layout import Layout, Trajectory
from glass_plan.tracking import BRAKE_GAIN, brake, integrate

Array = NDArray[np.float64]

MARGIN = 0.01
"""Asked for along a backup, in each constraint's unit: the integrator here is not the simulator."""
REST = 0.3
"""How long the robot is watched after the push [s]: at full force it stops from 5 m/s in 0.21 s."""
DIRECTIONS = 16
PUSHES = (0.05, 0.15)
"""Length of an evasive push [s]."""


@dataclass(frozen=True)
class Shield:
    """Lets actions pass that leave a way out.

    Args:
        safety: what must always hold, walls included.
        dynamics: of the robot.
        layout: of the trajectories that constraints read.
    """

    safety: Constraint
    dynamics: Dynamics
    layout: Layout

    def filter(self, state: Array, action: Array, time: float) -> tuple[Array, bool]:
        """The action, or an evasion; and whether it is one.

        Args:
            state: (4,) position [m] and velocity [m/s].
            action: (2,) that is asked for.
            time: of the episode [s].
        """
        asked = torch.from_numpy(np.clip(action, -1, 1))[None]
        once = torch.full((1,), self.dynamics.dt, dtype=torch.float64)
        with torch.inference_mode():
            if self.safety.margin(self.backup(state, asked, once, time)) >= MARGIN:
                return action, False
            pushes, lasting = self._evasions()
            backups = self.backup(state, pushes, lasting, time)
            margins = self.safety.margin(backups)
            harm = self.safety.violation(backups, buffer=MARGIN)
        best = int(margins.argmax() if (margins >= MARGIN).any() else harm.argmin())
        return (pushes[best].numpy() if lasting[best] > 0 else brake(state)), True

    def _evasions(self) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "N"]]:
        """Pushes and how long they last [s]; the first is to brake at once."""
        angle = 2 * math.pi * torch.arange(DIRECTIONS, dtype=torch.float64) / DIRECTIONS
        unit = torch.stack([angle.cos(), angle.sin()], -1)
        unit = unit / unit.abs().amax(-1, keepdim=True)  # both motors pull as hard as they can
        pushes = torch.cat([torch.zeros(1, 2, dtype=torch.float64), *[unit for _ in PUSHES]])
        lasting = torch.tensor([0.0, *(t for t in PUSHES for _ in range(DIRECTIONS))])
        return pushes, lasting.double()

    def backup(
        self,
        state: Array,
        pushes: Float[Tensor, "N 2"],
        lasting: Float[Tensor, "N"],
        time: float,
    ) -> Trajectory:
        """What the robot does if it is pushed for a while and then brakes, (N, K, D).

        Args:
            state: (4,) at ``time``.
            pushes: (N, 2) actions.
            lasting: (N,) how long each acts [s].
            time: of the episode [s].
        """
        dt = self.dynamics.dt
        steps = round((float(lasting.max()) + REST) / dt)
        x = torch.zeros(len(pushes), steps + 1, self.layout.dim, dtype=torch.float64)
        position, velocity = (
            torch.from_numpy(part).expand(len(pushes), 2) for part in (state[:2], state[2:])
        )
        places, speeds, actions = [position], [velocity], []
        for k in range(steps):
            pushed = (k * dt < lasting - 1e-9)[:, None]
            action = torch.where(pushed, pushes, (-BRAKE_GAIN * velocity).clamp(-1, 1))
            velocity = integrate(velocity, action, self.dynamics)
            position = position + dt * velocity
            places.append(position)
            speeds.append(velocity)
            actions.append(action)
        for name, values in (("position", places), ("velocity", speeds)):
            x[..., self.layout.slice(name)] = torch.stack(values, dim=1)
        x[:, :-1, self.layout.slice("action")] = torch.stack(actions, dim=1)
        x[..., self.layout.slice("dt")] = dt
        return Trajectory(x, self.layout, t_start=time)
