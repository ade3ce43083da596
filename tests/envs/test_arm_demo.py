"""The arm's demo: planners on the same frozen scenes in the real simulator, and their report."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.progress import Progress

from glass_envs.maniskill.demo import METHODS, path_figure, run_demo
from glass_plan.errors import ProtocolError, RequestError
from glass_plan.protocols import load_suite
from glass_plan.records import Episode
from tests.envs.arms import needs_maniskill

PROTOCOL = Path(__file__).parents[2] / "experiments" / "protocols" / "maniskill_pick_static.yaml"


@needs_maniskill[0]
@needs_maniskill[1]
def test_a_demo_drives_all_methods_and_writes_a_report(tmp_path):
    reports, page = run_demo(
        PROTOCOL, scenes=1, workers=2, out=tmp_path, progress=Progress(disable=True)
    )
    assert [report.name for report in reports] == list(METHODS)
    assert all((report.n, report.errors) == (1, 0) for report in reports)
    assert not reports[0].safe.k  # the scene lies on the unguided way
    assert reports[-1].entries == 0
    text = page.read_text()
    assert all(name in text for name in METHODS)
    assert (tmp_path / "paths.png").is_file()
    info = json.loads((tmp_path / "eval_info.json").read_text())
    assert set(info["methods"]) == set(METHODS)


def test_the_figure_has_a_panel_a_method_and_red_where_it_violates():
    scene = next(iter(load_suite(PROTOCOL).scenes.values()))
    way = np.linspace([0.0, 0.0, 0.2], [0.1, 0.1, 0.1], 11)

    def episode(margins):
        return Episode(
            seed=scene.seed,
            times=np.arange(11) * 0.01,
            states=way,
            actions=np.zeros((2, 8)),
            goal=np.array([0.1, 0.1, 0.1]),
            success=True,
            margins={"obstacle_1": np.array(margins)},
            decisions=(),
        )

    calm, hit = episode([0.1] * 10), episode([0.1] * 4 + [-0.01] * 2 + [0.1] * 4)
    figure = path_figure({"calm": calm, "hit": hit}, scene)
    assert isinstance(figure, Figure)
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["calm", "hit"]
    drawn = [np.array(axes.lines[1].get_data_3d()) for axes in figure.axes]
    assert [int((~np.isnan(line[0])).sum()) for line in drawn] == [0, 2]
    assert not math.isnan(drawn[1][2, 4])


def test_what_cannot_be_run_is_refused(tmp_path):
    progress = Progress(disable=True)
    with pytest.raises(RequestError, match="has 100 scenes, asked for 101"):
        run_demo(PROTOCOL, scenes=101, workers=1, out=tmp_path, progress=progress)
    with pytest.raises(ProtocolError, match=r"none\.yaml"):
        run_demo(Path("none.yaml"), scenes=1, workers=1, out=tmp_path, progress=progress)
