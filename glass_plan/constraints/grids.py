"""Maps of occupied cells: walls of a maze, looked at from up to one cell away.

Knows nothing of pictures and of far distances: those are rasters.py's.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from glass_plan.constraints.checks import constant, items, positive, shown
from glass_plan.constraints.geometry import Region
from glass_plan.errors import SpecError

MAX_CELLS = 1_000_000
"""Largest number of cells of a grid."""

ALIKE = 4.0
"""Added to the squared distance (in cells) of a neighbour like the point's own cell."""

TINY = 1e-30
"""Smallest squared distance [cells^2] under a square root, whose slope at 0 is infinite."""


@dataclass(frozen=True)
class Grid(Region):
    """Occupied cells of a map, truncated at one cell: the value is within +-``cell``.

    The map is centred at the origin, row 0 on top (largest y), x to the right; every cell outside
    of it counts as occupied.

    Args:
        occupancy: rows of 0 (free) and 1 (occupied).
        cell: side [m].
    """

    occupancy: tuple[tuple[int, ...], ...]
    cell: float

    def __post_init__(self) -> None:
        where = "Grid: occupancy"
        rows = tuple(items(where, row) for row in items(where, self.occupancy))
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths == {0}:
            raise SpecError(f"Grid: rows must be equally long and not empty, got {sorted(widths)}")
        if len(rows) * max(widths) > MAX_CELLS:
            raise SpecError(f"Grid: at most {MAX_CELLS} cells, got {len(rows)} x {max(widths)}")
        for x in itertools.chain(*rows):
            if x not in (0, 1):
                raise SpecError(f"{where} must be 0 or 1, got {shown(x)}")
        cells = tuple(tuple(int(x == 1) for x in row) for row in rows)
        object.__setattr__(self, "occupancy", cells)
        object.__setattr__(self, "cell", positive("Grid: cell", self.cell))

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return 2

    def signed_distance(
        self, points: Float[Tensor, "... H d"], times: Float[Tensor, "... H"]
    ) -> Float[Tensor, "... H"]:
        """Distance to the nearest of the 8 neighbours that differ from the point's own cell."""
        like = (points.dtype, points.device)
        height, width = len(self.occupancy), len(self.occupancy[0])
        scale = constant((1 / self.cell, -1 / self.cell), *like)
        origin = constant((width / 2, height / 2), *like)
        in_cells = torch.addcmul(origin, points, scale)
        corner = in_cells.detach().floor()
        local = (in_cells - corner).unsqueeze(-1)  # (..., H, 2, 1), column and row, in [0, 1]
        slope, offset = constant((((1, 0, -1),), ((0, 0, 1),)), *like)
        square = torch.addcmul(offset, local, slope).square()  # to the 3 columns and 3 rows
        around = _neighbours(self.occupancy, *like)[_index(corner, height, width)]  # (..., H, 10)
        apart = (square[..., 1, :, None] + square[..., 0, None, :]).flatten(-2)  # (..., H, 9)
        nearest = (apart + around[..., :9]).amin(-1).clamp(TINY, 1.0).sqrt()
        return self.cell * around[..., 9] * nearest


@lru_cache(maxsize=64)
def _neighbours(
    occupancy: tuple[tuple[int, ...], ...], dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "K 10"]:
    """Per cell of the map in a frame of two walls: 9 x ALIKE or 0, then -1 if occupied else 1."""
    with torch.inference_mode(False):
        walls = pad(torch.tensor(occupancy, device=device), (3, 3, 3, 3), value=1)
        around = walls.unfold(0, 3, 1).unfold(1, 3, 1).flatten(-2)  # (rows + 4, columns + 4, 9)
        own = around[..., 4:5]
        return torch.cat([ALIKE * (around == own), 1.0 - 2 * own], dim=-1).flatten(0, 1).to(dtype)


def _index(corner: Float[Tensor, "... 2"], height: int, width: int) -> Tensor:
    """Row of ``_neighbours`` for a column and row of the map, (...)."""
    first, last = constant(((-2, -2), (width + 1, height + 1)), torch.int64, corner.device)
    framed = corner.long().clamp(first, last) + 2
    return framed[..., 1] * (width + 4) + framed[..., 0]
