"""Transitions of a trained prior: quality against network calls, and what values are worth.

Quality: one sample for each held-out window, between that window's start and goal, against the
windows themselves. Values: see ``values``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan import kernels
from glass_plan.bench import transitions_table
from glass_plan.bench.distances import Mmd, SlicedWasserstein
from glass_plan.bench.records import Record
from glass_plan.bench.values import ESTIMATES, TIMES, ValueTest
from glass_plan.planner import Planner
from glass_plan.prior import ConditionedPrior, FlowPrior
from glass_plan.tables import Entry
from glass_plan.windows import Windows

ROWS = {4: (2, 2), 8: (2, 4), 16: (4, 4), 20: (5, 4), 32: (8, 4), 64: (16, 4)}
"""Network rows a sample -> GLASS transitions and inner steps."""
HELD_OUT = "held-out windows"


@dataclass(frozen=True)
class TransitionsBench:
    """What to measure.

    Args:
        folder: of all output.
        planner: of the model.
        held_out: trips that the model was not trained on.
        windows: samples per method and seed.
        seeds: reported ones, from 1000 on.
        rows: network rows a sample, keys of ``ROWS``.
        requests: per seed, whose particles' values are estimated.
        reference: posterior samples and SDE steps of the values' reference.
        advance: called after every measurement.
    """

    folder: Path
    planner: Planner
    held_out: Windows
    windows: int = 1000
    seeds: Sequence[int] = (1000, 1001, 1002)
    rows: Sequence[int] = tuple(ROWS)
    requests: int = 16
    reference: tuple[int, int] = (200, 32)
    advance: Callable[[], object] = lambda: None

    @property
    def measurements(self) -> int:
        """How often ``advance`` is called."""
        return len(self.seeds) * (1 + 3 * len(self.rows) + len(TIMES) * len(ESTIMATES))

    def run(self) -> str:
        """Measure what is missing; write rows, tables, goals and figure; returns the text."""
        quality, values = Record(self.folder, "transitions"), Record(self.folder, "values")
        samples: list[Entry] = []
        valued: list[Entry] = []
        for seed in self.seeds:
            samples += self._quality(quality, seed)
            valued += self._values(values, seed)
        return transitions_table.write(quality, values, samples, valued)

    def _quality(self, record: Record, seed: int) -> list[Entry]:
        prior = self.planner.prior
        drawn = self.held_out.sample(2 * self.windows, torch.Generator().manual_seed(seed))
        exact, other = prior.normalizer.normalize(drawn).chunk(2)
        about = {"model": self._model, "windows": self.windows, "seed": seed}
        key = {"method": HELD_OUT, "NFE": 0, **about}
        found = [record.measured(key, lambda: self._measures(exact, other))]
        self.advance()
        for rows in self.rows:
            for method in ("ode", "glass", "sde"):

                def values(method: str = method, rows: int = rows) -> Entry:
                    return self._measures(exact, sample(prior, method, rows, exact, seed))

                found.append(record.measured({"method": method, "NFE": rows, **about}, values))
                self.advance()
        return found

    def _values(self, record: Record, seed: int) -> list[Entry]:
        about = {"model": self._model, "requests": self.requests, "seed": seed}
        about["reference"] = list(self.reference)
        test = ValueTest(self.planner, self.held_out, self.requests, self.reference, seed)
        found = []
        for t in TIMES:
            for name in ESTIMATES:

                def correlation(t: float = t, name: str = name) -> Entry:
                    return test.correlation(t, name)

                found.append(record.measured({"t": t, "estimate": name, **about}, correlation))
                self.advance()
        return found

    @property
    def _model(self) -> str:
        return self.planner.config.sha256[:12]

    def _measures(self, exact: Float[Tensor, "N H D"], x: Float[Tensor, "N H D"]) -> Entry:
        """Distances in model coordinates, and the share that touches a wall, as drawn."""
        margin = self.planner.embodiment.standing.margin(self.planner.prior.to_world(x))
        return {
            "sliced W": SlicedWasserstein.of(exact.flatten(1))(x.flatten(1)),
            "MMD2": Mmd.of(exact.flatten(1))(x.flatten(1)),
            "touch %": 100 * float((margin <= 0).double().mean()),
        }


def sample(
    prior: FlowPrior, method: str, rows: int, exact: Float[Tensor, "N H D"], seed: int
) -> Float[Tensor, "N H D"]:
    """A sample of the prior between the ends of each window, at ``rows`` network rows each."""
    denoise = ConditionedPrior(prior, prior.pinned_of(exact))
    transitions, inner = ROWS[rows]
    kernel: kernels.Kernel = kernels.Ode(denoise, prior.schedule, solver="2m")
    if method == "glass":
        kernel = kernels.Glass(denoise, prior.schedule, inner)
    elif method == "sde":
        kernel = kernels.Sde(denoise, prior.schedule)
    generator = torch.Generator().manual_seed(seed)
    x_0 = kernels.noise(len(exact), prior.shape, generator)
    grid = kernels.uniform_grid(transitions if method == "glass" else rows)
    x_1 = kernels.run(kernel, grid, x_0, generator).state.x
    assert denoise.count.rows == rows * len(exact)
    return x_1
