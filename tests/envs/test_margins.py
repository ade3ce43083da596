from __future__ import annotations

import numpy as np
import pytest
import torch

from glass_envs.margins import closed_form
from glass_envs.maze2d import PIECES, WALL_CONTACT
from glass_envs.mazes import MAZES, ROBOT_RADIUS
from glass_plan.constraints import Avoid, Ball, Box, Grid, Reach, SpeedLimit
from glass_plan.layout import POINT_MASS, Trajectory

DISC = Ball((-3.5, 3.0), 0.2)
GHOST = Avoid(DISC).named("ghost")


@pytest.mark.parametrize("name", sorted(MAZES))
def test_closed_forms_agree_with_the_constraints(name: str) -> None:
    maze = MAZES[name]
    rng = np.random.default_rng(0)
    centre = tuple(maze.cell_centre(maze.free_cells[3]).tolist())
    for part in (Avoid(Grid(maze.rows, 1.0), margin=WALL_CONTACT), Avoid(Ball(centre, 0.3))):
        quick = closed_form(part, radius=ROBOT_RADIUS)
        assert quick is not None
        cells = maze.cell_centre(rng.choice(maze.free_cells, 300))
        start = cells + rng.uniform(-0.5, 0.5, cells.shape)
        end = start + rng.uniform(-0.04, 0.04, start.shape)
        x = np.zeros((300, PIECES + 1, POINT_MASS.dim))
        x[..., :2] = np.linspace(start, end, PIECES + 1, axis=1)
        bound = part.margin(Trajectory(torch.from_numpy(x), POINT_MASS)).numpy()
        ways = [(tuple(p), tuple(q)) for p, q in zip(start.tolist(), end.tolist(), strict=True)]
        got = np.array([np.nan if (m := quick(p, q)) is None else m for p, q in ways])
        known = ~np.isnan(got)
        assert known.mean() > 0.9  # not where the ball's centre is in a wall
        assert (got - bound)[known].min() > -1e-12
        assert (got - bound)[known].max() < 1e-3
        assert (bound[~known] < 0).all()


def test_only_what_has_a_closed_form_gets_one() -> None:
    box = Box((0.0, 0.0), (1.0, 1.0))
    for part in (Avoid(box), Reach(DISC), SpeedLimit(1.0), ~GHOST, GHOST | Avoid(box)):
        assert closed_form(part, radius=0.1) is None
