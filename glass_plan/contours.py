"""Outlines of any region in the plane: where its signed distance is 0, on a lattice of points.

Solids are seen from above: of a point in the plane counts the least distance over all heights.
Knows nothing of colours, axes or constraints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from contourpy import FillType, LineType, contour_generator
from jaxtyping import Float
from matplotlib.path import Path
from numpy.typing import NDArray
from torch import Tensor

from glass_plan.constraints.checks import LARGEST
from glass_plan.constraints.geometry import Region

POINTS, HEIGHTS = 161, 33
"""Of the lattice: points along each side, and heights at which to look for a solid."""

Span = tuple[float, float]
"""From and to [m]."""


def contours(
    region: Region, *, x: Span, y: Span, time: float = 0.0, filled: bool = True
) -> list[Path]:
    """What is inside of a region, or the line around it; empty if neither is in sight.

    Args:
        region: of two coordinates or three.
        x: to be looked at [m].
        y: to be looked at [m].
        time: plan time at which moving regions are read [s].
        filled: areas, holes included; or only the lines.
    """
    across, up = np.linspace(*x, POINTS), np.linspace(*y, POINTS)
    distance = _distances(region, across, up, time)
    fill, line = FillType.ChunkCombinedCode, LineType.ChunkCombinedCode
    lattice = contour_generator(across, up, distance, fill_type=fill, line_type=line)
    found: Any = lattice.filled(-LARGEST, 0.0) if filled else lattice.lines(0.0)
    chunks = zip(*found, strict=True)  # of points and codes; None if there is nothing
    return [Path(*chunk) for chunk in chunks if chunk[0] is not None]


def _distances(
    region: Region, x: NDArray[np.float64], y: NDArray[np.float64], time: float
) -> NDArray[np.float64]:
    """Signed distance (Y, X) [m]; of a solid, the least over heights as far up as the axes go."""

    def at(points: Tensor) -> Tensor:
        times = torch.full_like(points[:, 0], time)
        return region.signed_distance(points, times)

    far, rows = float(np.abs([x, y]).max()), []
    for height in y:  # one row at a time: a polygon's distance takes memory for every edge
        row = torch.from_numpy(np.stack([x, np.full_like(x, height)], axis=-1))  # (X, 2)
        rows.append(at(row) if region.dim == 2 else _least_above(at, row, far))
    return torch.stack(rows).detach().numpy()


def _least_above(
    distance: Callable[[Tensor], Tensor], row: Float[Tensor, "X 2"], far: float
) -> Float[Tensor, "X"]:
    """Least distance over the heights from -far to far [m], searched twice, at last more finely."""
    heights, step = row.new_zeros(len(row), 1), far
    for _ in range(2):
        heights = heights + torch.linspace(-step, step, HEIGHTS, dtype=row.dtype)  # (X, HEIGHTS)
        points = torch.cat([row[:, None].expand(-1, HEIGHTS, -1), heights[..., None]], dim=-1)
        found = distance(points.flatten(0, 1)).view_as(heights)
        least = found.min(-1, keepdim=True)
        heights, step = heights.gather(-1, least.indices), 2 * step / (HEIGHTS - 1)
    return least.values[:, 0]
