"""The page loads nothing and shows every number; figures and video show something."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from glass_plan.constraints import Avoid, Ball, Moving
from glass_plan.errors import RequestError
from glass_plan.layout import POINT_MASS, Trajectory
from glass_plan.records import Decision, Episode, Outcome, Plan, Status
from glass_plan.report import (
    Panel,
    clearance_figure,
    plan_figure,
    rollout_frames,
    write_report,
    write_video,
)
from glass_plan.report.figures import verdict
from glass_plan.report.terminal import summary_table
from glass_plan.safety import SafetyReport

MAZE = np.array([[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 1, 1, 1, 1]])
STILL = Avoid(Ball((0.0, 0.5), 0.2))
MOVING = Avoid(Moving(Ball((0.0, 0.0), 0.2), waypoints=((1.0, 0.5), (1.0, -0.5)), speed=0.5))


def episode(*, hit: bool = True, steps: int = 100) -> Episode:
    """Along the upper corridor and, if ``hit``, through the disc."""
    x = np.linspace(-1.0, 1.0, steps + 1)
    states = np.stack([x, np.full_like(x, 0.5), np.ones_like(x), np.zeros_like(x)], axis=-1)
    margin = np.abs(x[1:]) - 0.3 if hit else np.full(steps, 0.2)
    decisions = (Decision(0.0, Outcome.PLANNED, "first", 192, 0.25),)
    return Episode(
        seed=0,
        times=0.01 * np.arange(steps + 1),
        states=states,
        actions=np.zeros((steps, 2)),
        goal=np.array([1.0, -0.5]),
        success=True,
        margins={"disc": margin},
        decisions=decisions,
    )


def plan() -> Plan:
    x = torch.zeros(4, 8, POINT_MASS.dim)
    x[..., 0] = torch.linspace(-1.0, 1.0, 8)
    x[..., 1] = 0.5 + 0.05 * torch.arange(4)[:, None]
    x[..., 6] = 0.1
    return Plan(
        trajectory=Trajectory(x[0], POINT_MASS),
        candidates=Trajectory(x, POINT_MASS),
        status=Status.FEASIBLE,
        margins={"disc": 0.1},
        nfe=192,
        calls=24,
        wall_time=0.25,
    )


def reports() -> list[SafetyReport]:
    good = SafetyReport.from_episodes([episode(hit=False)] * 20, name="glass <fks>")
    bad = SafetyReport.from_episodes([episode(hit=False)] * 13 + [episode()] * 7, name="ode")
    return [good, bad]


def picture(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def count_near(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(image.astype(int) - colour).max(axis=-1) < 12).sum())


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    path = write_report(tmp_path / "out" / "report.html", "Demo", reports=reports())
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=\"(?!data:)|href=|url\(|@import|<script|<link", page)
    assert "$" not in page


def test_the_page_shows_every_number_with_its_interval(tmp_path: Path) -> None:
    meta = {"command": "glass-plan demo --seed 0", "seeds": "0-19", "NFE": 192}
    page = write_report(tmp_path / "r.html", "A & B", reports=reports(), meta=meta).read_text()
    for report in reports():
        for rate in (report.success, report.safe, report.success_and_safe):
            assert f"<span>{rate.k}/{rate.n}</span>" in page
            low, high = rate.interval
            assert f"{100 * low:.1f} to {100 * high:.1f} %" in page
        assert f"<td>{100 * report.unsafe.upper:.1f} %</td>" in page
        assert f"smallest margin {report.clearance['disc']:+.3f}" in page
        assert f"<td>{report.violated_time:.2f} s</td>" in page
    for text in ("A &amp; B", "glass &lt;fks&gt;", "glass-plan demo --seed 0", "0-19", "0.250 s"):
        assert text in page


def test_figures_and_video_are_embedded(tmp_path: Path) -> None:
    drawn = clearance_figure({"ode": [episode()]})
    video = write_video(tmp_path / "v", np.zeros((3, 16, 16, 3), dtype=np.uint8))
    figures = {"Clearance": drawn, "Raw": b"\x89PNG bytes"}
    path = write_report(
        tmp_path / "r.html", "Demo", reports=reports(), figures=figures, video=video
    )
    page = path.read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "iVBORw0KGgo" in page
    assert "<video" in page
    assert "data:video/mp4;base64," in page


def test_a_report_of_nothing_and_an_unknown_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no safety report"):
        write_report(tmp_path / "r.html", "Demo", reports=[])
    with pytest.raises(RequestError, match=r"must be one of \.mp4, \.gif"):
        write_report(tmp_path / "r.html", "Demo", reports=reports(), video=tmp_path / "v.avi")


def test_the_plan_figure_shows_the_violated_part_in_its_colour() -> None:
    panels = [Panel("fks", plan(), episode(hit=False)), Panel("ode", plan(), episode())]
    image = picture(plan_figure(panels, occupancy=MAZE, cell=1.0, constraint=STILL & MOVING))
    left, right = np.array_split(image[: -image.shape[0] // 4], 2, axis=1)  # legend cut off
    red = (0xCC, 0x00, 0x33)
    assert count_near(left, red) == 0
    assert count_near(right, red) > 50


def test_a_moving_obstacle_is_drawn_at_several_times() -> None:
    def patches(constraint: Avoid) -> int:
        panel = Panel("fks", None, episode())
        figure = plan_figure([panel], occupancy=MAZE, cell=1.0, constraint=constraint)
        return len(figure.axes[0].patches)

    assert patches(STILL) == 1
    assert patches(MOVING) == 5


def test_a_panel_needs_neither_plan_nor_episode() -> None:
    figure = plan_figure([Panel("none")] * 4, occupancy=MAZE, cell=1.0, constraint=None)
    assert [ax.get_title() for ax in figure.axes[:4]] == ["none"] * 4
    with pytest.raises(RequestError, match="no panel"):
        plan_figure([], occupancy=MAZE, cell=1.0, constraint=None)


def test_an_episode_that_ended_in_reset_can_be_drawn() -> None:
    ended = Episode(
        seed=0,
        times=np.zeros(1),
        states=np.zeros((1, 4)),
        actions=np.zeros((0, 2)),
        goal=np.zeros(2),
        success=False,
        margins={"disc": np.zeros(0)},
        error="ValueError: start in a wall",
    )
    assert verdict(ended) == "error: ValueError: start in a wall"
    picture(plan_figure([Panel("a", None, ended)], occupancy=MAZE, cell=1.0, constraint=MOVING))
    picture(clearance_figure({"a": [ended]}))
    frames = list(rollout_frames(ended, occupancy=MAZE, cell=1.0, constraint=MOVING))
    assert len(frames) == 1


def test_the_clearance_figure_shows_violations_in_red() -> None:
    red = (0xCC, 0x00, 0x33)
    assert count_near(picture(clearance_figure({"a": [episode()]})), red) > 20
    assert count_near(picture(clearance_figure({"a": [episode(hit=False)]})), red) == 0
    with pytest.raises(RequestError, match="no method"):
        clearance_figure({})


def test_the_verdict_names_success_and_safety() -> None:
    assert verdict(episode()) == "goal reached, 1 violation"
    assert verdict(episode(hit=False)) == "goal reached, safe"


def test_rollout_frames_move_the_robot_and_the_obstacle() -> None:
    frames = list(
        rollout_frames(
            episode(), occupancy=MAZE, cell=1.0, constraint=MOVING, plans=[(0.0, plan())], fps=20
        )
    )
    assert len(frames) == 21
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].dtype == np.uint8
    assert np.abs(frames[0].astype(int) - frames[10]).max() > 50


def test_the_current_plan_is_shown_from_its_time_on() -> None:
    def drawn(plans: list[tuple[float, Plan]]) -> list[np.ndarray]:
        return list(
            rollout_frames(
                episode(), occupancy=MAZE, cell=1.0, constraint=None, plans=plans, fps=10
            )
        )

    without, later = drawn([]), drawn([(0.5, plan())])
    same = [bool((a == b).all()) for a, b in zip(without, later, strict=True)]
    assert same == [True] * 5 + [False] * 6


def test_a_video_can_be_read_back_and_odd_sides_are_cut(tmp_path: Path) -> None:
    frames = np.zeros((5, 33, 47, 3), dtype=np.uint8)
    frames[:, :, 20:] = 200
    path = write_video(tmp_path / "new" / "rollout.mp4", frames, fps=10)
    assert path.suffix == ".mp4"
    command = [get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    read = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 32, 46, 3)
    assert len(read) == 5
    assert read[0, 16, 40].mean() > 150 > 50 > read[0, 16, 5].mean()


def test_without_ffmpeg_a_gif_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    frames = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    frames[1:] = 255
    path = write_video(tmp_path / "rollout.mp4", frames)
    assert path == tmp_path / "rollout.gif"
    assert path.read_bytes().startswith(b"GIF89a")
    page = write_report(tmp_path / "r.html", "Demo", reports=reports(), video=path).read_text()
    assert '<img alt="rollout" src="data:image/gif;base64,' in page


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no frames"):
        write_video(tmp_path / "rollout.mp4", [])


def test_terminal_table_shows_success_and_safety_in_eighty_columns() -> None:
    report = SafetyReport.from_episodes([episode()] * 24, name="best-of-N + brake")
    shown = io.StringIO()
    Console(file=shown, width=80).print(summary_table([report]))
    assert "best-of-N + brake" in shown.getvalue()
    assert "24/24 [86, 100]" in shown.getvalue()  # success
    assert "0/24 [0, 14]" in shown.getvalue()  # safe
