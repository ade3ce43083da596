"""Maze2D experiments: one protocol a run, results as JSON lines, tables made from them.

python experiments/maze2d.py --protocol reach --model maze2d-large --episodes 100 --goals d4rl
python experiments/maze2d.py --protocol plans --model maze2d-large --episodes 1000

reach: the unguided planner drives the unmodified PointMaze_*-v3 from random starts to random goals,
or to the cell of the one goal that D4RL's maze has; success within D4RL's step limit, and D4RL's
score of the episode return (steps within 0.5 m of the goal, until the limit). ``d4rl.json`` gathers
what was run of the mazes' own priors. plans: share of unguided single-sample plans that touch a
wall (segments, robot radius), from random starts at rest to random goals.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import gymnasium_robotics  # noqa: F401  (registers PointMaze)
import numpy as np
import tyro
from rich.progress import track

from glass_envs.mazes import MAZES, Maze
from glass_plan.d4rl_compat import normalized_score
from glass_plan.embodiments import as_point_mass
from glass_plan.executors import EpisodeTask, run_tasks
from glass_plan.goals import Goal
from glass_plan.methods import Sampling
from glass_plan.planner import Planner
from glass_plan.protocols import TUNING_SEEDS
from glass_plan.provenance import commit, made_by
from glass_plan.records import Episode
from glass_plan.results import Row, append_row, read_rows, sole_writer
from glass_plan.statistics import Rate, wilson

ENV_IDS = {
    "maze2d-umaze": "gymnasium_robotics:PointMaze_UMaze-v3",
    "maze2d-medium": "gymnasium_robotics:PointMaze_Medium-v3",
    "maze2d-large": "gymnasium_robotics:PointMaze_Large-v3",
}
D4RL_GOALS = {"maze2d-umaze": (1, 1), "maze2d-medium": (6, 6), "maze2d-large": (7, 9)}
"""Cell (row, column) of the one goal in D4RL's maps (Fu et al. 2020, pointmaze/maze_model.py)."""
DIFFUSER = {"maze2d-umaze": 113.9, "maze2d-medium": 121.5, "maze2d-large": 123.0}
"""Scores of Janner et al. (2022), table 1, Maze2D."""
VETERAN = 163.6
"""Mean score over the three of Diffusion Veteran (Lu et al. 2025)."""
D4RL_RADIUS = 0.5
"""Distance to the goal at which D4RL's Maze2D pays 1 per step [m]."""
CONTROLLER = "RecedingHorizon: Hermite tracker with feedforward, PD 10 / 2"


@dataclass
class Args:
    """What to run.

    Args:
        protocol: reach or plans.
        model: checkpoint name or folder.
        episodes: episodes (reach) or start-goal pairs (plans).
        first_seed: of the environment; 1000 and above are reported seeds.
        goals: random, or d4rl for the one goal of each of D4RL's mazes (reach).
        ode_steps: network rows of the single unguided sample.
        effort: share of the force that plans use (reach); chosen of 0.75, 0.9 and 1 on seeds 0-49.
        workers: processes.
        out: folder of the results.
        smoke: a few seconds on the smallest maze, to see that it runs.
    """

    protocol: Literal["reach", "plans"] = "reach"
    model: str = "maze2d-large"
    episodes: int = 100
    first_seed: int = 1000
    goals: Literal["random", "d4rl"] = "random"
    ode_steps: int = 20
    effort: float = 1.0
    workers: int = 2
    out: Path = Path("out/maze2d")
    smoke: bool = False


def main(args: Args) -> None:
    """Run a protocol and print its table."""
    if args.smoke:
        args.model, args.episodes, args.out = "maze2d-umaze", 4, args.out / "smoke"
    if min(args.episodes, args.workers, args.ode_steps) < 1:
        raise SystemExit("--episodes, --workers and --ode-steps must be at least 1")
    planner = Planner.from_pretrained(args.model)
    walls = as_point_mass(planner.embodiment, "maze2d").world.walls
    task = next(name for name, maze in MAZES.items() if maze.rows == walls)
    if args.protocol == "plans" or args.smoke:
        plans(args, planner, MAZES[task])
    if args.protocol == "reach" or args.smoke:
        reach(args, task)


def reach(args: Args, task: str) -> None:
    """Closed loop in the unmodified environment; interrupted runs resume."""
    maze = MAZES[task]
    name = Path(args.model).name
    run = f"reach-{name}" + ("-d4rl" if args.goals == "d4rl" else "")
    if args.first_seed < TUNING_SEEDS:
        run += "-tuning"
    run += f"-effort-{args.effort:g}"
    path = args.out / f"{run}-{args.ode_steps}.jsonl"
    sampling = replace(Sampling.unguided(args.ode_steps), effort=args.effort)
    path.parent.mkdir(parents=True, exist_ok=True)
    seeds = range(args.first_seed, args.first_seed + args.episodes)
    with sole_writer(path):
        done = {row.seed for row in read_rows(path)}
        tasks = [
            EpisodeTask(
                env_id=ENV_IDS[task],
                model=args.model,
                sampling=sampling,
                seed=seed,
                sampler_seed=seed,
                aware=False,
                fallback="follow",
                env_kwargs={
                    "continuing_task": True,  # D4RL counts steps at the goal until the limit
                    "reset_target": False,
                    "max_episode_steps": maze.max_episode_steps,
                },
                options={"goal_cell": np.array(D4RL_GOALS[task])} if args.goals == "d4rl" else None,
                stop_on_success=False,
            )
            for seed in seeds
            if seed not in done
        ]
        for _, episode in track(run_tasks(tasks, args.workers), f"reach {task}", total=len(tasks)):
            paid = {"d4rl_return": float(d4rl_return(episode))}
            row = Row.of(episode, episode.seed)
            append_row(path, replace(row, info=paid, commit=commit()))
    rows = [row for row in read_rows(path) if row.seed in seeds]
    raw = np.array([row.info["d4rl_return"] for row in rows])
    wins = sum(row.success for row in rows)
    low, high = wilson(wins, len(rows))
    scores = np.array([normalized_score(task, value) for value in raw])
    error = scores.std(ddof=1) / np.sqrt(len(scores))
    print(f"{task}: unguided, {args.ode_steps} ODE steps, {CONTROLLER}")
    print(f"  success {wins}/{len(rows)} [{low:.3f}, {high:.3f}] in {maze.max_episode_steps} steps")
    print(f"  raw return {raw.mean():.1f}, D4RL score {scores.mean():.1f} +- {error:.1f} (s.e.)")
    summary = {
        "n": len(rows),
        "success": wins,
        "interval": [low, high],
        "step_limit": maze.max_episode_steps,
        "raw_return": float(raw.mean()),
        "d4rl_score": float(scores.mean()),
        "d4rl_score_standard_error": float(error),
        "controller": CONTROLLER,
        "task": task,
        "goals": args.goals,
        "effort": args.effort,
        "commit": ", ".join(sorted({row.commit for row in rows})),
    }
    write_summary(args, run, summary)
    write_scores(args.out)


def write_scores(out: Path) -> None:
    """``d4rl.json``: all that was run, and whether it is above what was published."""
    found = [json.loads(path.read_text()) for path in sorted(out.glob("reach-*.json"))]
    found = [run for run in found if "effort" in run]  # older runs do not say it
    own = [run for run in found if run["task"] == run["model"]]  # the mazes' own priors
    found = [run for run in own if run["first_seed"] >= TUNING_SEEDS]
    runs = sorted(found, key=lambda r: (r["goals"], r["effort"], list(D4RL_GOALS).index(r["task"])))
    table = [
        {
            "model": run["model"],
            "goals": run["goals"],
            "effort": run["effort"],
            "success": str(Rate(run["success"], run["n"])).strip(),
            "step limit": run["step_limit"],
            "raw return": run["raw_return"],
            "D4RL score": run["d4rl_score"],
            "+-": run["d4rl_score_standard_error"],
            "n": run["n"],
        }
        for run in runs
    ]
    goals = []
    for kind, effort in sorted({(run["goals"], run["effort"]) for run in runs}):
        same = [run for run in runs if (run["goals"], run["effort"]) == (kind, effort)]
        scores = {run["task"]: run["d4rl_score"] for run in same}
        how = f"{kind} goals, effort {effort:g}"
        goals += [
            Goal(f"{task}, {how}: D4RL score", score, DIFFUSER[task], above=True)
            for task, score in scores.items()
        ]
        if len(scores) == len(DIFFUSER):
            mean = float(np.mean(list(scores.values())))
            goals.append(Goal(f"mean of the three, {how}", mean, VETERAN, above=True))
    whole = {
        "made by": made_by(run["commit"] for run in runs),
        "goals": [{**asdict(goal), "met": goal.met} for goal in goals],
        "table": table,
    }
    (out / "d4rl.json").write_text(json.dumps(whole, indent=1))


def d4rl_return(episode: Episode) -> int:
    """Steps within ``D4RL_RADIUS`` of the goal; 0 for an episode that raised."""
    if episode.error is not None:
        return 0
    away = np.linalg.norm(episode.states[1:, :2] - episode.goal, axis=1)
    return int((away <= D4RL_RADIUS).sum())


def plans(args: Args, planner: Planner, maze: Maze) -> None:
    """Share of unguided plans that touch a wall."""
    single = planner.with_sampling(Sampling.unguided(args.ode_steps))
    rng = np.random.default_rng(args.first_seed)
    touches, milliseconds = 0, []
    for k in track(range(args.episodes), f"plans {maze.name}"):
        start, goal = random_pair(maze, rng)
        plan = single.plan((*start, 0.0, 0.0), goal, seed=args.first_seed + k)
        touches += plan.margins["walls"] <= 0
        milliseconds.append(1e3 * plan.wall_time)
    low, high = wilson(touches, args.episodes)
    print(f"{maze.name}: unguided, 1 sample, {args.ode_steps} ODE steps")
    print(f"  plans that touch a wall {touches}/{args.episodes} [{low:.3f}, {high:.3f}]")
    print(f"  {np.median(milliseconds):.1f} ms a plan")
    summary = {
        "n": args.episodes,
        "touches": touches,
        "interval": [low, high],
        "median_ms": float(np.median(milliseconds)),
    }
    write_summary(args, f"plans-{Path(args.model).name}", summary)


def write_summary(args: Args, name: str, summary: dict[str, object]) -> None:
    """``NAME.json`` beside the results: the numbers, and what made them."""
    asked = {
        "protocol": args.protocol,
        "model": args.model,
        "first_seed": args.first_seed,
        "ode_steps": args.ode_steps,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{name}.json").write_text(json.dumps(asked | summary, indent=2))


def random_pair(maze: Maze, rng: np.random.Generator) -> np.ndarray:
    """Start and goal as PointMaze draws them: in free cells, at least 0.5 m apart."""
    while True:
        cells = maze.free_cells[rng.integers(len(maze.free_cells), size=2)]
        pair = maze.cell_centre(cells) + rng.uniform(-0.25, 0.25, (2, 2))
        if np.linalg.norm(pair[0] - pair[1]) > 0.5:
            return pair


if __name__ == "__main__":
    main(tyro.cli(Args))
