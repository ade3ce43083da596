"""SAPIEN without a graphics driver: materials and textures that are nothing.

Without Vulkan even a world that is never drawn fails, because its bodies' materials are made. They
are replaced while such a world is built, and put back afterwards, so that a world with pictures may
be made in the same process. Knows nothing of tasks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

MODULES = ("sapien.render", "sapien.pysapien.render", "sapien.wrapper.urdf_loader")
"""Whose names are looked up when a body is built (SAPIEN 3.0.3)."""
NAMES = ("RenderMaterial", "RenderTexture2D")


class Inert:
    """Takes any arguments and attributes, and is nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...


@contextlib.contextmanager
def materials(*, pictures: bool) -> Iterator[None]:
    """Build bodies, without a graphics driver if there will be no pictures.

    Args:
        pictures: whether materials are SAPIEN's own. If not, they are replaced meanwhile, which is
            not for several threads at once.
    """
    if pictures:
        yield
        return
    modules = [import_module(name) for name in MODULES]
    kept = [
        (module, name, getattr(module, name))
        for module in modules
        for name in NAMES
        if hasattr(module, name)
    ]
    for module, name, _ in kept:
        setattr(module, name, Inert)
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
