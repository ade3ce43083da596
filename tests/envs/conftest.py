"""What the tests of worlds share: environments that are closed in the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from glass_envs.maniskill.world import ManiSkill
from tests.envs.arms import Make


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes ManiSkill's environments."""
    made: list[ManiSkill] = []

    def one(*args: Any, **kwargs: Any) -> ManiSkill:
        made.append(ManiSkill(*args, **kwargs))
        return made[-1]

    yield one
    for env in made:
        env.close()


@pytest.fixture(scope="module")
def bare() -> Iterator[ManiSkill]:
    """A world of ManiSkill to look at."""
    env = ManiSkill()
    yield env
    env.close()
