"""The planar benchmark: do samplers reach the law they claim, and at what price?

Coverage alone rewards samples that crowd round the centre, so the exact sampler's own value and the
squared MMD to exact samples stand beside it; ``MMD2 / floor`` is 1 for a perfect sampler.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.bench import mixture_table
from glass_plan.bench import mixture_task as task
from glass_plan.bench.distances import Mmd
from glass_plan.bench.mixture_arms import FAMILIES, RARE_FAMILIES, Family, Sampler
from glass_plan.bench.mixture_field import STEPS, trained_field
from glass_plan.bench.records import Record
from glass_plan.denoisers import Denoiser
from glass_plan.tables import Entry

FIELDS = ("analytic", "trained")
TUNING_SEED, TUNING_OUTPUTS = 0, 4_000
"""A setting is chosen by at most so many outputs of this seed."""
REFERENCES = 4
"""Exact sets that each set of outputs is compared with."""
FLOOR_SETS = 20
"""Further exact sets, whose mean MMD2 to the references is the floor."""
EXACT_SEED = 10_000
"""First seed of exact sets; no sampler uses it."""


class Judge:
    """How near outputs are to exact samples.

    Args:
        count: samples of each exact set.
    """

    def __init__(self, count: int) -> None:
        sets = [
            task.sample_target(count, torch.Generator().manual_seed(EXACT_SEED + k))
            for k in range(REFERENCES + FLOOR_SETS)
        ]
        self.mmd = Mmd.of(*sets[:REFERENCES])
        self.floor = sum(self.mmd(x) for x in sets[REFERENCES:]) / FLOOR_SETS

    def __call__(self, x: Float[Tensor, "N 2"]) -> Entry:
        """The columns of the main table that outputs decide."""
        mmd2, std = self.mmd(x), x.std(0).tolist()
        return {
            "coverage %": 100 * task.coverage(x),
            "satisfied %": 100 * float(task.satisfied(x).double().mean()),
            "MMD2": mmd2,
            "MMD2 / floor": mmd2 / self.floor,
            "std x": std[0],
            "std y": std[1],
        }


def feasible(x: Float[Tensor, "N 2"]) -> Entry:
    """The column of the rare task."""
    return {"feasible": int((task.rare_margin(x) > 0).sum())}


@dataclass(frozen=True)
class MixtureBench:
    """What to measure.

    Args:
        folder: of all output.
        outputs: samples per method and seed.
        seeds: reported ones, from 1000 on.
        fields: of ``FIELDS``.
        families: of the main task.
        rare_families: of the rare task, one setting each.
        field_steps: training steps of the small network.
        advance: called after every measurement.
    """

    folder: Path
    outputs: int = 10_000
    seeds: Sequence[int] = (1000, 1001, 1002)
    fields: Sequence[str] = FIELDS
    families: Sequence[Family] = FAMILIES
    rare_families: Sequence[Family] = RARE_FAMILIES
    field_steps: int = STEPS
    advance: Callable[[], object] = lambda: None

    @property
    def measurements(self) -> int:
        """How often ``advance`` is called."""
        tuned = sum(len(f.arms) for f in self.families if len(f.arms) > 1)
        reported = len(self.families) + len(self.rare_families)
        return len(self.fields) * (tuned + len(self.seeds) * reported)

    def run(self) -> str:
        """Measure what is missing; write rows, tables, goals and figure; returns the text."""
        main, rare = Record(self.folder, "mixture"), Record(self.folder, "mixture-rare")
        rows: list[Entry] = []
        odds: list[Entry] = []
        for field in self.fields:
            denoise = self._field(field)
            for family in self.families:
                setting = self._tuned(family, field, denoise)
                rows += self._measured(main, family, setting, field, denoise, self._judge)
            for family in self.rare_families:
                setting = next(iter(family.arms))
                odds += self._measured(rare, family, setting, field, denoise, feasible)
        return mixture_table.write(main, rare, rows, odds)

    def _field(self, name: str) -> Denoiser:
        if name == "analytic":
            return task.denoise
        path = self.folder / f"mixture-field-{self.field_steps}.safetensors"
        return trained_field(path, steps=self.field_steps).denoise

    def _tuned(self, family: Family, field: str, denoise: Denoiser) -> str:
        """The setting whose outputs are nearest to exact samples on the tuning seed."""
        if len(family.arms) == 1:
            return next(iter(family.arms))
        record, found = Record(self.folder, "mixture-tuning"), {}
        outputs = min(self.outputs, TUNING_OUTPUTS)
        for setting, arm in family.arms.items():
            key = {"field": field, "method": family.name, "setting": setting, "outputs": outputs}

            def distance(arm: Sampler = arm) -> Entry:
                x, _ = arm.sample(denoise, outputs, TUNING_SEED)
                return {"MMD2": self._tuning_mmd(x)}

            found[setting] = record.measured(key, distance)["MMD2"]
            self.advance()
        return min(found, key=found.__getitem__)

    def _measured(
        self,
        record: Record,
        family: Family,
        setting: str,
        field: str,
        denoise: Denoiser,
        judge: Callable[[Tensor], Mapping[str, float]],
    ) -> list[Entry]:
        """A row for each seed."""
        about = {"field": field, "regime": family.regime, "method": family.name}
        rows = []
        for seed in self.seeds:

            def values(seed: int = seed) -> Entry:
                began = time.perf_counter()
                x, asked = family.arms[setting].sample(denoise, self.outputs, seed)
                ms = 1e3 * (time.perf_counter() - began) / self.outputs
                return {"rows": asked / self.outputs, "ms": ms, **judge(x)}

            key = {**about, "setting": setting, "seed": seed, "outputs": self.outputs}
            rows.append(record.measured(key, values))
            self.advance()
        return rows

    @functools.cached_property
    def _judge(self) -> Judge:
        return Judge(self.outputs)

    @functools.cached_property
    def _tuning_mmd(self) -> Mmd:
        generator = torch.Generator().manual_seed(TUNING_SEED)
        return Mmd.of(task.sample_target(TUNING_OUTPUTS, generator))
