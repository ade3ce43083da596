"""The package's errors: one family, each also the builtin error it specialises.

A text says where, which rule, what was got and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GlassPlanError(Exception):
    """Any error raised on purpose by glass_plan."""


class RequestError(GlassPlanError, ValueError):
    """A planning request that cannot be meant: start in a wall, NaN, a shape that does not fit."""


class LayoutError(GlassPlanError, KeyError):
    """A channel that the trajectory layout does not have."""

    def __str__(self) -> str:  # KeyError would print the repr of the text
        return str(self.args[0])


class SpecError(GlassPlanError, ValueError):
    """A constraint specification with an unknown key or a value out of range."""


class CheckpointError(GlassPlanError, ValueError):
    """A checkpoint that is missing, corrupt, or does not fit its configuration."""


class KernelError(GlassPlanError, TypeError):
    """Kernels that do not compose, e.g. Feynman-Kac weights over a deterministic move."""


class DataError(GlassPlanError, ValueError):
    """A data set that cannot be read as trajectories."""


class ProtocolError(GlassPlanError, ValueError):
    """Results of different evaluation protocols put side by side."""


class WorkerError(GlassPlanError, RuntimeError):
    """Worker processes that died, again and again."""


class MissingPackageError(GlassPlanError, ImportError):
    """A method whose optional package is not installed.

    Args:
        package: that it needs.
        extra: of this package, which brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package, self.extra = package, extra

    def __str__(self) -> str:
        return (
            f"{self.package} is not installed, which this method needs; "
            f"pip install glass_plan[{self.extra}]"
        )


def did_you_mean(got: str, valid: Iterable[str]) -> str:
    """End of a sentence that lists the valid names and the nearest of them."""
    names = sorted(valid)
    nearest = difflib.get_close_matches(got, names, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
    return f"{hint} valid: {', '.join(names)}"
