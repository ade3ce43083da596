"""What a planner asks of a robot in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from glass_plan.constraints import Constraint
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.guidance import Bend, Visits
from glass_plan.layout import Trajectory


class Embodiment(Protocol):
    """A robot in its place.

    ``standing`` is what always has to hold besides a request's constraints, ``of_ends`` what a
    start and a goal have to satisfy, each by itself. ``bend`` says what guidance may move,
    ``buffer`` how much margin [m] it asks for beyond each constraint's own.
    """

    standing: Constraint
    of_ends: Constraint
    bend: Bend
    buffer: float

    def state(self, observation: Mapping[str, ArrayLike] | ArrayLike) -> Float[Tensor, "S"]:
        """The layout's start channels: as they are given, or of a world's observation.

        Raises:
            RequestError: they are no numbers, or the observation lacks them.
        """
        ...

    def drivable(
        self, trajectory: Trajectory, *, max_speed: float | None, effort: float
    ) -> Trajectory:
        """The same path at speeds that the robot can drive.

        Args:
            trajectory: (..., H, D).
            max_speed: [m/s] besides the robot's own limits.
            effort: share of these limits that may be used.
        """
        ...

    def settled(self, trajectory: Trajectory) -> Trajectory:
        """The trajectory without a model's jitter: what lies stays, and the end is at rest.

        Args:
            trajectory: (N, H, D).
        """
        ...

    def visits(self, judged: Mapping[str, Constraint]) -> Visits | None:
        """What leads to regions that are asked for, and round those that close a way, if known."""
        ...


def as_vector(value: ArrayLike | Mapping[str, ArrayLike], name: str) -> Float[Tensor, "S"]:
    """The numbers of a state, or of an observation with the key ``observation``.

    Raises:
        RequestError: it is neither.
    """
    if isinstance(value, Mapping):
        if "observation" not in value:
            hint = did_you_mean("observation", [str(key) for key in value])
            raise RequestError(f"{name} lacks the key 'observation'{hint}")
        value = value["observation"]
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    try:
        return torch.from_numpy(np.array(value, dtype=np.float64, ndmin=1))
    except (TypeError, ValueError) as error:
        raise RequestError(f"{name} must be numbers, got {value!r}") from error
