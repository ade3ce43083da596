"""Two evaluations of a method, one to calibrate on and one that is fresh: what makes them match.

They run the same closed loop on scenes that differ, are finished as far as they go, and tell what
plans promised. Knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence

from glass_plan.checkpoint import PriorConfig, World, config_of
from glass_plan.constraints.verdicts import units
from glass_plan.errors import ProtocolError, RequestError
from glass_plan.protocols import Scene, Suite
from glass_plan.records import Outcome
from glass_plan.results import PROMISED, Results, Row

WALLS = "walls"
"""A maze's own constraint [m], which no protocol names."""
SAME = ("env_id", "nfe", "max_episode_steps", "tolerances")
"""Of two protocols, so that they run the same closed loop."""


def check_alike(calibration: Suite, fresh: Suite) -> None:
    """Refuse two sides that differ in more than their scenes, or share scenes."""
    sides = (calibration, fresh)
    told = [{"name": side.protocol.name, "model": side.model} for side in sides]
    for entry, side in zip(told, sides, strict=True):
        entry.update({key: getattr(side.protocol, key) for key in SAME})
    for key, value in told[0].items():
        if value != told[1][key]:
            raise ProtocolError(
                f"certify: {key} of the calibration is {value!r}, of the fresh scenes "
                f"{told[1][key]!r}; evaluate the two splits of one protocol file"
            )
    kinds = [{_text(scene) for scene in side.scenes.values()} for side in sides]
    both = sorted(
        seed
        for seed, scene in fresh.scenes.items()
        if seed in calibration.scenes or _text(scene) in kinds[0]
    )
    if both:
        raise ProtocolError(
            f"certify: {len(both)} fresh scenes are calibration scenes, too: {both[:5]}; calibrate "
            "on --split tuning and give --split reported as fresh"
        )


def check_rows(side: Results, suite: Suite) -> None:
    """Refuse rows that are none, have gaps, tell of other constraints, or of no promises."""
    where = f"certify: {side.method!r} on protocol {side.protocol.digest}"
    if not side.rows:
        raise RequestError(f"{where}: no rows; run glass-plan evaluate first")
    if side.gaps:
        raise ProtocolError(
            f"{where}: lacks {len(side.gaps)} of its first {len(side.rows) + len(side.gaps)} "
            "cases; finish its evaluation"
        )
    config = config_of(suite.model)
    for row in side.rows:
        foreign = row.clearance.keys() - named_units(suite.scenes[row.seed], config).keys()
        if foreign:
            raise ProtocolError(
                f"{where}: scene {row.seed} has no constraint {', '.join(sorted(foreign))}, but "
                "its row has; evaluate anew in another folder"
            )
    old = [row.case for row in side.rows if _lacks_promises(row)]
    if old:
        raise RequestError(
            f"{where}: {len(old)} of {len(side.rows)} rows followed plans but tell no promises, "
            f"first (seed, sampler seed) {old[0]}; they are of a method that makes no "
            "plans, or of an older version: then move them away and evaluate again"
        )


def named_units(scene: Scene, config: PriorConfig) -> dict[str, str]:
    """Unit of every constraint of a scene that an episode is judged by at every step.

    Args:
        scene: of a protocol.
        config: of the protocol's model, which says what robot is where.
    """
    safety = {name: part for name, part in scene.constraints.parts().items() if part.is_safety}
    found = {name: ", ".join(units(part, config.layout)) for name, part in safety.items()}
    walls = {WALLS: "m"} if isinstance(config.world, World) else {}
    return walls | {name: unit for name, unit in found.items() if unit}


def common_seeds(sides: Sequence[Results]) -> tuple[int, ...]:
    """Sampler seeds that every scene of all sides ran, so that no scene has more tries."""
    found = []
    for side in sides:
        done, scenes = {row.case for row in side.rows}, {row.seed for row in side.rows}
        seeds = side.protocol.sampler_seeds
        found.append({seed for seed in seeds if all((scene, seed) in done for scene in scenes)})
    common = set.intersection(*found)
    if not common:
        raise ProtocolError(
            f"certify: no sampler seed was run on every scene of both sides, but {found[0]} and "
            f"{found[1]} on those of one; evaluate more episodes"
        )
    return tuple(sorted(common))


def _lacks_promises(row: Row) -> bool:
    """Whether plans were followed, and nothing tells what they promised."""
    followed = row.error is None and row.outcomes.get(Outcome.PLANNED.value, 0) > 0
    return followed and not any(key.startswith(PROMISED) for key in row.info)


def _text(scene: Scene) -> str:
    """A scene without its seed, to tell whether two are the same."""
    return str({**scene.to_dict(), "seed": None})
