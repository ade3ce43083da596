"""Builds ManiSkill's own environment of a task: one scene, on the processor, seen as plain state.

The only module that imports ManiSkill, and only when it is asked to. Knows nothing of constraints.
"""

from __future__ import annotations

import warnings
from typing import Any

from glass_envs.maniskill.drivers import choose_driver, render_device
from glass_envs.maniskill.inert import materials
from glass_envs.maniskill.tasks import Task
from glass_plan.errors import RequestError, did_you_mean


def simulation(task: Task, *, control_mode: str, pictures: bool) -> Any:
    """ManiSkill's environment, a ``BaseEnv`` with batches of one.

    Args:
        task: of ManiSkill.
        control_mode: of the robot, for instance ``"pd_ee_delta_pos"``.
        pictures: whether it is to be drawn, which needs a Vulkan driver.

    Raises:
        RequestError: ManiSkill is not installed, has no such task or mode, or cannot draw here.
    """
    choose_driver()
    registered = _registered()
    if task.uid not in registered:
        valid = did_you_mean(task.uid, registered)
        raise RequestError(f"maniskill: unknown task {task.uid!r}{valid}")
    spec = registered[task.uid]
    try:
        with materials(pictures=pictures):
            return spec.cls(
                **spec.default_kwargs,
                robot_uids=task.robot,
                obs_mode="state_dict",
                reward_mode="sparse",
                control_mode=control_mode,
                render_mode="rgb_array" if pictures else None,
                sim_backend="physx_cpu",
                render_backend=render_device() if pictures else "none",
            )
    except AssertionError as error:
        if "supported modes" not in str(error):
            raise
        raise RequestError(f"maniskill: control mode {error}") from error


def _registered() -> dict[str, Any]:
    """ManiSkill's tasks by name, imported now."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to find system libvulkan")  # it brings its own
        try:
            import mani_skill.envs  # noqa: F401  (registers the tasks)
            from mani_skill.utils.registration import REGISTERED_ENVS
        except ImportError as error:
            raise RequestError(
                f"maniskill: cannot be imported ({error}); install the versions that "
                "requirements.lock has, with --no-deps"
            ) from error
    tasks: dict[str, Any] = REGISTERED_ENVS
    return tasks
