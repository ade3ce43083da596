"""Strengths over flow time: worked by hand, checked once, values."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

import glass_plan as gp
from glass_plan import guidance
from glass_plan.errors import GlassPlanError, SpecError
from glass_plan.strengths import FULL, Constant, Ramp, Window

STRENGTHS = {
    "constant": (Constant(0.5), (0.5, 0.5, 0.5)),
    "window": (Window(0.2, 0.7, 0.5), (0.0, 0.5, 0.0)),
    "ramp": (Ramp(0.2, 0.7, 0.5), (0.0, 0.25, 0.5)),
}


@pytest.mark.parametrize(("schedule", "worth"), STRENGTHS.values(), ids=STRENGTHS.keys())
def test_a_schedule_says_how_strong_something_is_at_a_flow_time(schedule, worth):
    assert tuple(schedule(t) for t in (0.1, 0.45, 0.9)) == pytest.approx(worth)


def test_the_ends_of_a_window_belong_to_it():
    assert [Window(0.2, 0.7)(t) for t in (0.2, 0.7)] == [1.0, 1.0]


def test_a_ramp_stays_at_its_top():
    assert [Ramp(0.2, 0.7, 3.0)(t) for t in (0.0, 0.2, 0.7, 1.0)] == [0.0, 0.0, 3.0, 3.0]


def test_the_default_is_full_strength():
    assert Constant() == FULL
    assert FULL(0.0) == FULL(1.0) == 1.0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Constant(-1.0), "Constant: beta must be a number from 0 to 1e.09, got -1.0"),
        (lambda: Ramp(0.2, 0.7, math.inf), "Ramp: beta must be a number from 0 .* got inf"),
        (lambda: Window(math.nan, 0.7), "Window: t_min must be a number from 0 .* got nan"),
        (lambda: Window("0.2", 0.7), "Window: t_min must be a number from 0 .* got '0.2'"),
        (lambda: Ramp(0.2, True), "Ramp: t_max must be a number from 0 .* got True"),
        (lambda: Window(0.7, 0.2), "needs 0 <= t_min < t_max <= 1, got 0.7 and 0.2; flow time"),
        (lambda: Ramp(0.2, 1.2), "needs 0 <= t_min < t_max <= 1, got 0.2 and 1.2"),
    ],
)
def test_a_schedule_out_of_range_is_refused(build, message):
    with pytest.raises(SpecError, match=message):
        build()
    assert issubclass(SpecError, GlassPlanError)


def test_schedules_are_values_of_plain_floats():
    made = Window(np.float32(0.5), 1, np.int64(2))
    assert made == Window(0.5, 1.0, 2.0)
    assert [type(x) for x in (made.t_min, made.t_max, made.beta)] == [float] * 3
    assert pickle.loads(pickle.dumps(made)) == made
    assert hash(made) == hash(Window(0.5, 1.0, 2.0))


@pytest.mark.parametrize("name", ["Constant", "Window", "Ramp"])
def test_guides_and_specifications_share_their_schedules(name):
    assert getattr(gp, name) is getattr(guidance, name)
