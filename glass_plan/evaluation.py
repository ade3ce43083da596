"""Runs the methods of a benchmark on a protocol's scenes, and measures what they drove.

All methods get the same scenes, seeds and network rows; rows of results are appended as episodes
end, so that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import gymnasium

from glass_plan.arms import ARMS, Arm, arm_for, in_order
from glass_plan.checkpoint import config_of, weights_digest
from glass_plan.errors import ProtocolError, RequestError, did_you_mean
from glass_plan.executors import HERE, EpisodeTask, Executor
from glass_plan.measures import measures
from glass_plan.methods import Sampling
from glass_plan.protocols import Suite
from glass_plan.provenance import commit
from glass_plan.results import EvalProtocol, Results, Row, append_row, read_rows, sole_writer

PROTOCOL_FILE = "protocol.json"


def evaluate(
    suite: Suite,
    method: str,
    folder: Path,
    *,
    episodes: int,
    executor: Executor = HERE,
    arm: Arm | None = None,
) -> Iterator[Row]:
    """Run the first ``episodes`` cases that have no row yet; yields rows as they are written.

    Args:
        suite: scenes and budget.
        method: a key of ``ARMS``, or the name of ``arm``.
        folder: of results; one file a method.
        episodes: cases, in the protocol's order.
        executor: where the episodes are run; the rows do not depend on it.
        arm: to be run in place of a known one.

    Raises:
        RequestError: an unknown method, one to which a protocol without a monitor or with a latency
            means nothing, one that takes more network rows than the protocol allows, or more
            episodes than there are cases.
        ProtocolError: an environment that nobody registers, or the folder holds results of another
            protocol, or the method's file rows of other settings or weights, or is being added to.
        WorkerError: the workers of an episode died as often as it may be tried.
    """
    if arm is None and method not in ARMS:
        raise RequestError(f"evaluate: unknown method {method!r}{did_you_mean(method, ARMS)}")
    arm = arm_for(method, config_of(suite.model)) if arm is None else arm
    if not suite.monitored and (arm.shield or arm.controller == "mppi"):
        raise RequestError(
            f"evaluate: {method!r} does not follow plans unmonitored; take a method that plans, "
            "without a shield"
        )
    if suite.latency and arm.controller == "mppi":
        raise RequestError(f"evaluate: {method!r} makes no plans that a world could not wait for")
    cases = suite.protocol.cases
    if not 1 <= episodes <= len(cases):
        raise RequestError(f"evaluate: episodes must be in 1..{len(cases)}, got {episodes}")
    asked, allowed = arm.sampling.rows, suite.protocol.nfe
    if asked > allowed:
        raise RequestError(f"evaluate: {method!r} takes {asked} rows a plan, allowed are {allowed}")
    _check_registered(suite.protocol)
    keep_protocol(folder, suite.protocol)
    path, settings = results_path(folder, method), settings_digest(suite, arm)
    with sole_writer(path):
        rows = Results(suite.protocol, method, tuple(read_rows(path))).rows
        if foreign := [row.case for row in rows if row.settings != settings]:
            raise ProtocolError(
                f"{path}: {len(foreign)} rows are of other settings or weights than {settings}, "
                f"first case {foreign[0]}; move the file away, or use another folder"
            )
        done = {row.case for row in rows}
        left = [case for case in cases[:episodes] if case not in done]
        made_at = commit()
        tasks = [episode_task(suite, arm, seed, sampler) for seed, sampler in left]
        for index, episode in executor.run(tasks):
            seed, sampler = left[index]
            row = Row.of(episode, sampler)
            told = measures(episode, suite.scenes[seed], suite.protocol.tolerances)
            row = replace(row, info=told, commit=made_at, settings=settings)
            append_row(path, row)
            yield row


def _check_registered(protocol: EvalProtocol) -> None:
    """Refuse an environment that nobody registers here."""
    module, _, name = protocol.env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        gymnasium.spec(name)
    except (ModuleNotFoundError, gymnasium.error.Error) as error:
        raise ProtocolError(f"{protocol.name}: env_id {protocol.env_id!r}: {error}") from error


def settings_digest(suite: Suite, arm: Arm) -> str:
    """First 12 hex digits of the SHA-256 of a method's settings and its weights.

    Settings that are as they are by default do not count, so that new ones change nothing.
    """
    text = f"{_chosen(arm)} {_chosen(arm.sampling)} {weights_digest(suite.model)}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _chosen(settings: Arm | Sampling) -> list[tuple[str, object]]:
    """What is not as by default, by name."""
    every = [(entry, getattr(settings, entry.name)) for entry in fields(settings)]
    return [(e.name, v) for e, v in every if v != e.default and not isinstance(v, Sampling)]


def results_folder(out: Path, suite: Suite, split: str) -> Path:
    """Where the results of a protocol are: its name, the split and the digest."""
    return out / f"{suite.protocol.name}-{split}-{suite.protocol.digest}"


def keep_protocol(folder: Path, protocol: EvalProtocol) -> None:
    """Write the protocol beside its results, or check that it is the same.

    Raises:
        ProtocolError: the folder holds results of another protocol.
    """
    path = folder / PROTOCOL_FILE
    if path.exists():
        kept = read_protocol(folder)
        if kept.digest != protocol.digest:
            raise ProtocolError(
                f"{path}: of protocol {kept.digest}, not {protocol.digest}; use another folder"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(protocol.to_dict(), indent=1))


def read_protocol(folder: Path) -> EvalProtocol:
    """The protocol that results were made under.

    Raises:
        ProtocolError: the folder holds none.
    """
    path = folder / PROTOCOL_FILE
    try:
        return EvalProtocol.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ProtocolError(
            f"{path}: cannot be read ({error}); give a folder that glass-plan evaluate wrote"
        ) from error


def results_path(folder: Path, method: str) -> Path:
    """Where the rows of a method are."""
    return folder / f"{method}.jsonl"


def episode_task(suite: Suite, arm: Arm, seed: int, sampler_seed: int) -> EpisodeTask:
    """One case of one method."""
    scene = suite.scenes[seed]
    return EpisodeTask(
        env_id=suite.protocol.env_id,
        model=suite.model,
        sampling=arm.sampling,
        seed=seed,
        sampler_seed=sampler_seed,
        constraints=scene.constraints,
        aware=arm.aware,
        fallback=arm.fallback,
        shield=arm.shield,
        observed=arm.observed,
        monitored=suite.monitored,
        latency=suite.latency,
        controller=arm.controller,
        env_kwargs={
            **suite.env_kwargs,
            "constraints": scene.constraints,
            "max_episode_steps": suite.protocol.max_episode_steps,
        },
        options=scene.options,
    )


def load_results(folder: Path) -> dict[str, Results]:
    """What was evaluated so far, by method, in the order of ``ARMS``.

    Raises:
        ProtocolError: the folder holds no protocol, or foreign rows.
    """
    protocol = read_protocol(folder)
    found = {path.stem: tuple(read_rows(path)) for path in sorted(folder.glob("*.jsonl"))}
    return {name: Results(protocol, name, found[name]) for name in in_order(found) if found[name]}
