"""Protocol files: scenes and budgets of a benchmark, frozen as YAML, read as ``EvalProtocol``.

    name: maze2d_static
    env_id: glass_envs:glass_plan/Maze2D-Large-v0
    model: maze2d-large-errands
    nfe: 100
    max_episode_steps: 1200
    sampler_seeds: [0, 1, 2]
    scenes:
      - {seed: 0, start: [1.0, 0.5], goal: [-3.0, 2.0], shortest: 8.2, constraints: {all: [...]}}

A maze's ``start`` and ``goal`` are options of its ``reset``; those of other worlds have the key
``options``, and arguments of the environment itself ``env_kwargs``:

    env_id: glass_envs:glass_plan/PickCube-v0
    env_kwargs: {control_mode: pd_joint_pos}
    scenes:
      - {seed: 0, options: {cube: [0.1, 0.0, 0.02]}, constraints: {all: [...]}}

Seeds below 100 are for tuning, the others are reported; the two are never run together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
import yaml

from glass_plan.constraints import Constraint, from_dict, to_dict
from glass_plan.constraints.spec import Loader
from glass_plan.errors import ProtocolError, RequestError, did_you_mean
from glass_plan.results import EvalProtocol

TUNING_SEEDS = 100
"""Scenes with a lower seed are for tuning."""

Split = Literal["tuning", "reported"]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """Keys of a protocol file, and what may stand there."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[\w.-]+$")]
    env_id: str
    model: str
    nfe: Annotated[int, msgspec.Meta(ge=1)]
    max_episode_steps: Annotated[int, msgspec.Meta(ge=1)]
    scenes: list[dict[str, Any]]
    sampler_seeds: tuple[int, ...] = (0,)
    env_kwargs: dict[str, Any] = {}
    tolerances: dict[Literal["goal_radius", "trapped_radius"], float] = {}


KEYS = tuple(field.name for field in msgspec.structs.fields(_File))
PLACES = ("start", "goal")
"""Options of a maze's reset, (x, y) [m], which are keys of a scene themselves."""
SCENE_KEYS = ("seed", *PLACES, "options", "shortest", "constraints")


@dataclass(frozen=True)
class Scene:
    """One task.

    Args:
        seed: it was drawn by.
        options: numbers for the environment's reset, by name.
        constraints: what must hold.
        shortest: length of the shortest way that keeps what stays at bay [m], where it is known.
    """

    seed: int
    options: Mapping[str, tuple[float, ...]]
    constraints: Constraint
    shortest: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping of a protocol file."""
        for key in values:
            if key not in SCENE_KEYS:
                raise ProtocolError(f"scene: unknown key {key!r}{did_you_mean(key, SCENE_KEYS)}")
        required = ("seed", "constraints", *(() if "options" in values else PLACES))
        missing = [key for key in required if key not in values]
        if missing:
            raise ProtocolError(f"scene: lacks {', '.join(missing)}")
        if not isinstance(values["seed"], int):
            raise ProtocolError(f"scene: seed must be an integer, got {values['seed']!r}")
        options = {key: values[key] for key in PLACES if key in values} | values.get("options", {})
        return cls(
            seed=values["seed"],
            options={key: tuple(map(float, numbers)) for key, numbers in options.items()},
            constraints=from_dict(values["constraints"]),
            shortest=float(values["shortest"]) if "shortest" in values else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """For a protocol file."""
        places = {key: list(v) for key, v in self.options.items() if key in PLACES}
        others = {key: list(v) for key, v in self.options.items() if key not in PLACES}
        return {
            "seed": self.seed,
            **places,
            **({"options": others} if others or not places else {}),
            **({} if self.shortest is None else {"shortest": self.shortest}),
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
        latency: time [s] that goes by while a plan is made (``RecedingHorizon``).
        env_kwargs: of the environment, besides constraints and step limit.
    """

    protocol: EvalProtocol
    model: str
    scenes: Mapping[int, Scene]
    monitored: bool = True
    latency: float = 0.0
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)

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
            return cls(
                protocol,
                str(values["model"]),
                by_seed,
                monitored=values.get("monitored", True),
                latency=values.get("latency", 0.0),
                env_kwargs=values.get("env_kwargs", {}),
            )
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise ProtocolError(
                f"protocol {protocol.name!r}: its scenes cannot be read ({error!r}); take results "
                "of glass-plan evaluate"
            ) from error


def load_suite(
    path: str | Path,
    split: Split = "reported",
    *,
    monitored: bool = True,
    latency: float = 0.0,
) -> Suite:
    """One split of a protocol file.

    Args:
        path: of the file.
        split: which seeds.
        monitored: whether controllers check plans while they follow them. If not, this is another
            protocol, NAME-unmonitored, that shows what plans are worth by themselves.
        latency: time [s] that goes by while a plan is made. If any, this is another protocol,
            NAME-latency-SECONDS, that shows what plans are worth in a world that does not wait.

    Raises:
        RequestError: a latency that is none.
        ProtocolError: unreadable, unknown or missing keys, or a scene that is none.
    """
    if not 0 <= latency < math.inf:
        raise RequestError(f"protocol: latency must be 0 s or more, got {latency}")
    try:
        values = yaml.load(Path(path).read_text(), Loader=Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProtocolError(f"{path}: cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise ProtocolError(f"{path}: must be a mapping with {', '.join(KEYS)}")
    for key in values:
        if key not in KEYS:
            raise ProtocolError(f"{path}: unknown key {key!r}{did_you_mean(str(key), KEYS)}")
    try:
        msgspec.convert(values, _File)
        scenes = [Scene.from_dict(scene) for scene in values.pop("scenes")]
    except (TypeError, ValueError) as error:  # msgspec's, SpecError and ProtocolError too
        raise ProtocolError(f"{path}: {error}") from error
    model, env_kwargs = values.pop("model"), dict(values.pop("env_kwargs", {}))
    chosen = [s for s in scenes if (s.seed < TUNING_SEEDS) == (split == "tuning")]
    kept = {scene.seed: scene for scene in chosen}
    if not kept or len(kept) < len(chosen):
        seeds = [scene.seed for scene in chosen]
        raise ProtocolError(f"{path}: {split} scenes must have distinct seeds, got {seeds}")
    hashed = {"model": model, "scenes": [scene.to_dict() for scene in kept.values()]}
    if not monitored:
        hashed["monitored"] = False
    if latency:
        hashed["latency"] = float(latency)
    if env_kwargs:
        hashed["env_kwargs"] = env_kwargs
    text = yaml.safe_dump(hashed, sort_keys=True)
    protocol = EvalProtocol.from_dict({**values, "scenes": text, "seeds": tuple(kept)})
    suffix = ("" if monitored else "-unmonitored") + (f"-latency-{latency:g}" if latency else "")
    protocol = replace(protocol, name=f"{protocol.name}{suffix}")
    return Suite(protocol, model, kept, monitored, latency, env_kwargs)


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
