"""Occupancy pictures: signed distance to the occupied pixels, however far.

The distance is exact at the corners, the middles and the middles of the sides of pixels (Euclidean
distance transform of that lattice, scipy) and bilinear in between, so at most 0.36 pixels off
there. Knows nothing of mazes: those are grids.py's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from glass_plan.constraints.checks import Numbers, constant, items, number, point, positive, shown
from glass_plan.constraints.geometry import Region
from glass_plan.errors import SpecError

MAX_PIXELS = 200_000
"""Largest number of pixels."""

OCCUPIED, FREE = "#", "."
"""How a pixel is written."""

TINY = 1e-30
"""Smallest squared distance [m^2] under a square root, whose slope at 0 is infinite."""


@dataclass(frozen=True)
class Raster(Region):
    """Occupied pixels of a picture.

    Args:
        rows: of ``#`` (occupied) and ``.`` (free), the top one (largest y) first; lists of 1 and 0
            are understood, too.
        cell: side of a pixel [m].
        center: of the picture (x, y) [m].
        walled: whether all outside of the picture counts as occupied.
    """

    rows: tuple[str, ...]
    cell: float
    center: Numbers = (0.0, 0.0)
    walled: bool = True

    def __post_init__(self) -> None:
        rows = tuple(_row(row) for row in items("Raster: rows", self.rows))
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths == {0}:
            raise SpecError(f"Raster: rows must be equally long and not empty, got {widths or 0}")
        if len(rows) * max(widths) > MAX_PIXELS:
            raise SpecError(
                f"Raster: at most {MAX_PIXELS} pixels, got {len(rows)} x {max(widths)}; "
                "scale the picture down"
            )
        if not isinstance(self.walled, bool):
            raise SpecError(f"Raster: walled must be true or false, got {shown(self.walled)}")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "cell", positive("Raster: cell", self.cell))
        object.__setattr__(self, "center", point("Raster: center", self.center))
        if len(self.center) != 2:
            raise SpecError(f"Raster: center must be [x, y], got {self.center}")

    @classmethod
    def from_array(
        cls,
        occupied: NDArray[np.bool_],
        cell: float,
        center: Numbers = (0.0, 0.0),
        *,
        walled: bool = True,
    ) -> Self:
        """Of an array (rows, columns), true where occupied, row 0 on top."""
        letters = np.where(np.asarray(occupied, dtype=bool), OCCUPIED, FREE)
        return cls(tuple("".join(row) for row in letters), cell, center, walled)

    @classmethod
    def from_image(
        cls,
        path: str | Path,
        cell: float,
        center: Numbers = (0.0, 0.0),
        *,
        threshold: float = 0.5,
        walled: bool = True,
    ) -> Self:
        """Of a picture: pixels darker than a threshold (0 black to 1 white) are occupied.

        Raises:
            SpecError: the file is no picture, or too large.
        """
        limit = number("Raster: threshold", threshold)
        try:
            with Image.open(path) as image:
                if math.prod(image.size) > MAX_PIXELS:
                    got = "{} x {}".format(*image.size)
                    raise SpecError(
                        f"{path}: at most {MAX_PIXELS} pixels, got {got}; scale the picture down"
                    )
                grey = np.asarray(image.convert("L")) / 255
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            if isinstance(error, SpecError):
                raise
            raise SpecError(f"{path}: no picture ({error}); give a PNG, say") from error
        return cls.from_array(grey < limit, cell, center, walled=walled)

    @property
    def dim(self) -> int:
        """Number of coordinates: 2."""
        return 2

    @property
    def slope(self) -> float:
        """Of a bilinear interpolation of distances."""
        return math.sqrt(2)

    @property
    def occupied(self) -> Bool[Tensor, "rows columns"]:
        """True where occupied."""
        return torch.tensor([[letter == OCCUPIED for letter in row] for row in self.rows])

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Bilinear between exact distances; outside of the picture, no farther than the truth."""
        like = (points.dtype, points.device)
        step = self.cell / 2
        columns, rows = 2 * len(self.rows[0]), 2 * len(self.rows)
        left, top = self.center[0] - step * columns / 2, self.center[1] + step * rows / 2
        at = (points - constant((left, top), *like)) * constant((1 / step, -1 / step), *like)
        last = constant((float(columns), float(rows)), *like)
        on = at.clamp_min(0).minimum(last)  # (..., H, 2), column and row
        node = on.detach().nan_to_num(0.0).floor().minimum(last - 1)
        right, down = (on - node).unbind(-1)
        index = (node[..., 1] * columns + node[..., 0]).long()
        corners = _corners(self.rows, self.walled, *like)[index]  # (..., H, 4)
        above = torch.lerp(corners[..., 0], corners[..., 1], right)
        below = torch.lerp(corners[..., 2], corners[..., 3], right)
        inside = step * torch.lerp(above, below, down)
        square = (step * (at - on)).square().sum(-1)
        far = (inside.square() + square).clamp_min(TINY).sqrt()
        return torch.where(square > 0, -far if self.walled else far, inside)


def _row(row: object) -> str:
    """A row as text."""
    if isinstance(row, str):
        letters = row
    elif isinstance(row, Iterable):
        given = items("Raster: rows", row)
        wrong = [x for x in given if x not in (0, 1)]
        if wrong:
            raise SpecError(f"Raster: rows must hold 0 and 1, got {shown(wrong[0])}")
        letters = "".join(OCCUPIED if x == 1 else FREE for x in given)
    else:
        raise SpecError(f"Raster: rows must be texts like '#..#', got {shown(row)}")
    if set(letters) - {OCCUPIED, FREE}:
        raise SpecError(f"Raster: rows must consist of '#' and '.', got {shown(row)}")
    return letters


@lru_cache(maxsize=64)
def _corners(
    rows: tuple[str, ...], walled: bool, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "K 4"]:
    """Distances [half cells] at the corners of every quarter of a pixel, row by row."""
    picture = np.array([[letter == OCCUPIED for letter in row] for row in rows])
    framed = np.pad(picture, 1, constant_values=walled)
    signed = (_to_any(framed) - _to_any(~framed))[2:-2, 2:-2]
    around = [signed[:-1, :-1], signed[:-1, 1:], signed[1:, :-1], signed[1:, 1:]]
    with torch.inference_mode(False):
        return torch.tensor(np.stack(around, -1).reshape(-1, 4), dtype=dtype, device=device)


def _to_any(pixels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance [half cells] from every lattice point to the nearest of the pixels set."""
    height, width = pixels.shape
    lattice = np.zeros((2 * height + 1, 2 * width + 1), dtype=bool)
    for down in range(3):
        for right in range(3):
            lattice[down : down + 2 * height : 2, right : right + 2 * width : 2] |= pixels
    if not lattice.any():
        return np.full(lattice.shape, float(2 * (height + width)))
    return np.asarray(distance_transform_edt(~lattice), dtype=np.float64)
