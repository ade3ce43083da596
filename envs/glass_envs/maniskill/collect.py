"""Many demonstrations of a ManiSkill task; the data do not depend on the number of processes.

Knows nothing of how a demonstration goes, nor of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from glass_envs.maniskill.demonstrator import demonstrate
from glass_envs.maniskill.tasks import TASKS
from glass_envs.maniskill.world import ManiSkill
from glass_plan.data import Recorded, Trip
from glass_plan.executors import Local
from glass_plan.layout import Layout

SHARD = 20
"""Demonstrations that one process does without being asked again."""
FIRST_SEED = 1_000_000
"""Of the demonstrations' scenes: no protocol has them."""


@dataclass(frozen=True)
class Shard:
    """Some demonstrations, in the order of their seeds.

    Args:
        task: a key of ``SCRIPTS``.
        seeds: of scenes and manners.
    """

    task: str
    seeds: tuple[int, ...]

    def run(self) -> tuple[list[Trip | None], Layout]:
        """Do them in this process, None where one failed; and what states hold.

        In a simulation of their own: what came before leaves traces in PhysX.
        """
        env = ManiSkill(self.task)
        try:
            return [demonstrate(self.task, env, seed) for seed in self.seeds], env.observed
        finally:
            env.close()


@dataclass(frozen=True)
class Demonstrations:
    """A data set.

    Args:
        trips: by their seeds.
        failed: among them.
        recorded: what a state holds.
    """

    trips: list[Trip]
    failed: int
    recorded: Recorded


def collect(
    task: str,
    episodes: int,
    workers: int = 1,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Demonstrations:
    """Demonstrate until there are enough that succeeded.

    Args:
        task: a key of ``SCRIPTS``.
        episodes: that succeed.
        workers: processes.
        seed: of the whole data set.
        progress: called with the number of demonstrations of each finished shard.
    """
    found: list[Trip | None] = []
    seeds = count(FIRST_SEED * (1 + seed))
    while (missing := episodes - sum(trip is not None for trip in found)) > 0:
        shards = list(_shards(task, missing, seeds))
        done: dict[int, list[Trip | None]] = {}
        for index, ended in Local(workers).run(shards):
            part, observed = ended
            done[index] = part
            if progress is not None:
                progress(sum(trip is not None for trip in part))
        found += [trip for index in sorted(done) for trip in done[index]]
    good = [k for k, trip in enumerate(found) if trip is not None][:episodes]
    trips = [trip for trip in found[: good[-1] + 1] if trip is not None]
    recorded = Recorded(observed.channels, TASKS[task].achieved)
    return Demonstrations(trips, good[-1] + 1 - len(trips), recorded)


def _shards(task: str, missing: int, seeds: Iterator[int]) -> Iterator[Shard]:
    """As many demonstrations as are missing, in shards."""
    for first in range(0, missing, SHARD):
        size = min(SHARD, missing - first)
        yield Shard(task, tuple(next(seeds) for _ in range(size)))
