"""Finds a Vulkan driver for pictures: the chosen one, what `make vulkan` fetched, or the machine's.

SAPIEN looks for a driver once a process, with the first environment, drawn or not; so this has to
be said before. Knows nothing of what is drawn.
"""

from __future__ import annotations

import os
from pathlib import Path

from glass_plan.errors import RequestError

CHOICES = ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")
"""Environment variables with which a user chooses a driver."""
FETCHED = Path(__file__).resolve().parents[3] / ".cache" / "vulkan" / "lavapipe.json"
"""Where `make vulkan` puts lavapipe, which draws on the processor."""


def choose_driver() -> bool:
    """Take the fetched driver if the user has chosen none; the machine's own may be too old.

    Returns:
        Whether a driver is now chosen, by whomever.
    """
    chosen = any(os.environ.get(name) for name in CHOICES)
    if FETCHED.is_file() and not chosen:
        os.environ[CHOICES[0]] = str(FETCHED)
    return chosen or FETCHED.is_file()


def render_device() -> str:
    """The device to draw on, as ManiSkill calls it, after ``choose_driver``.

    Raises:
        RequestError: there is none.
    """
    import sapien

    try:
        sapien.render.RenderMaterial()  # Device("cpu").can_render() says no where this works
    except RuntimeError as error:
        raise RequestError(
            f"maniskill: no pictures without a Vulkan driver ({error}); run `make vulkan`, or set "
            f"{CHOICES[0]} to a driver's JSON file, before the first environment of the process"
        ) from error
    try:
        return "cuda" if sapien.Device("cuda").can_render() else "cpu"
    except RuntimeError:  # no such device
        return "cpu"
