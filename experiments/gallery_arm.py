"""The gallery's arm: clear of a ball at both waypoints, with its elbow through it between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import glass_plan as gp
from glass_plan.report.figures import VIOLATED
from glass_plan.viz import BLACK, RED, draw_body, draw_region

NAME = "arm"
"""Of the block of the page, and of the picture."""

PYTHON = """\
arm = gp.Layout(
    (gp.Channel("joints", 7, "rad"), gp.Channel("gripper", 1, "m"), gp.Channel("dt", 1, "s")),
    start=("joints",),
    goal=(),
    body=gp.panda_body(("joints", "gripper", "gripper")),
)
lean = gp.Trajectory(
    torch.tensor(
        [
            [0.0, -0.8, 0.0, -1.7, 0.0, 2.2, 0.785, 0.02, 1.0],
            [0.0, 0.85, 0.0, -1.1, 0.0, 2.2, 0.785, 0.02, 1.0],
        ]
    ),
    arm,
)
ball = gp.Ball((0.2, 0.0, 0.66), 0.06)

for k in (0, 1):
    assert gp.Avoid(ball).margin(gp.Trajectory(lean.x[k : k + 1], arm)) > 0
assert gp.Avoid(ball).margin(lean) < 0
"""
"""As the page shows it."""

HALF_WIDTH, TOP = 0.8, 1.15
"""Of what is shown, from the side [m]."""

INSTANTS = 50
"""Among which the worst is looked for."""


def value() -> dict[str, Any]:
    """What the Python says, by name."""
    made: dict[str, Any] = {"gp": gp, "torch": torch}
    exec(PYTHON, made)
    return made


def picture(size: tuple[float, float], dpi: int) -> Figure:
    """The arm at its waypoints, and what of it is in the ball at the worst instant."""
    made = value()
    figure = Figure(figsize=size, dpi=dpi)
    ax = figure.add_axes((0.005, 0.005, 0.99, 0.99))
    ax.set(xlim=(0.3 - HALF_WIDTH, 0.3 + HALF_WIDTH), ylim=(-0.02, TOP), xticks=[], yticks=[])
    ax.spines[:].set_color("#D0D0D0")
    _draw_arms(ax, made["lean"], made["ball"])
    x, z = made["ball"].center[::2]
    draw_region(ax, gp.Ball((x, z), made["ball"].radius), colour=RED, alpha=0.8)
    return figure


def _draw_arms(ax: Axes, lean: gp.Trajectory, ball: gp.Ball) -> None:
    part = torch.linspace(0, 1, INSTANTS)[:, None]
    way = gp.Trajectory(torch.lerp(lean.x[:1], lean.x[1:], part), lean.layout)
    free = [float(gp.Avoid(ball).margin(gp.Trajectory(x[None], way.layout))) for x in way.x]
    for x in lean.x:
        draw_body(ax, x, way.layout, colour=BLACK, alpha=0.2, zorder=1.0)
    draw_body(ax, way.x[np.argmin(free)], way.layout, colour=VIOLATED, zorder=1.5)
