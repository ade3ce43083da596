"""A certificate as files: one sentence a unit, the numbers behind it (.json, .md), a figure (.png).

They are written beside the fresh rows, as ``PROTOCOL-certificate-METHOD``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glass_plan.certification import Certificate, Fresh, UnitCertificate, certify
from glass_plan.conformal import ROUNDING, Level
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.evaluation import load_results
from glass_plan.provenance import made_by
from glass_plan.results import Results
from glass_plan.tables import Entry, markdown_table

DIGITS = 4
"""Of a printed margin, which is rounded up, so that what is said of it stays true."""


def write_certificate(
    calibration: Path, fresh: Path, method: str, level: Level, *, splits: int, seed: int
) -> tuple[bool, str]:
    """Certify a method; returns whether the certificate holds, and the Markdown that it writes.

    Args:
        calibration: folder of results on tuning scenes.
        fresh: folder of results on other scenes of the protocol.
        method: whose rows are in both.
        level: delta and alpha.
        splits: repeated ones.
        seed: of the splits.

    Raises:
        RequestError: no rows of that method, or rows without promises.
        ProtocolError: folders that hold no results or do not belong together.
    """
    certificate = certify(
        _results(calibration, method),
        _results(fresh, method),
        level,
        splits=splits,
        generator=np.random.default_rng(seed),
    )
    text = markdown(certificate)
    path = fresh / f"{certificate.protocol}-certificate-{method}"
    entry = {"made by": _made_by(certificate), "seed": seed, **document(certificate)}
    path.with_name(f"{path.name}.json").write_text(json.dumps(entry, indent=1, allow_nan=False))
    path.with_name(f"{path.name}.md").write_text(text)
    figure(certificate).savefig(path.with_name(f"{path.name}.png"), dpi=150)
    return certificate.holds, text


def statement(certificate: Certificate, unit: UnitCertificate) -> str:
    """What is certified of the constraints of one unit, in a sentence."""
    level, margin = certificate.level, unit.margin
    who = f"{certificate.method} on {certificate.protocol}, constraints in {unit.unit}"
    if unit.fresh is None:
        return (
            f"{who}: no margin has P(violation) <= {level.delta:g} with confidence "
            f"{1 - level.alpha:g}: {margin.reason}."
        )
    promised = unit.fresh.promised
    return (
        f"{who}: at margin {_up(margin.value)} {unit.unit}, P(violation) <= {level.delta:g} with "
        f"confidence {1 - level.alpha:g}, where a new scene counts if in any of its episodes "
        f"(sampler seeds {_seeds(certificate)}) every followed plan promised the margin and still "
        f"a constraint was violated (calibrated on {margin.n} scenes, rank {margin.rank}; "
        f"{promised.k} of {promised.n} fresh episodes promised it)."
    )


def markdown(certificate: Certificate) -> str:
    """The sentences, then the numbers, then what they rest on."""
    parts = [f"# Certificate of {certificate.method} on {certificate.protocol}"]
    parts += [statement(certificate, unit) for unit in certificate.units]
    entries = table(certificate)
    parts.append(markdown_table(entries).rstrip())
    return "\n\n".join([*parts, "## What it rests on", _assumptions(certificate)]) + "\n"


def table(certificate: Certificate) -> list[Entry]:
    """What is behind the sentences: a line a number, a column a unit."""
    found = {unit.unit: numbers(certificate, unit) for unit in certificate.units}
    lines = {line: None for told in found.values() for line in told}
    return [
        {"constraints in": line} | {unit: told.get(line) for unit, told in found.items()}
        for line in lines
    ]


def numbers(certificate: Certificate, unit: UnitCertificate) -> dict[str, str]:
    """What is behind the sentence, by name."""
    level, margin, fresh, splits = certificate.level, unit.margin, unit.fresh, unit.splits
    infinite = [sum(map(math.isinf, s.values())) for s in (unit.calibration, unit.fresh_losses)]
    found = {
        "names": ", ".join(unit.names),
        "margin": f"{_up(margin.value)}, rank {margin.rank or '-'} of {margin.n}",
        "without alpha": f"{_up(margin.marginal)}, rank {margin.marginal_rank or '-'} of "
        f"{margin.n} (marginal conformal quantile)",
        "infinite scores": f"{infinite[0]} of {len(unit.calibration)} calibration scenes, "
        f"{infinite[1]} of {len(unit.fresh_losses)} fresh ones",
    }
    found |= {} if fresh is None else _fresh(level, fresh)
    errors = f"{unit.errors} episodes raised"
    found["fresh episodes with a violation"] = f"{str(unit.violated).strip()}; {errors}"
    if splits is not None:
        found["repeated splits"] = (
            f"{100 * splits.share:.1f} % of {splits.count} keep to {level.delta:g}, "
            f"{100 * splits.expected:.1f} +- {100 * splits.error:.1f} % expected (beta-binomial)"
        )
    return found


def document(certificate: Certificate) -> dict[str, Any]:
    """For JSON; what is infinite is null, so is what there is not."""
    units = [
        {"statement": statement(certificate, unit), **asdict(unit)} for unit in certificate.units
    ]
    whole = {
        **asdict(certificate),
        "holds": certificate.holds,
        "units": units,
        "goals": [],
        "table": table(certificate),
        "text": [entry["statement"] for entry in units],
    }
    return {key: _plain(value) for key, value in whole.items()}


def figure(certificate: Certificate) -> Figure:
    """Share of scenes that lose at most so much, on both sides, with the margin; a panel a unit."""
    drawn = Figure(figsize=(5.5 * len(certificate.units), 3.6), layout="constrained")
    panels = drawn.subplots(1, len(certificate.units), squeeze=False)[0]
    for axes, unit in zip(panels, certificate.units, strict=True):
        _draw(axes, unit, certificate.level)
    drawn.suptitle(f"{certificate.method} on {certificate.protocol}")
    return drawn


def _results(folder: Path, method: str) -> Results:
    results = load_results(folder)
    if method not in results:
        raise RequestError(
            f"certify: no rows of {method!r} in {folder}{did_you_mean(method, results)}; run "
            "glass-plan evaluate on that split first"
        )
    return results[method]


def _fresh(level: Level, fresh: Fresh) -> dict[str, str]:
    test = "contradicts" if fresh.p_value <= level.alpha else "does not contradict"
    kept = f"{fresh.violated_promised} of {fresh.promised.k}"
    return {
        "fresh scenes above the margin": f"{str(fresh.scenes).strip()}, at most "
        f"{100 * fresh.upper:.1f} % at {100 * (1 - level.alpha):g} % (Clopper-Pearson)",
        f"rate <= {level.delta:g}": f"p = {fresh.p_value:.3g}, exact binomial test, {test} it",
        "exchangeable": f"p = {fresh.exchangeable:.3g} for so many or more (beta-binomial)",
        "fresh episodes above the margin": str(fresh.episodes).strip(),
        "fresh episodes that promised the margin": str(fresh.promised).strip(),
        "violations among these": kept,
    }


def _assumptions(certificate: Certificate) -> str:
    """What a reader has to know, as a list."""
    told = [
        "A scene counts once, with the worst of its episodes (sampler seeds "
        f"{_seeds(certificate)}), since these are dependent. Rates of episodes are descriptive: "
        "their intervals take them as independent.",
        "Calibration and fresh scenes are drawn from one law, and driven by one closed loop: "
        "another planner, controller, budget or demanded margin needs another calibration.",
        "The method was fixed before the calibration scenes were looked at. Where it was tuned on "
        "them, the margin may be too small; what the fresh scenes say is not touched by that.",
        "The probability is that of promise and violation together, not that of a violation given "
        "the promise.",
        "Repeated splits have a finite fresh set each: their share is to be compared with the "
        "beta-binomial beside it, not with the confidence. Ties make it larger. It checks the "
        "computation; whether both sides are alike is told by the line 'exchangeable' alone.",
    ]
    if len(certificate.units) > 1:
        together = 1 - len(certificate.units) * certificate.level.alpha
        told.append(f"The confidence is of one unit; of all together it is at least {together:g}.")
    if certificate.left_out:
        told.append(
            f"{certificate.left_out} rows are left out: their sampler seeds were not run on every "
            "scene of both sides."
        )
    if certificate.commits[0] != certificate.commits[1]:
        one, two = (", ".join(commits) for commits in certificate.commits)
        told.append(f"The calibration was run by commit {one}, the fresh scenes by {two}.")
    return "\n".join(f"- {line}" for line in told)


def _draw(axes: Axes, unit: UnitCertificate, level: Level) -> None:
    """Empirical law functions; infinite losses count, and are never reached."""
    sides = {"calibration": unit.calibration, "fresh": unit.fresh_losses}
    for k, (name, losses) in enumerate(sides.items()):
        finite = np.sort([s for s in losses.values() if math.isfinite(s)])
        share = np.arange(1, len(finite) + 1) / len(losses)
        label = f"{name}: {len(losses)} scenes, {len(losses) - len(finite)} infinite"
        axes.step(finite, share, where="post", color=f"C{k}", label=label)
    axes.axhline(1 - level.delta, color="gray", linewidth=0.8, linestyle=":")
    if unit.fresh is not None:
        label = f"margin {_up(unit.margin.value)} {unit.unit}"
        axes.axvline(unit.margin.value, color="black", linestyle="--", label=label)
    axes.set(
        xlabel=f"promised less executed, worst of a scene [{unit.unit}]",
        ylabel="share of scenes",
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)


def _made_by(certificate: Certificate) -> dict[str, Any]:
    return made_by(commit for side in certificate.commits for commit in side)


def _seeds(certificate: Certificate) -> str:
    return ", ".join(map(str, certificate.sampler_seeds))


def _up(value: float) -> str:
    """Rounded up to ``DIGITS``; ``inf`` as it is."""
    if not math.isfinite(value):
        return "inf"
    return f"{math.ceil(value * 10**DIGITS - ROUNDING) / 10**DIGITS:.{DIGITS}f}"


def _plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
