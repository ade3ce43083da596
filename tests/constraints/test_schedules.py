"""Schedules over flow time: soft constraints at t, rewards made of them, files."""

from __future__ import annotations

import pickle
from typing import Any

import jsonschema
import pytest
import torch
import yaml
from hypothesis import given, settings

from glass_plan.constraints import (
    All,
    Avoid,
    Ball,
    Constraint,
    Prefer,
    Reach,
    SpeedLimit,
    dump_spec,
    json_schema,
    parse_spec,
)
from glass_plan.errors import RequestError, SpecError
from glass_plan.layout import Trajectory
from glass_plan.rewards import Reward
from glass_plan.strengths import Constant, Ramp, Strength, Window
from tests.constraints.strategies import (
    constraints,
    flow_times,
    schedules,
    specs,
    trajectories,
    wander,
)

SCHEMA = jsonschema.Draft202012Validator(json_schema())
HARD, TERM = SpeedLimit(2), Reach(Ball((9, 9), 1))
RAMP, WINDOW = Ramp(0.2, 0.6, 3.0), Window(0.3, 0.8)
WAY = wander(1)


def left(trajectory: Trajectory) -> torch.Tensor:
    return trajectory.x[..., 0, 0]


@settings(max_examples=50)
@given(c=constraints, schedule=schedules, t=flow_times, trajectory=trajectories)
def test_soft_at_a_flow_time_is_the_schedule_times_soft(
    c: Constraint, schedule: Strength, t: float, trajectory: Trajectory
) -> None:
    found = c.soft(2.0, 0.1, schedule=schedule).at(t)(trajectory)
    torch.testing.assert_close(found, schedule(t) * c.soft(2.0, 0.1)(trajectory))


@settings(max_examples=50)
@given(c=specs, schedule=schedules, trajectory=trajectories)
def test_a_plain_call_means_the_end_of_the_flow(
    c: Constraint, schedule: Strength, trajectory: Trajectory
) -> None:
    reward = c.soft(2.0, schedule=schedule)
    torch.testing.assert_close(reward(trajectory), reward.at(1.0)(trajectory))


@settings(max_examples=50)
@given(c=specs, s=flow_times, t=flow_times)
def test_what_is_at_a_time_has_no_schedule_left(c: Constraint, s: float, t: float) -> None:
    assert c.at(s).at(t) == c.at(s)
    assert c.soft().at(s).at(t) == c.soft().at(s)


@settings(max_examples=50)
@given(c=constraints, t=flow_times)
def test_hard_parts_have_no_schedule(c: Constraint, t: float) -> None:
    assert c.at(t) is c
    reward = c.soft()
    assert reward.at(t) is reward


def test_a_reward_without_a_schedule_is_itself_at_all_times() -> None:
    plain = Reward(left)
    for reward in (plain, plain + 2 * plain, 3 * HARD.soft() + plain, (HARD & Prefer(TERM)).soft()):
        assert reward.at(0.3) is reward


def test_sums_and_multiples_pass_the_flow_time_on() -> None:
    reward = 2 * TERM.soft(schedule=RAMP) + Reward(left) + HARD.soft(schedule=WINDOW) * 0.5
    for t in (0.1, 0.4, 0.7, 1.0):
        expected = 2 * RAMP(t) * TERM.soft()(WAY) + left(WAY) + 0.5 * WINDOW(t) * HARD.soft()(WAY)
        torch.testing.assert_close(reward.at(t)(WAY), expected)
        assert reward.at(t).name == reward.name


def test_scheduled_rewards_are_values() -> None:
    reward = TERM.soft(schedule=RAMP) + 2 * HARD.soft(schedule=WINDOW)
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert hash(reward.at(0.4)) == hash(reward.at(0.4))
    assert reward != TERM.soft() + 2 * HARD.soft()


@pytest.mark.parametrize("t", [0.1, 0.4, 0.7, 1.0])
def test_a_preference_weighs_by_its_schedule(t: float) -> None:
    spec = HARD & Prefer(TERM, 0.5, RAMP)
    expected = HARD.violation(WAY) + RAMP(t) * 0.5 * TERM.violation(WAY)
    torch.testing.assert_close(spec.at(t).violation(WAY), expected)
    torch.testing.assert_close(spec.soft(2.0, 0.0).at(t)(WAY), -2 * expected)


def test_a_plain_violation_is_that_of_the_end() -> None:
    ended, doubled = Prefer(TERM, 0.5, WINDOW), Prefer(TERM, 0.5, Ramp(0.1, 0.9, 2.0))
    assert (ended.violation(WAY) == 0).all()
    assert (ended.shortfalls(WAY) == 0).all()
    torch.testing.assert_close(doubled.violation(WAY), TERM.violation(WAY))
    torch.testing.assert_close(doubled.shortfalls(WAY), TERM.shortfalls(WAY))


def test_a_preference_without_strength_is_not_there() -> None:
    spec = HARD & Prefer(TERM, 0.5, WINDOW)
    assert spec.at(0.1) == spec.at(0.9) == All((HARD,))
    assert spec.at(0.5) == HARD & Prefer(TERM, 0.5)
    assert Prefer(TERM, schedule=WINDOW).at(0.1) == All(())


def test_a_part_inside_a_named_part_has_its_schedule() -> None:
    inner = (HARD & Prefer(TERM, 0.5, RAMP)).named("inner")
    assert (inner & HARD).at(0.4) == All((inner.at(0.4), HARD))
    assert inner.at(0.4).label == "inner"


def test_weights_and_strengths_at_their_limits_stay_valid() -> None:
    wish = Prefer(TERM, 1e9, Constant(1e9))
    torch.testing.assert_close(wish.at(0.5).violation(WAY), 1e18 * TERM.violation(WAY))


FORMS: list[tuple[str, Strength]] = [
    ("{constant: {beta: 0.5}}", Constant(0.5)),
    ("{constant: {}}", Constant()),
    ("{window: {t_min: 0.3, t_max: 0.8}}", WINDOW),
    ("{ramp: {t_min: 0.2, t_max: 0.6, beta: 3}}", RAMP),
]


@pytest.mark.parametrize(("form", "schedule"), FORMS)
def test_a_schedule_is_written_as_its_value(form: str, schedule: Strength) -> None:
    text = f"{{prefer: {{speed_limit: 2}}, weight: 0.5, schedule: {form}, name: wish}}"
    wish = Prefer(HARD, 0.5, schedule, name="wish")
    SCHEMA.validate(yaml.safe_load(text))
    assert parse_spec(text) == wish == parse_spec(dump_spec(wish))
    assert parse_spec(f"all: [{text}]") == All((wish,))


def test_full_strength_is_not_written() -> None:
    assert "schedule" not in dump_spec(Prefer(HARD, 0.5))


BAD = [
    ("3", "schedule: must be a mapping, got 3; valid keys: constant, window, ramp"),
    ("null", "schedule: must be a mapping, got None"),
    ("{}", "schedule: needs exactly one of constant, window, ramp, got none"),
    ("{windw: {}}", "schedule: unknown key 'windw'; did you mean 'window'"),
    ("{window: {t_mn: 0.3, t_max: 0.8}}", "schedule.window: .*'t_mn'; did you mean 't_min'"),
    ("{ramp: {t_max: 0.8}}", "schedule.ramp: missing key 't_min'; valid: t_min, t_max, beta"),
    ("{ramp: [0.3, 0.8]}", "schedule.ramp: must be a mapping"),
    ("{window: {t_min: a, t_max: 0.8}}", "schedule.window.t_min: must be a number .* got 'a'"),
    ("{window: {t_min: 0.8, t_max: 0.3}}", "schedule.window: Window: needs 0 <= t_min < t_max"),
    ("{constant: {beta: -1}}", "schedule.constant: Constant: beta must be a number from 0"),
    ("{constant: {beta: 0x" + "f" * 5000 + "}}", "schedule.constant.beta: .* too long to print"),
]


@pytest.mark.parametrize(("form", "error"), BAD, ids=lambda value: value[:30])
def test_what_is_no_schedule_says_where(form: str, error: str) -> None:
    wish = f"{{prefer: {{speed_limit: 2}}, schedule: {form}}}"
    for text, path in ((wish, ""), (f"all: [{{accel_limit: 1}}, {wish}]", r"all\[1\]\.")):
        with pytest.raises(SpecError, match=f"^{path}{error}"):
            parse_spec(text)
    if "0x" not in form and "0.8, t_max" not in form:  # what the schema does not know
        assert not SCHEMA.is_valid(yaml.safe_load(wish))


@pytest.mark.parametrize("key", ["speed_limit: 1", "all: []", "always: {speed_limit: 1}"])
def test_only_preferences_take_a_schedule(key: str) -> None:
    text = f"{{{key}, schedule: {{constant: {{}}}}}}"
    with pytest.raises(SpecError, match="takes no key 'schedule' beside it"):
        parse_spec(text)
    assert not SCHEMA.is_valid(yaml.safe_load(text))


def test_python_refuses_what_is_no_schedule() -> None:
    half: Any = 0.5
    with pytest.raises(SpecError, match=r"Prefer: schedule must be a Constant, .* got 0.5"):
        Prefer(HARD, 1.0, half)
    with pytest.raises(RequestError, match=r"avoid_ball: schedule must be a Constant, .* got 0.5"):
        Avoid(Ball((0, 0), 1)).soft(schedule=half)
