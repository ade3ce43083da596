"""Runs the methods of a benchmark on a protocol's scenes, and measures what they drove.

All methods get the same scenes, seeds and network rows; rows of results are appended as episodes
end, so that a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from glass_plan.errors import ProtocolError, RequestError, did_you_mean
from glass_plan.executors import EpisodeTask, run_tasks
from glass_plan.methods import Sampling
from glass_plan.protocols import Scene, Suite
from glass_plan.provenance import commit
from glass_plan.records import Episode
from glass_plan.results import EvalProtocol, Results, Row, append_row, read_rows

Array = NDArray[np.float64]

PROTOCOL_FILE = "protocol.json"
TRAPPED_TIME, TRAPPED_RADIUS = 2.0, 0.2
"""No progress: for so long [s] within so much [m] of one place, and not at the goal."""
MOVES = 0.01
"""Steps of a plan shorter than this [m] hold the goal, and have no roughness."""


@dataclass(frozen=True)
class Arm:
    """A method as it is evaluated.

    Args:
        sampling: how the planner draws.
        fallback: of the controller.
        aware: whether it knows the constraints.
        shield: whether a last filter may override its actions.
    """

    sampling: Sampling
    fallback: Literal["brake", "follow"] = "brake"
    aware: bool = True
    shield: bool = False


ARMS: dict[str, Arm] = {
    "unguided": Arm(Sampling.unguided(96), "follow", aware=False),
    "best-of-n": Arm(Sampling.best_of(12, 8)),
    "glass-fks": Arm(Sampling()),
    "glass-fks+shield": Arm(Sampling(), shield=True),
}
"""By name; every one spends at most 100 network rows a plan."""


def evaluate(
    suite: Suite, method: str, folder: Path, *, episodes: int, workers: int = 2
) -> Iterator[Row]:
    """Run the first ``episodes`` cases that have no row yet; yields rows as they are written.

    Args:
        suite: scenes and budget.
        method: a key of ``ARMS``.
        folder: of results; one file a method.
        episodes: cases, in the protocol's order.
        workers: processes.

    Raises:
        RequestError: an unknown method, one that takes more network rows than the protocol allows,
            or more episodes than there are cases.
        ProtocolError: the folder holds results of another protocol.
    """
    if method not in ARMS:
        raise RequestError(f"evaluate: unknown method {method!r}{did_you_mean(method, ARMS)}")
    cases = suite.protocol.cases
    if not 1 <= episodes <= len(cases):
        raise RequestError(f"evaluate: episodes must be in 1..{len(cases)}, got {episodes}")
    rows, allowed = ARMS[method].sampling.rows, suite.protocol.nfe
    if rows > allowed:
        raise RequestError(f"evaluate: {method!r} takes {rows} rows a plan, allowed are {allowed}")
    keep_protocol(folder, suite.protocol)
    path = results_path(folder, method)
    done = {row.case for row in Results(suite.protocol, method, tuple(read_rows(path))).rows}
    left = [case for case in cases[:episodes] if case not in done]
    made_at = commit()
    tasks = [episode_task(suite, method, seed, sampler) for seed, sampler in left]
    for index, episode in run_tasks(tasks, workers):
        seed, sampler = left[index]
        row = Row.of(episode, sampler)
        row = replace(row, info=measures(episode, suite.scenes[seed]), commit=made_at)
        append_row(path, row)
        yield row


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


def episode_task(suite: Suite, method: str, seed: int, sampler_seed: int) -> EpisodeTask:
    """One case of one method."""
    arm, scene = ARMS[method], suite.scenes[seed]
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
        env_kwargs={
            "constraints": scene.constraints,
            "max_episode_steps": suite.protocol.max_episode_steps,
        },
        options={"start": scene.start, "goal": scene.goal},
    )


def measures(episode: Episode, scene: Scene) -> dict[str, float]:
    """What a row tells besides success and safety."""
    path = episode.states[:, :2]
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    plans = [d.plan for d in episode.decisions if d.plan is not None]
    rough = [roughness(plan.states[:, :2]) for plan in plans]
    return {
        "length": length,
        "length_ratio": length / scene.shortest,
        "duration": float(episode.times[-1]),
        "trapped": float(trapped(episode)),
        "calls": float(max((plan.calls for plan in plans), default=0)),
        "roughness": float(np.mean(rough)) if rough else 0.0,
    }


def trapped(episode: Episode) -> bool:
    """Whether it ever made no progress for ``TRAPPED_TIME``."""
    path, times = episode.states[:, :2], episode.times
    if times[-1] < TRAPPED_TIME:
        return False
    window = int(np.searchsorted(times - times[0], TRAPPED_TIME))
    starts = np.arange(0, len(path) - window, 10)
    spread = np.array(
        [np.linalg.norm(path[k : k + window] - path[k], axis=1).max() for k in starts]
    )
    return bool((spread < TRAPPED_RADIUS).any())


def roughness(path: Array) -> float:
    """Mean second difference of a plan's waypoints over their mean distance."""
    step = np.diff(path, axis=0)
    length = np.linalg.norm(step, axis=1)
    moving = (length[1:] > MOVES) & (length[:-1] > MOVES)
    bends = np.linalg.norm(np.diff(step, axis=0), axis=1)[moving]
    return float(bends.mean() / length[length > MOVES].mean()) if moving.any() else 0.0


def load_results(folder: Path) -> dict[str, Results]:
    """What was evaluated so far, by method.

    Raises:
        ProtocolError: the folder holds no protocol, or foreign rows.
    """
    protocol = read_protocol(folder)
    found = {path.stem: tuple(read_rows(path)) for path in sorted(folder.glob("*.jsonl"))}
    return {name: Results(protocol, name, rows) for name, rows in found.items() if rows}
