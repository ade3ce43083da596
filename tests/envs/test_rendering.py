from __future__ import annotations

import numpy as np
import pytest

from glass_envs import rendering
from glass_envs.maze2d import Maze2D
from glass_envs.mazes import MAZES
from glass_plan.constraints import Always, Avoid, Ball, Box, Moving, Reach

DISC = Ball((-3.5, 3.0), 0.2)  # in the top left corridor of the Large maze
START, GOAL = (-4.5, 3.0), (4.5, -3.0)
GHOST = Avoid(DISC).named("ghost")


@pytest.mark.parametrize("backend", ["egl", "disable"])
def test_pictures_show_the_obstacles(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", backend)
    visit = Reach(Box((-3.0, 2.8), (-2.5, 3.2)))
    pictures = {}
    for name, constraints in (("bare", None), ("ghost", GHOST), ("both", GHOST & visit)):
        env = Maze2D(constraints=constraints, render_mode="rgb_array")
        env.reset(seed=0, options={"start": START, "goal": GOAL})
        picture = env.render()
        assert picture is not None
        assert picture.shape == (480, 480, 3)
        assert picture.dtype == np.uint8
        pictures[name] = picture
        env.close()
        env.close()
    assert 50 < changed(pictures["bare"], pictures["ghost"]) < 2000
    assert 50 < changed(pictures["ghost"], pictures["both"]) < 2000


def test_a_moving_obstacle_and_the_ball_move_in_the_picture() -> None:
    moving = Avoid(Moving(DISC, ((0.0, 0.0), (2.0, 0.0)), 2.0))
    for action in ((0.0, 0.0), (0.3, 0.0)):
        for constraints in (moving, None):
            env = Maze2D(constraints=constraints, render_mode="rgb_array")
            env.reset(seed=0, options={"start": START, "goal": GOAL})
            before = env.render()
            for _ in range(25):
                env.step(np.array(action))
            after = env.render()
            env.close()
            assert before is not None
            assert after is not None
            assert (changed(before, after) > 20) == (constraints is not None or action[0] > 0)


def test_without_opengl_matplotlib_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    tried: list[str] = []
    monkeypatch.setattr(rendering, "works", lambda name: bool(tried.append(name)))
    view = rendering.make_view(MAZES["maze2d-umaze"], None, GHOST)
    assert isinstance(view, rendering.TopView)
    assert tried == ["egl", "osmesa"]


def test_regions_that_mujoco_has_no_marks_for_are_drawn_by_matplotlib() -> None:
    slanted = Avoid(Box((-4.0, 2.9), (-3.0, 3.1), rotation=(0.5,)))
    view = rendering.make_view(MAZES["maze2d-large"], None, GHOST & Always(slanted))
    assert isinstance(view, rendering.TopView)
    bare = rendering.TopView(MAZES["maze2d-large"], GHOST)
    at = np.array(START), np.array(GOAL), 0.0
    assert 50 < changed(view.draw(*at), bare.draw(*at)) < 3000


def test_a_backend_that_is_not_there_does_not_work() -> None:
    assert not rendering.works("nonesuch")


def test_without_a_render_mode_there_is_no_picture() -> None:
    env = Maze2D()
    env.reset(seed=0)
    assert env.render() is None


def changed(a: rendering.Picture, b: rendering.Picture) -> int:
    """Number of pixels that differ visibly."""
    return int((np.abs(a.astype(int) - b.astype(int)).max(-1) > 20).sum())
