"""Executors: the same results everywhere, dead workers replaced, worn ones, too."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from glass_plan.errors import MissingPackageError, RequestError, WorkerError
from glass_plan.evaluation import evaluate, results_path
from glass_plan.executors import EpisodeTask, Local
from glass_plan.methods import Sampling
from glass_plan.protocols import dump_suite, load_suite
from glass_plan.ray_executor import RayActors
from glass_plan.safety import read_rows
from glass_plan.workers import Crew, run_on
from tests.models import ENV_ID, MODEL
from tests.test_protocols import HEADER, SCENES


@pytest.fixture(scope="module")
def cluster():
    """Ray on two processors, for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))  # else one is written to the home
        ray = pytest.importorskip("ray")
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@dataclass(frozen=True)
class Pid:
    """Tells who ran it."""

    def run(self):
        return os.getpid()


@dataclass(frozen=True)
class Dies:
    """Kills its process, and leaves a mark, until there are so many."""

    marks: Path
    deaths: int

    def __str__(self):
        return self.marks.name

    def run(self):
        died = len(self.marks.read_text()) if self.marks.exists() else 0
        if died < self.deaths:
            self.marks.write_text("x" * (died + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()


@dataclass(frozen=True)
class Raises:
    """Cannot be run."""

    def run(self):
        raise RequestError("no such place")


@pytest.mark.parametrize(
    "executor", [Local, pytest.param(RayActors, marks=pytest.mark.ray)], ids=["local", "ray"]
)
def test_dead_and_worn_workers_are_replaced_and_what_kills_all_is_named(
    executor, request, tmp_path
):
    if executor is RayActors:
        request.getfixturevalue("cluster")
    once, always = tmp_path / "once", tmp_path / "always"
    ended = executor(workers=1, tries=2, recycle_after=2).run(
        [Dies(once, 1), Pid(), Pid(), Dies(always, 9)]
    )
    found = dict([next(ended), next(ended), next(ended)])
    assert list(found) == [1, 2, 0]
    assert found[1] == found[2] != found[0]
    with pytest.raises(WorkerError, match=r"worker died in try 2 of 2: always \("):
        next(ended)
    assert (once.read_text(), always.read_text()) == ("x", "xx")


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_a_cluster_writes_the_rows_of_this_process(tmp_path):
    class Here:
        def run(self, tasks):
            return ((index, task.run()) for index, task in enumerate(tasks))

    path = tmp_path / "tiny.yaml"
    path.write_text(dump_suite(HEADER | {"max_episode_steps": 60}, SCENES))
    rows = {}
    for name, executor in {"here": Here(), "one": RayActors(1), "two": RayActors(2)}.items():
        list(evaluate(load_suite(path), "unguided", tmp_path / name, episodes=2, executor=executor))
        kept = read_rows(results_path(tmp_path / name, "unguided"))
        rows[name] = {row.case: replace(row, wall_time=()) for row in kept}
    assert len(rows["here"]) == 2
    assert rows["here"] == rows["one"] == rows["two"]


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_what_a_task_raises_on_a_cluster_is_raised_here():
    with pytest.raises(RequestError, match="no such place"):
        list(RayActors(1).run([Raises()]))


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"pip install glass_plan\[ray\]"):
        list(RayActors().run([Pid()]))


class DiedError(Exception):
    """What a worker's future raises whose process is gone."""


class Desk:
    """A worker without a process; all desks write what they did into one book."""

    def __init__(self, book):
        self.book, self.open = book, True

    def submit(self, task):
        assert self.open
        self.book.append(task)
        future = Future()
        if task.startswith("die"):
            future.set_exception(DiedError())
        else:
            future.set_result(task.upper())
        return future

    def close(self):
        assert self.open
        self.open = False


def work(tasks, **crew):
    """What came, what was begun, and how it failed."""
    book, desks, found, failure = [], [], {}, None

    def start():
        desks.append(Desk(book))
        return desks[-1]

    try:
        for index, result in run_on(start, tasks, crew=Crew(**crew), lost=(DiedError,)):
            found[index] = result
    except WorkerError as error:
        failure = str(error)
    assert not any(desk.open for desk in desks)
    return found, book, failure


def test_what_is_lost_is_run_last():
    found, order, failure = work(["die", "a", "b"], workers=1, tries=2)
    assert found == {1: "A", 2: "B"}
    assert order == ["die", "a", "b", "die"]
    assert failure.startswith("worker died in try 2 of 2: die (DiedError; deaths in a row: 1)")


def test_what_runs_beside_a_failure_still_arrives():
    found, _, failure = work(["die", "a"], workers=2, tries=1)
    assert found == {1: "A"}
    assert "try 1 of 1: die" in failure


def test_where_no_worker_lives_not_all_is_tried():
    found, order, failure = work([f"die {k}" for k in range(99)], workers=2, tries=3)
    assert not found
    assert 6 <= len(order) <= 7
    assert "deaths in a row: 6" in failure


def test_no_task_needs_no_worker():
    assert work([]) == ({}, [], None)
    assert not list(RayActors().run([]))


@pytest.mark.parametrize("crew", [{"workers": 0}, {"tries": 0}, {"recycle_after": 0}])
def test_fewer_than_one_is_refused(crew):
    with pytest.raises(RequestError, match=f"{next(iter(crew))} must be >= 1, got 0"):
        Crew(**crew)


def test_an_episode_prints_as_its_name():
    task = EpisodeTask(ENV_ID, MODEL, Sampling(), seed=3, sampler_seed=1)
    assert str(task) == f"episode of {ENV_ID}, seed 3, sampler seed 1"


class Fails:
    """A task that raises by itself, or does not, after a moment."""

    def __init__(self, fails, seconds):
        self.fails, self.seconds = fails, seconds

    def run(self):
        time.sleep(self.seconds)
        if self.fails:
            raise ValueError("by itself")
        return self.seconds


def test_what_runs_beside_a_task_that_raises_is_not_lost():
    ended = []
    running = Local(2).run([Fails(True, 0.5), Fails(False, 3.0), Fails(False, 0.0)])
    with pytest.raises(ValueError, match="by itself"):
        ended.extend(index for index, _ in running)
    assert ended == [1]
