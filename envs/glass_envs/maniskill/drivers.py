"""Finds a Vulkan driver for pictures: the machine's own, or the one that `make vulkan` fetched.

SAPIEN looks for a driver once a process, when the first material is made, so this has to be said
before. Knows nothing of what is drawn.
"""

from __future__ import annotations

import os
from pathlib import Path

from glass_plan.errors import RequestError

CHOICES = ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")
"""Environment variables with which a user chooses a driver."""
INSTALLED = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")
"""Where drivers that are installed on Linux are listed."""
FETCHED = Path(__file__).resolve().parents[3] / ".cache" / "vulkan" / "lavapipe.json"
"""Where `make vulkan` puts lavapipe, which draws on the processor."""


def choose_driver() -> None:
    """Take the fetched driver if there is no other."""
    chosen = any(os.environ.get(name) for name in CHOICES)
    installed = any(any(Path(folder).glob("*.json")) for folder in INSTALLED)
    if FETCHED.is_file() and not (chosen or installed):
        os.environ[CHOICES[0]] = str(FETCHED)


def render_device() -> str:
    """The device to draw on, as ManiSkill calls it.

    Raises:
        RequestError: there is none.
    """
    choose_driver()
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
