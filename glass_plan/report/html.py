"""The report as one HTML file: opens from disk, loads nothing, light and dark.

Success and safety stand side by side, every rate with n and interval, and the page says how its
numbers were made. Knows nothing of how figures are drawn.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from matplotlib.figure import Figure

from glass_plan.errors import RequestError
from glass_plan.safety import PERCENTILES, SafetyReport
from glass_plan.statistics import Rate

MEDIA = {".mp4": "video/mp4", ".gif": "image/gif"}
"""What a browser plays, by suffix."""

MISSING = "&ndash;"

RATES_HEAD = ("Method", "n", "Success", "Safe", "Success and safe", "Unsafe, at most")
COSTS_HEAD = ("Method", "Violations", "Violated time", "Errors", "Rows a plan", "Planning time")


def write_report(
    path: str | Path,
    title: str,
    *,
    reports: Sequence[SafetyReport],
    figures: Mapping[str, bytes | Figure] | None = None,
    video: Path | None = None,
    meta: Mapping[str, object] | None = None,
) -> Path:
    """Write one self-contained page.

    Args:
        path: of the file; its folder is made.
        title: heading of the page.
        reports: one a method.
        figures: PNG bytes or matplotlib figures, by caption.
        video: an ``.mp4`` or ``.gif`` to embed.
        meta: how the numbers were made: command, model, seeds, network rows ...

    Returns:
        The path written.

    Raises:
        RequestError: nothing to report, or a video of another kind.
    """
    if not reports:
        raise RequestError(f"report {path}: no safety report to show")
    page = _PAGE.substitute(
        title=escape(title),
        rates=_table(RATES_HEAD, [_rates_row(report) for report in reports]),
        costs=_table(COSTS_HEAD, [_costs_row(report) for report in reports]),
        constraints=_constraints(reports),
        decisions=_decisions(reports),
        figures=_figures(figures or {}),
        video="" if video is None else _video(Path(video)),
        meta=_meta(meta or {}),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _rates_row(report: SafetyReport) -> list[str]:
    rates = [_rate(rate) for rate in (report.success, report.safe, report.success_and_safe)]
    return [_name(report), str(report.n), *rates, f"{100 * report.unsafe.upper:.1f} %"]


def _costs_row(report: SafetyReport) -> list[str]:
    times = [
        f"{_number(seconds, '.3f', ' s')} (p{share})"
        for share, seconds in zip(PERCENTILES, report.wall_time, strict=True)
    ]
    rows = _number(report.nfe, ".0f")
    spent = f"{report.violated_time:.2f} s"
    timing = MISSING if math.isnan(report.wall_time[0]) else ", ".join(times)
    return [_name(report), str(report.entries), spent, str(report.errors), rows, timing]


def _rate(rate: Rate) -> str:
    """Share, count and interval, over a bar that shows all three."""
    low, high = rate.interval
    words = f"{100 * low:.1f} to {100 * high:.1f} %"
    return (
        f'<div class="rate"><b>{100 * rate.value:.1f} %</b> <span>{rate.k}/{rate.n}</span></div>'
        f"{_bar(rate.value, low, high, words)}<small>{words}</small>"
    )


def _bar(value: float, low: float, high: float, words: str) -> str:
    """A scale from 0 to 1 with an interval and its estimate."""
    x, start, width = 100 * value, 100 * low, 100 * (high - low)
    return (
        f'<svg class="bar" viewBox="-2 0 104 10" role="img" aria-label="{words}">'
        '<rect class="scale" x="0" y="4" width="100" height="2" rx="1"/>'
        f'<rect class="span" x="{start:.2f}" y="3" width="{width:.2f}" height="4" rx="2"/>'
        f'<circle class="dot" cx="{x:.2f}" cy="5" r="2.4"/></svg>'
    )


def _constraints(reports: Sequence[SafetyReport]) -> str:
    """Violations and smallest margin of every constraint, one column a method."""
    names = list(dict.fromkeys(name for report in reports for name in report.violations))
    rows = [[escape(name), *(_violations(report, name) for report in reports)] for name in names]
    head = ("Constraint", *(_name(report) for report in reports))
    return _table(head, rows) if rows else "<p>No constraint was measured.</p>"


def _violations(report: SafetyReport, name: str) -> str:
    clearance = _number(report.clearance.get(name, math.nan), "+.3f")
    return f"{report.violations.get(name, 0)} <small>smallest margin {clearance}</small>"


def _decisions(reports: Sequence[SafetyReport]) -> str:
    outcomes = list(dict.fromkeys(outcome for report in reports for outcome in report.outcomes))
    rows = [
        [_name(report), *(str(report.outcomes.get(outcome, 0)) for outcome in outcomes)]
        for report in reports
    ]
    return _table(("Method", *(escape(outcome.capitalize()) for outcome in outcomes)), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the first of each row names it."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _meta(meta: Mapping[str, object]) -> str:
    entries = "".join(
        f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>" for key, value in meta.items()
    )
    return f"<dl>{entries}</dl>" if entries else ""


def _figures(figures: Mapping[str, bytes | Figure]) -> str:
    shown = "".join(_figure(name, image) for name, image in figures.items())
    return f"<h2>Figures</h2>{shown}" if shown else ""


def _figure(name: str, image: bytes | Figure) -> str:
    caption = escape(name)
    return (
        f'<figure><img alt="{caption}" src="{_data_uri(_png(image), "image/png")}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _video(path: Path) -> str:
    kind = MEDIA.get(path.suffix)
    if kind is None:
        raise RequestError(f"report: video {path} must be one of {', '.join(MEDIA)}")
    source = _data_uri(path.read_bytes(), kind)
    if kind == "image/gif":
        shown = f'<img alt="rollout" src="{source}">'
    else:
        shown = f'<video controls loop muted autoplay playsinline src="{source}"></video>'
    return f"<h2>Rollout</h2><figure>{shown}<figcaption>In real time.</figcaption></figure>"


def _png(image: bytes | Figure) -> bytes:
    if isinstance(image, bytes):
        return image
    buffer = io.BytesIO()
    image.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.12)
    return buffer.getvalue()


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _name(report: SafetyReport) -> str:
    return escape(report.name)


def _number(value: float, spec: str, unit: str = "") -> str:
    return f"{value:{spec}}{unit}" if math.isfinite(value) else MISSING


_PAGE = Template(files("glass_plan.report").joinpath("page.html").read_text(encoding="utf-8"))
