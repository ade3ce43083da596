from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium
import gymnasium_robotics
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import glass_envs  # noqa: F401  (registers the environments)
from glass_envs.maze2d import DT, Maze2D
from glass_envs.mazes import MAZES, ROBOT_RADIUS
from glass_plan.constraints import (
    Always,
    Avoid,
    Ball,
    Constraint,
    Eventually,
    Moving,
    Reach,
    SpeedLimit,
    Visit,
)
from glass_plan.errors import LayoutError, RequestError

IDS = [f"glass_plan/Maze2D-{size}-v0" for size in ("UMaze", "Medium", "Large")]
DISC = Ball((-3.5, 3.0), 0.2)  # in the top left corridor of the Large maze
START, GOAL = (-4.5, 3.0), (4.5, -3.0)
GHOST = Avoid(DISC).named("ghost")


@pytest.fixture
def drive() -> Iterator[Any]:
    """Makes an environment at START and yields the infos of driving it with one action."""
    made: list[Maze2D] = []

    def run(
        constraints: Constraint | None, action: tuple[float, float], steps: int, **options: Any
    ) -> tuple[Maze2D, list[dict[str, Any]]]:
        env = Maze2D(constraints=constraints)
        made.append(env)
        env.reset(seed=0, options={"start": START, "goal": GOAL, **options})
        return env, [env.step(np.array(action, np.float32))[4] for _ in range(steps)]

    yield run
    for env in made:
        env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_nothing_to_complain_about(env_id: str) -> None:
    env = gymnasium.make(env_id, constraints=GHOST & SpeedLimit(4.0), disable_env_checker=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize(("env_id", "limit"), list(zip(IDS, (300, 600, 800), strict=True)))
def test_the_step_limits_are_d4rls(env_id: str, limit: int) -> None:
    spec = gymnasium.spec(env_id)
    assert spec.max_episode_steps == limit
    assert MAZES[spec.kwargs["maze"]].max_episode_steps == limit


def test_physics_is_bit_identical_to_pointmaze() -> None:
    gymnasium.register_envs(gymnasium_robotics)
    ours = gymnasium.make(IDS[2], constraints=GHOST)
    theirs = gymnasium.make("PointMaze_Large-v3", continuing_task=False, max_episode_steps=800)
    ours.action_space.seed(3)
    for seed, options in ((7, None), (8, {"reset_cell": np.array([1, 1])}), (None, None)):
        both = (
            ours.reset(seed=seed, options=options)[0],
            theirs.reset(seed=seed, options=options)[0],
        )
        assert_same(*both)
        for _ in range(200):
            action = ours.action_space.sample()
            (a, *rest_a, _), (b, *rest_b, _) = ours.step(action), theirs.step(action)
            assert_same(a, b)
            assert rest_a == rest_b
    ours.close()
    theirs.close()


def test_two_seeded_copies_step_alike_also_after_pickling() -> None:
    env = Maze2D("maze2d-medium", constraints=GHOST)
    copy = pickle.loads(pickle.dumps(env))
    assert copy.maze == env.maze
    assert copy.constraints == env.constraints
    assert_same(env.reset(seed=5)[0], copy.reset(seed=5)[0])
    for action in np.random.default_rng(0).uniform(-1, 1, (100, 2)):
        (a, *rest_a, info_a), (b, *rest_b, info_b) = env.step(action), copy.step(action)
        assert_same(a, b)
        assert rest_a == rest_b
        np.testing.assert_array_equal(info_a.pop("trace"), info_b.pop("trace"))
        assert info_a == info_b


def test_cost_counts_the_steps_in_which_ball_and_ghost_overlap(drive: Any) -> None:
    _, infos = drive(GHOST, (0.3, 0.0), 90)
    segments = np.stack([info["trace"][:, :2] for info in infos])  # (90, 2, 2)
    between = np.linspace(segments[:, 0], segments[:, 1], 1001)  # (1001, 90, 2)
    gap = np.linalg.norm(between - DISC.center, axis=-1).min(0) - DISC.radius - ROBOT_RADIUS
    np.testing.assert_allclose([info["margin_ghost"] for info in infos], gap, atol=1e-5)
    costs = np.array([info["cost_ghost"] for info in infos])
    np.testing.assert_array_equal(costs, gap < 0)
    assert 0 < costs.sum() < len(costs)
    assert [info["cost"] for info in infos] == [i["cost_ghost"] + i["cost_walls"] for i in infos]


def test_a_ghost_does_not_push(drive: Any) -> None:
    (_, with_ghost), (_, without) = (drive(c, (0.3, 0.0), 90) for c in (GHOST, None))
    for a, b in zip(with_ghost, without, strict=True):
        np.testing.assert_array_equal(a["trace"], b["trace"])


def test_traces_follow_each_other_in_time(drive: Any) -> None:
    _, infos = drive(None, (0.5, 0.1), 20)
    for k, (before, after) in enumerate(pairwise(infos)):
        np.testing.assert_array_equal(before["trace"][1], after["trace"][0])
        assert after["time"] == pytest.approx((k + 2) * DT)


def test_leaning_on_a_wall_costs_and_the_wall_holds(drive: Any) -> None:
    _, infos = drive(None, (-1.0, 0.0), 150)
    x = np.array([info["trace"][1, 0] for info in infos])
    assert x.min() > -5.0 + ROBOT_RADIUS - 0.05  # the wall ends at -5
    assert all(info["cost_walls"] == info["cost"] == 1.0 for info in infos[-50:])


def test_walls_are_touched_whenever_mujoco_makes_contact() -> None:
    env = Maze2D("maze2d-umaze")
    env.reset(seed=1)
    rng, touched = np.random.default_rng(1), 0
    for k in range(600):
        if k % 40 == 0:
            action = rng.uniform(-1, 1, 2)
        info = env.step(action)[4]
        contacts = env._physics.data.ncon > 1  # of the state before the step; one is the floor's
        assert info["cost_walls"] or not contacts
        touched += contacts
    assert 20 < touched < 580


def test_a_moving_disc_is_read_at_episode_time(drive: Any) -> None:
    path = ((-4.5, 5.0), (-4.5, 1.0))
    crossing = Avoid(Moving(Ball((0.0, 0.0), 0.2), path, 4.0)).named("crossing")
    _, infos = drive(crossing, (0.0, 0.0), 100)  # the ball rests where the disc comes by at 0.5 s
    costs = np.array([info["cost_crossing"] for info in infos])
    # within 0.2 + 0.1 m of it from 0.425 to 0.575 s: during the steps that end at 0.43 to 0.58 s
    np.testing.assert_array_equal(np.flatnonzero(costs) + 1, np.arange(43, 59))


def test_what_must_hold_once_is_remembered(drive: Any) -> None:
    _, infos = drive(Reach(DISC).named("visit"), (0.5, 0.0), 80)
    seen = [info["reached_visit"] for info in infos]
    inside = [np.linalg.norm(info["trace"][1, :2] - DISC.center) < 0.2 for info in infos]
    assert not seen[0]
    assert not inside[-1]  # it has passed
    assert seen[-1]
    assert sorted(seen) == seen
    assert "cost_visit" not in infos[0]


def test_reset_judges_the_start() -> None:
    env = Maze2D(constraints=GHOST & Reach(DISC).named("visit"))
    _, info = env.reset(seed=0, options={"start": DISC.center, "goal": GOAL})
    assert info["cost_ghost"] == info["cost"] == 1.0
    assert info["margin_ghost"] == pytest.approx(-DISC.radius - ROBOT_RADIUS)
    assert info["reached_visit"]
    assert info["time"] == 0.0


def test_success_terminates() -> None:
    env = Maze2D()
    observation, info = env.reset(seed=0, options={"start": START, "goal": (-3.5, 3.0)})
    np.testing.assert_array_equal(observation["observation"], [*START, 0.0, 0.0])
    np.testing.assert_array_equal(observation["desired_goal"], (-3.5, 3.0))
    assert not info["success"]
    terminated = False
    while not terminated:
        observation, reward, terminated, truncated, info = env.step(np.array([0.3, 0.0]))
        distance = np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"])
        assert terminated == info["success"] == (distance <= 0.45) == bool(reward)
        assert not truncated


def test_a_goal_passed_before_all_was_visited_does_not_terminate() -> None:
    env = Maze2D(constraints=Reach(Ball((-2.5, 3.0), 0.3)).named("beyond"))
    env.reset(seed=0, options={"start": START, "goal": (-3.5, 3.0)})
    reached, at_goal = False, []
    while not reached:
        *_, terminated, _, info = env.step(np.array([0.3, 0.0]))
        reached = info["reached_beyond"]
        at_goal.append(info["success"])
        assert not terminated
    assert any(at_goal)
    assert not at_goal[-1]


def test_a_place_that_was_not_asked_for_is_not_at_the_other() -> None:
    env = Maze2D("maze2d-umaze")
    for seed in range(30):
        for key, other in (("start", "desired_goal"), ("goal", "achieved_goal")):
            observation, info = env.reset(seed=seed, options={key: (-1.0, 1.0)})
            assert not info["success"]
            assert np.linalg.norm(observation[other] - (-1.0, 1.0)) > 0.45


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": (-0.5, 3.0)}, r"start \[.*\] m is inside a wall"),
        ({"goal": (9.0, 0.0)}, "goal .* is outside maze2d-large"),
        ({"goal": (float("nan"), 0.0)}, "'goal' must be 2 finite numbers"),
        ({"start": (1.0, 2.0, 3.0)}, "'start' must be 2 finite numbers"),
        ({"start": "here"}, "'start' must be 2 numbers"),
        ({"goal_cell": (0, 0)}, r"goal_cell \[0, 0\] is inside a wall"),
        ({"reset_cell": (-1, 3)}, "reset_cell .* is outside"),
        ({"reset_cel": (1, 1)}, "unknown option 'reset_cel'; did you mean 'reset_cell'"),
        ({"start": START, "reset_cell": (1, 1)}, "exclude each other"),
    ],
)
def test_places_that_cannot_be_meant_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Maze2D().reset(options=options)


def test_unknown_names_and_actions_are_refused() -> None:
    with pytest.raises(RequestError, match="did you mean 'maze2d-large'"):
        Maze2D("maze2d-larg")
    with pytest.raises(RequestError, match="unknown render mode 'human'"):
        Maze2D(render_mode="human")
    with pytest.raises(LayoutError, match="ghost"):
        Maze2D(constraints=Avoid(Ball((0.0, 0.0, 0.0), 1.0)).named("ghost"))
    env = Maze2D()
    env.reset(seed=0)
    for action in ([np.nan, 0.0], [0.0], [0.0, 0.0, 0.0]):
        with pytest.raises(RequestError, match="2 finite numbers"):
            env.step(np.array(action))


def test_no_model_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Maze2D()
    assert not list(tmp_path.iterdir())


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


FAR, NEAR = Reach(Ball((3.0, 3.0), 0.2)), Reach(Ball((-1.0, 1.0), 0.2))


@pytest.mark.parametrize(
    "constraint",
    [
        Visit(Ball((1, 1), 0.3)).then(Ball((-1, 1), 0.3)),
        (FAR & NEAR).named("both"),
        Avoid(Ball((0, 0), 0.1)) | FAR,
        Always(Eventually(NEAR)),
    ],
    ids=["sequence", "both", "or safe", "again and again"],
)
def test_a_constraint_that_no_single_step_decides_is_refused(constraint: Constraint) -> None:
    with pytest.raises(RequestError, match="takes more than one instant to judge"):
        Maze2D("maze2d-umaze", constraints=constraint)


@pytest.mark.parametrize("constraint", [FAR | NEAR, Eventually(NEAR, (0.0, 0.5)), ~~NEAR])
def test_what_one_step_decides_is_reached_once_and_for_all(constraint: Constraint) -> None:
    env = Maze2D("maze2d-umaze", constraints=constraint.named("there"))
    _, info = env.reset(options={"start": (-1.0, 0.9), "goal": (-1.0, -1.0)})
    assert info["reached_there"]
    for _ in range(80):
        *_, info = env.step(np.array([1.0, 0.0]))
    assert NEAR.margin(env._trajectory(*info["trace"], np.zeros(2))) < 0
    assert info["reached_there"]
