"""Options of ``reset``: joints and actors where they are asked to be, instead of where they fell.

Knows nothing of constraints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glass_plan.errors import RequestError, did_you_mean

Array = NDArray[np.float64]

JOINTS = "joints"


def checked(simulation: Any, options: Mapping[str, Any]) -> dict[str, Array]:
    """Places by the name of what is placed.

    Args:
        simulation: ManiSkill's environment.
        options: of ``reset``.

    Raises:
        RequestError: an unknown name, or not as many finite numbers as it takes.
    """
    sizes: dict[str, tuple[int, ...]] = {
        name: (3, 7) for name, actor in simulation.scene.actors.items() if _movable(actor)
    }
    sizes[JOINTS] = (len(simulation.agent.robot.active_joints),)
    asked: dict[str, Array] = {}
    for name, value in options.items():
        if name not in sizes:
            raise RequestError(f"reset: unknown option {name!r}{did_you_mean(str(name), sizes)}")
        if value is not None:
            asked[name] = _numbers(name, value, sizes[name])
    return asked


def apply(simulation: Any, asked: Mapping[str, Array]) -> tuple[Any, Any]:
    """Move everything to its place, at rest; ManiSkill's observation and info from there."""
    import sapien
    import torch

    for name, value in asked.items():
        if name == JOINTS:
            robot = simulation.agent.robot
            robot.set_qpos(torch.from_numpy(value[None]).float())
            robot.set_qvel(torch.zeros(1, len(value)))
            simulation.agent.controller.reset()  # its targets are where the joints were
        else:
            actor = simulation.scene.actors[name]
            quaternion = value[3:] if len(value) == 7 else actor.pose.q[0].numpy()
            actor.set_pose(sapien.Pose(value[:3].astype(np.float32), quaternion.astype(np.float32)))
    info = simulation.get_info()
    return simulation.get_obs(info), info


def _movable(actor: Any) -> bool:
    """Whether a task may have it anywhere: an object, or the mark of a goal."""
    return bool(actor.px_body_type == "dynamic" or "goal" in actor.name)


def _numbers(name: str, value: Any, sizes: tuple[int, ...]) -> Array:
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RequestError(f"reset: option {name!r} must be numbers, got {value!r:.80}") from error
    if numbers.ndim != 1 or len(numbers) not in sizes or not np.isfinite(numbers).all():
        wanted = " or ".join(map(str, sizes))
        raise RequestError(
            f"reset: option {name!r} must be {wanted} finite numbers, got {value!r:.80}"
        )
    if len(numbers) == 7 and sizes == (3, 7):
        length = float(np.linalg.norm(numbers[3:]))
        if abs(length - 1) > 1e-3:
            raise RequestError(
                f"reset: option {name!r} must end with a quaternion of length 1, got {length:.3g}"
            )
    return numbers
