"""The sampling loop: its grid, its deadline, where its noise comes from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from glass_plan.errors import KernelError
from glass_plan.kernels import Glass, Ode, noise, run, uniform_grid
from glass_plan.kernels.base import Wrapped
from tests.kernels.targets import ASYMMETRIC


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def particles():
    return noise(3, (1,), seeded(1), dtype=torch.float64)


@pytest.mark.parametrize(
    "grid", [(), (0.5,), (0.0, 0.5, 0.4, 1.0), (0.0, 0.0, 1.0), (-0.1, 1.0), (0.0, 1.1)], ids=str
)
def test_a_grid_that_does_not_increase_within_zero_and_one_is_refused(grid):
    with pytest.raises(KernelError, match="t_grid must increase within"):
        run(Ode(ASYMMETRIC.denoise), grid, particles(), seeded())


def test_equal_steps_end_at_exactly_one():
    assert uniform_grid(4) == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert uniform_grid(2, t_start=0.5) == (0.5, 0.75, 1.0)
    assert all(uniform_grid(steps, 0.3)[-1] == 1.0 for steps in range(1, 50))


def test_a_deadline_stops_between_steps():
    kernel, answers = Ode(ASYMMETRIC.denoise), iter([False, False, True])
    ran = run(kernel, uniform_grid(5), particles(), seeded(), expired=answers.__next__)
    assert (len(ran.infos), ran.finished) == (2, False)
    begun = run(kernel, (0.0, 0.2, 0.4), particles(), seeded())
    assert begun.finished
    assert torch.equal(ran.state.x, begun.state.x)


def test_a_deadline_that_has_passed_leaves_the_particles_alone():
    ran = run(Glass(ASYMMETRIC.denoise), (0.0, 1.0), particles(), seeded(), expired=lambda: True)
    assert (ran.infos, ran.finished) == ((), False)
    assert torch.equal(ran.state.x, particles())


def test_a_run_in_two_halves_is_the_whole_run():
    kernel, generator = Glass(ASYMMETRIC.denoise), seeded()
    half = run(kernel, (0.0, 0.25, 0.5), particles(), generator).state.x
    end = run(kernel, (0.5, 0.75, 1.0), half, generator).state.x
    assert torch.equal(end, run(kernel, uniform_grid(4), particles(), seeded()).state.x)


def test_rows_are_not_told_where_they_are_not_counted():
    ran = run(Ode(ASYMMETRIC.denoise), (0.0, 1.0), particles(), seeded())
    assert "nfe" not in ran.infos[0]


@dataclass(frozen=True)
class Talkative(Wrapped):
    """Tells a vector, a scalar and a number of every step, and one thing of the first alone."""

    def step(self, state, t, t_next, generator):
        moved, _ = self.move.step(state, t, t_next, generator)
        told = {"pair": torch.tensor([t, t_next]), "scalar": torch.tensor(t), "number": t}
        return moved, told | ({"once": torch.tensor(True)} if t == 0 else {})


def test_what_a_step_tells_is_read_as_means():
    ran = run(Talkative(Ode(ASYMMETRIC.denoise)), (0.0, 0.5, 1.0), particles(), seeded())
    assert [info["pair"] for info in ran.infos] == [0.25, 0.75]
    assert [info["scalar"] for info in ran.infos] == [info["number"] for info in ran.infos]
    assert ran.infos[0]["once"] == 1.0
    assert "once" not in ran.infos[1]


def test_noise_is_standard_normal_of_the_shape_and_type_asked_for():
    drawn = noise(5000, (2, 2), seeded(), dtype=torch.float64)
    assert (drawn.shape, drawn.dtype) == ((5000, 2, 2), torch.float64)
    assert abs(float(drawn.mean())) < 5 / drawn.numel() ** 0.5
    assert abs(float(drawn.var()) - 1) < 5 * (2 / drawn.numel()) ** 0.5
    assert torch.equal(drawn, noise(5000, (2, 2), seeded(), dtype=torch.float64))
