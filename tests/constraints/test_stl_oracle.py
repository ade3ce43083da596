"""Temporal operators against rtamt's offline monitor of sampled signals.

rtamt (Nickovic & Yamaguchi, 2020) reads signals at samples; margins bound the robustness between
them from below, penalties are at samples, too. Where the two differ:

- Until in (Donze & Maler, 2010) asks for ``hold`` at the instant of the goal, too. So do margins:
  for continuous signals this matters only where the goal comes at once. rtamt and the penalties ask
  for it before. ``text`` is the former, ``weak`` the latter; Release is the opposite of either.
- Past the end of the signal rtamt answers infinity, ours 1e9. Penalties of an empty window are
  those of the nearest sample, so that there is something to descend: SHORT windows have none.
- rtamt lengthens the list of a bare variable when a window is longer than the signal, and so its
  other uses: every leaf is a comparison, which is a list of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from glass_plan.constraints import (
    All,
    Always,
    AnyOf,
    Constraint,
    Eventually,
    JointLimits,
    Release,
    Until,
)
from glass_plan.constraints.checks import LARGEST
from glass_plan.layout import Channel, Layout, Trajectory

# Its parser imports a module that Python 3.13 no longer has, and that warns before.
rtamt = pytest.importorskip("rtamt")

SIGNALS = Layout((Channel("a", 1, "1"), Channel("b", 1, "1"), Channel("dt", 1, "s")))
RATE = 64
"""Samples a second: a power of two, so that times are sums without rounding."""
QUARTER = RATE // 4
"""Samples between the borders that windows may have."""
LENGTH = 3 * RATE + QUARTER // 2 + 1
"""Samples: the last one is far from every sum of borders, where formulas may jump."""
STEEPEST = 2.0 / RATE
"""Largest change of a signal from one sample to the next."""


@dataclass(frozen=True)
class Formula:
    """One formula in both languages.

    Args:
        ours: a constraint.
        text: rtamt's.
        opposite: rtamt's for the negation of ours.
        weak: rtamt's with its own until.
        depth: temporal operators around each other.
    """

    ours: Constraint
    text: str
    opposite: str
    weak: str
    depth: int = 0


def negated(f: Formula) -> Formula:
    return Formula(~f.ours, f.opposite, f.text, f"(not {f.weak})", f.depth)


def joined(kind: type[All | AnyOf], f: Formula, g: Formula) -> Formula:
    word, dual = ("and", "or") if kind is All else ("or", "and")
    return Formula(
        kind((f.ours, g.ours)),
        f"({f.text} {word} {g.text})",
        f"({f.opposite} {dual} {g.opposite})",
        f"({f.weak} {word} {g.weak})",
        max(f.depth, g.depth),
    )


Span = tuple[int, int] | None
"""First and last quarter of a window; None for all the time there is."""


def window(span: Span) -> tuple[float, ...]:
    """[s]."""
    return () if span is None else (span[0] / 4, span[1] / 4)


def interval(span: Span) -> str:
    """In samples."""
    return "" if span is None else f"[{span[0] * QUARTER}:{span[1] * QUARTER}]"


def within(kind: type[Always | Eventually], f: Formula, span: Span) -> Formula:
    word, dual = ("always", "eventually") if kind is Always else ("eventually", "always")
    return Formula(
        kind(f.ours, window(span)),
        f"({word}{interval(span)} {f.text})",
        f"({dual}{interval(span)} {f.opposite})",
        f"({word}{interval(span)} {f.weak})",
        f.depth + 1,
    )


def up_to(hold: str, goal: str, span: Span) -> str:
    """Until with hold at the instant of the goal, too, as in (Donze & Maler, 2010, def. 3).

    rtamt's own asks for it up to the sample before, which at the first sample is for nothing.
    """
    return f"({hold} until{interval(span)} ({hold} and {goal}))"


def released(hold: str, goal: str, span: Span) -> str:
    """Release with hold at the instant of the goal, too: the dual of rtamt's own until."""
    return f"(not ((not {goal}) until{interval(span)} (not {hold})))"


def until(hold: Formula, goal: Formula, span: Span) -> Formula:
    return Formula(
        Until(hold.ours, goal.ours, window(span)),
        up_to(hold.text, goal.text, span),
        released(goal.opposite, hold.opposite, span),
        f"({hold.weak} until{interval(span)} {goal.weak})",
        max(hold.depth, goal.depth) + 1,
    )


def release(hold: Formula, goal: Formula, span: Span) -> Formula:
    return Formula(
        Release(hold.ours, goal.ours, window(span)),
        released(hold.text, goal.text, span),
        up_to(goal.opposite, hold.opposite, span),
        released(hold.weak, goal.weak, span),
        max(hold.depth, goal.depth) + 1,
    )


def leaf(name: str, limit: float) -> Formula:
    text = f"({name} <= {limit})"
    return Formula(JointLimits((-9,), (limit,), name), text, f"(not {text})", text)


leaves = st.builds(leaf, st.sampled_from("ab"), st.sampled_from([0.0, 0.25, 0.5]))
SHORT: list[Span] = [None, (0, 0), (0, 1), (0, 3), (1, 1), (1, 2), (2, 3), (4, 4)]
LONG: list[Span] = [*SHORT, (8, 9)]
"""Nested, they end after the signal: nothing is asked of always there, eventually is false."""


def timed(inner: st.SearchStrategy[Formula], spans: list[Span]) -> st.SearchStrategy[Formula]:
    """A temporal operator over others."""
    span = st.sampled_from(spans)
    return st.one_of(
        st.builds(within, st.sampled_from([Always, Eventually]), inner, span),
        st.builds(until, inner, inner, span),
        st.builds(release, inner, inner, span),
    )


def grown(inner: st.SearchStrategy[Formula], spans: list[Span]) -> st.SearchStrategy[Formula]:
    """One more operator, or none."""
    pairs = st.builds(joined, st.sampled_from([All, AnyOf]), inner, inner)
    return inner | st.builds(negated, inner) | pairs | timed(inner, spans)


def formulas(spans: list[Span]) -> st.SearchStrategy[Formula]:
    """Up to three operators deep, temporal outside: a leaf alone is a promise for all times."""
    return timed(grown(grown(leaves, spans), spans), spans)


def signals(seed: int) -> Trajectory:
    """Two that turn every quarter second, (LENGTH, 3)."""
    generator = torch.Generator().manual_seed(seed)
    slopes = 2 * torch.rand(LENGTH // QUARTER + 1, 2, generator=generator, dtype=torch.float64) - 1
    steps = STEEPEST * (slopes.sign() * slopes.abs().sqrt()).repeat_interleave(QUARTER, 0)
    x = torch.full((LENGTH, 3), 1 / RATE, dtype=torch.float64)
    x[:, :2] = pad(steps.cumsum(0), (0, 0, 1, 0))[:LENGTH]
    x[:, :2] -= x[:, :2].mean(0)
    return Trajectory(x, SIGNALS)


def every_other(trajectory: Trajectory) -> Trajectory:
    """The same signals with half as many waypoints: the others are middles of segments."""
    x = trajectory.x[::2].clone()
    x[:, 2] *= 2
    return Trajectory(x, SIGNALS)


def from_rtamt(text: str, trajectory: Trajectory) -> float:
    """Robustness at the first sample."""
    monitor = rtamt.StlDiscreteTimeSpecification()
    samples = {"time": list(range(LENGTH))}
    for name in "ab":
        monitor.declare_var(name, "float")
        samples[name] = trajectory.channel(name)[:, 0].tolist()
    monitor.spec = text
    monitor.parse()
    return min(max(monitor.evaluate(samples)[0][1], -LARGEST), LARGEST)


@settings(max_examples=100)
@given(f=formulas(LONG), seed=st.integers(0, 999))
def test_margins_are_those_of_rtamt_up_to_what_happens_in_a_step(f: Formula, seed: int) -> None:
    trajectory = signals(seed)
    theirs, ours = from_rtamt(f.text, trajectory), f.ours.margin(trajectory).item()
    assert theirs - (1 + f.depth) * STEEPEST <= ours <= theirs + f.depth * STEEPEST


@settings(max_examples=100)
@given(f=formulas(SHORT), seed=st.integers(0, 999))
def test_nothing_is_violated_iff_all_holds_at_the_samples_of_rtamt(f: Formula, seed: int) -> None:
    trajectory = signals(seed)
    violation = f.ours.violation(every_other(trajectory)).item()
    assert (violation == 0) == (from_rtamt(f.weak, trajectory) >= 0)
