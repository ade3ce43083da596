"""An earlier comparison, of whose rows only the numbers are left, beside one of now.

Rows of many methods take days of a machine. Who has rows of some and of the method that all are
paired with, under the same protocol, sees them among the others. A method of which there are rows
now is never taken from before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glass_plan.arms import in_order
from glass_plan.errors import ProtocolError
from glass_plan.results import Results
from glass_plan.safety import SafetyReport
from glass_plan.tables import Entry

Told = dict[str, Any]
"""All that a comparison tells, as its JSON has it."""
PARTS = {"title", "made by", "methods", "table", "paired", "paired table"}
"""That are needed of an earlier one."""
RATES = ("success", "safe", "success_and_safe")


def load_comparison(path: Path) -> Told:
    """A comparison that ``write_comparison`` wrote.

    Raises:
        ProtocolError: unreadable, or it lacks something.
    """
    try:
        told: Told = json.loads(path.read_text())
        methods = told.get("methods", {}).values()
        whole = told.keys() >= PARTS and all("trapped" in method for method in methods)
    except (OSError, ValueError, AttributeError) as error:
        raise ProtocolError(f"{path}: cannot be read ({type(error).__name__})") from error
    if not whole:
        raise ProtocolError(
            f"{path}: not a comparison as this version writes it; give the .json of a new one"
        )
    return told


def completed(now: Told, earlier: Told, against: Results) -> Told:
    """``now`` with the methods that only ``earlier`` has; says in words which these are.

    Args:
        now: of results with rows.
        earlier: of which there are none.
        against: rows of the method that both are paired with.

    Raises:
        ProtocolError: ``earlier`` is of another protocol, or was paired with something else than
            these rows of ``against``: another method or settings, more episodes, or outcomes that
            are not theirs.
    """
    if earlier["title"] != now["title"]:
        raise ProtocolError(
            f"compare: earlier results are of {earlier['title']!r}, these of {now['title']!r}; "
            "give a comparison under the same protocol"
        )
    before, after = _by_method(earlier), _by_method(now)
    settings = after["methods"][against.method]["settings"]
    known = before["methods"].get(against.method, {}).get("settings", settings)
    if known != settings:
        raise ProtocolError(
            f"compare: {against.method!r} had the settings {known} then, {settings} here; "
            "evaluate all anew"
        )
    added = before["methods"].keys() - after["methods"].keys()
    for name in sorted(added):
        _check_pair(before["paired"].get(name), name, against)
    whole = dict(now)
    for part, lines in after.items():
        kept = {name: line for name, line in before[part].items() if name in added}
        both = {**kept, **lines}
        whole[part] = {name: both[name] for name in in_order(both)}
    for part in ("table", "paired", "paired table"):
        whole[part] = list(whole[part].values())
    whole["kept"] = _sources(earlier, in_order(added))
    whole["text"] = [_sentence(source) for source in whole["kept"]]
    return whole


def _sources(earlier: Told, names: list[str]) -> list[Told]:
    """Where the numbers of some methods of an earlier comparison are from, methods by origin."""
    older = [
        {**source, "methods": [name for name in source["methods"] if name in names]}
        for source in earlier.get("kept", ())
    ]
    inherited = {name for source in older for name in source["methods"]}
    own = [name for name in names if name not in inherited]
    sources = [*older, {"methods": own, "made by": earlier["made by"]}]
    return [source for source in sources if source["methods"]]


def _by_method(told: Told) -> dict[str, Mapping[str, Entry]]:
    """Its parts that have an entry a method, by method."""
    paired = zip(told["paired"], told["paired table"], strict=True)
    return {
        "methods": told["methods"],
        "table": {line["method"]: line for line in told["table"]},
        "paired": {pair["second"]: pair for pair in told["paired"]},
        "paired table": {pair["second"]: line for pair, line in paired},
    }


def _check_pair(pair: Told | None, name: str, against: Results) -> None:
    """Refuse a pair whose first method did something else than these rows say."""
    if pair is None or pair["first"] != against.method:
        known = "" if pair is None else f", but with {pair['first']!r}; name that one --against"
        raise ProtocolError(f"compare: {name!r} was not paired with {against.method!r}{known}")
    count = pair["safe"]["n"]
    cases = set(against.protocol.cases[:count])
    rows = [row for row in against.rows if row.case in cases]
    if len(rows) < count:
        raise ProtocolError(
            f"compare: {name!r} was paired over {count} cases, of which {against.method!r} lacks "
            f"{count - len(rows)} here; evaluate {count} episodes of it"
        )
    report = SafetyReport.from_rows(rows)
    now = tuple(getattr(report, rate).k for rate in RATES)
    then = tuple(pair[rate]["both"] + pair[rate]["first"] for rate in RATES)
    if now != then:
        raise ProtocolError(
            f"compare: in the {count} cases that {name!r} was paired over, {against.method!r} did "
            f"{then} then and {now} here ({', '.join(RATES)}); it is another one, evaluate all anew"
        )


def _sentence(source: Told) -> str:
    """Which methods have no rows, and where their numbers are from."""
    made = source["made by"]
    origin = f"commit {made['commit']}, torch {made['torch']}, threads: {made['threads']}"
    return f"As they were in an earlier comparison ({origin}): {', '.join(source['methods'])}."
