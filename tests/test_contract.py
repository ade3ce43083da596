"""The promise of the package in one piece: plan, drive, report."""

from __future__ import annotations

import gymnasium as gym

import glass_envs  # noqa: F401  (registers the environments)
import glass_plan as gp


def test_plan_drive_and_report_as_promised():
    path = [(2.0, 1.0), (2.0, 3.0)]
    planner = gp.Planner.from_pretrained("maze2d-large")
    safe = gp.Avoid(gp.Ball((1.0, 0.5), 0.4), margin=0.1) & gp.Avoid(
        gp.Moving(gp.Ball((0, 0), 0.3), path)
    )
    spec = safe & gp.Reach(gp.Ball((4, 3), 0.3)) & gp.SpeedLimit(4.0)
    env = gym.make("glass_plan/Maze2D-Large-v0", constraints=spec)
    obs, info = env.reset(seed=0)
    assert {"success", "cost", "cost_walls", "cost_speed_limit"} <= set(info)
    plan = planner.plan(start=obs, goal=(4, 3), constraints=spec, seed=0)
    assert plan.states.shape[1] == 4
    assert plan.actions.shape[1] == 2
    assert plan.status in gp.Status
    assert set(plan.margins) == {"walls", *spec.parts()}
    assert plan.nfe == planner.sampling.rows
    assert plan.wall_time > 0
    assert len(plan.ess) == planner.sampling.transitions
    assert plan.candidates.x.shape[0] > 1

    controller = gp.RecedingHorizon(planner, spec, fallback="brake")
    episode = gp.run_episode(env, controller, seed=0)
    assert episode.error is None
    report = gp.SafetyReport.from_episodes([episode])
    assert report.n == 1
    assert "safe" in str(report)


def test_every_public_name_is_there():
    for name in gp.__all__:
        assert getattr(gp, name) is not None
