"""Protocol files: scenes and budgets of a benchmark, frozen as YAML, read as ``EvalProtocol``.

    name: maze2d_static
    env_id: glass_envs:glass_plan/Maze2D-Large-v0
    model: maze2d-large-errands
    nfe: 100
    max_episode_steps: 1200
    sampler_seeds: [0, 1, 2]
    scenes:
      - {seed: 0, start: [1.0, 0.5], goal: [-3.0, 2.0], shortest: 8.2, constraints: {all: [...]}}

Seeds below 100 are for tuning, the others are reported; the two are never run together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from glass_plan.constraints import Constraint, from_dict, to_dict
from glass_plan.errors import ProtocolError, SpecError, did_you_mean
from glass_plan.results import EvalProtocol

TUNING_SEEDS = 100
"""Scenes with a lower seed are for tuning."""

Split = Literal["tuning", "reported"]
KEYS = (
    "name",
    "env_id",
    "model",
    "nfe",
    "max_episode_steps",
    "sampler_seeds",
    "tolerances",
    "scenes",
)
SCENE_KEYS = ("seed", "start", "goal", "shortest", "constraints")


@dataclass(frozen=True)
class Scene:
    """One task.

    Args:
        seed: it was drawn by.
        start: (x, y) [m], at rest.
        goal: (x, y) [m].
        constraints: what must hold.
        shortest: length of the shortest way that keeps what stays at bay [m].
    """

    seed: int
    start: tuple[float, float]
    goal: tuple[float, float]
    constraints: Constraint
    shortest: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping of a protocol file."""
        for key in values:
            if key not in SCENE_KEYS:
                raise ProtocolError(f"scene: unknown key {key!r}{did_you_mean(key, SCENE_KEYS)}")
        missing = [key for key in SCENE_KEYS if key not in values]
        if missing:
            raise ProtocolError(f"scene: lacks {', '.join(missing)}")
        return cls(
            seed=int(values["seed"]),
            start=_pair(values["start"]),
            goal=_pair(values["goal"]),
            constraints=from_dict(values["constraints"]),
            shortest=float(values["shortest"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """For a protocol file."""
        return {
            "seed": self.seed,
            "start": list(self.start),
            "goal": list(self.goal),
            "shortest": self.shortest,
            "constraints": to_dict(self.constraints),
        }


@dataclass(frozen=True)
class Suite:
    """A protocol with its scenes, ready to be run.

    Args:
        protocol: what is hashed.
        model: checkpoint that all methods draw from.
        scenes: by seed.
        monitored: whether controllers check plans while they follow them (``RecedingHorizon``).
    """

    protocol: EvalProtocol
    model: str
    scenes: Mapping[int, Scene]
    monitored: bool = True

    @classmethod
    def of(cls, protocol: EvalProtocol) -> Self:
        """Read the scenes back from the text that ``load_suite`` gave a protocol.

        Raises:
            ProtocolError: the text is of something else.
        """
        try:
            values = yaml.safe_load(protocol.scenes)
            scenes = [Scene.from_dict(scene) for scene in values["scenes"]]
            by_seed = {scene.seed: scene for scene in scenes}
            return cls(protocol, str(values["model"]), by_seed, values.get("monitored", True))
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise ProtocolError(
                f"protocol {protocol.name!r}: its scenes cannot be read ({error!r}); take results "
                "of glass-plan evaluate"
            ) from error


def load_suite(path: str | Path, split: Split = "reported", *, monitored: bool = True) -> Suite:
    """One split of a protocol file.

    Args:
        path: of the file.
        split: which seeds.
        monitored: whether controllers check plans while they follow them. If not, this is another
            protocol, NAME-unmonitored, that shows what plans are worth by themselves.

    Raises:
        ProtocolError: unreadable, unknown or missing keys, or a scene that is none.
    """
    try:
        values = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProtocolError(f"{path}: cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise ProtocolError(f"{path}: must be a mapping with {', '.join(KEYS)}")
    for key in values:
        if key not in KEYS:
            raise ProtocolError(f"{path}: unknown key {key!r}{did_you_mean(str(key), KEYS)}")
    try:
        scenes = [Scene.from_dict(scene) for scene in values.pop("scenes")]
        model = values.pop("model")
    except (KeyError, TypeError, ValueError, SpecError, ProtocolError) as error:
        raise ProtocolError(f"{path}: {error}") from error
    kept = {s.seed: s for s in scenes if (s.seed < TUNING_SEEDS) == (split == "tuning")}
    hashed = {"model": model, "scenes": [scene.to_dict() for scene in kept.values()]}
    if not monitored:
        hashed["monitored"] = False
    text = yaml.safe_dump(hashed, sort_keys=True)
    protocol = EvalProtocol.from_dict({**values, "scenes": text, "seeds": tuple(kept)})
    if not monitored:
        protocol = replace(protocol, name=f"{protocol.name}-unmonitored")
    return Suite(protocol, model, kept, monitored)


def dump_suite(header: Mapping[str, Any], scenes: Sequence[Scene]) -> str:
    """Text of a protocol file, a scene a block."""
    head: str = yaml.safe_dump(dict(header), sort_keys=False, default_flow_style=None)
    blocks = yaml.safe_dump(
        {"scenes": [scene.to_dict() for scene in scenes]},
        sort_keys=False,
        default_flow_style=None,
        width=100,
    )
    return head + blocks


def _pair(value: Any) -> tuple[float, float]:
    x, y = value
    return float(x), float(y)
