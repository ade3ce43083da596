"""Writes checkpoints/NAME/README.md from the results of experiments/maze2d.py.

python experiments/model_card.py --model maze2d-large

Wants ``reach-NAME-effort-1.json`` and ``plans-NAME.json`` in the results folder; numbers come from
there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from glass_envs.recipes import RECIPES
from glass_plan.checkpoint import WEIGHTS, from_pretrained, resolve
from glass_plan.training import TrainConfig

CARD = """# {name}

A trajectory flow for `{name}`: {parameters:.1f} M parameters (residual MLP), {horizon} waypoints
{spacing} m apart, channels {channels}. {size:.1f} MB in half precision.

## Made by

```sh
glass-plan collect {name}   # {data_steps:,} transitions in MuJoCo, seed 0
glass-plan train {name}     # {train_steps:,} steps of batch {batch}, seed 0
```

sha256 of `{weights}`: `{sha256}`

## Measured

Unguided, {ode_steps} ODE steps, environment and sampler seeds from {first_seed} on.

| what | value | n |
|---|---|---|
| single-sample plans that touch a wall (segments, robot radius) | {touch:.1%} [{touch_low:.1%}, {touch_high:.1%}] | {touch_n} |
| success in the unmodified PointMaze within {step_limit} steps | {win:.1%} [{win_low:.1%}, {win_high:.1%}] | {win_n} |
| return (steps within 0.5 m of a random goal) | {raw:.1f} | {win_n} |
| D4RL score of that return (random goals, D4RL fixes one) | {score:.1f} +- {score_error:.1f} s.e. | {win_n} |

Intervals are Wilson's at 95 %. Controller: {controller}; plans at an effort of {effort:g}.

```sh
python experiments/maze2d.py --protocol plans --model {name} --episodes {touch_n}
python experiments/maze2d.py --protocol reach --model {name} --episodes {win_n}
```
"""


@dataclass
class Args:
    """Which card to write.

    Args:
        model: a shipped checkpoint.
        results: folder of the results.
    """

    model: str = "maze2d-large"
    results: Path = Path("out/maze2d")


def main(args: Args) -> None:
    """Write the card beside the weights."""
    names = (f"reach-{args.model}-effort-1", f"plans-{args.model}")
    reach, plans = (read(args.results / f"{name}.json") for name in names)
    prior, config = from_pretrained(args.model)
    folder, recipe = resolve(args.model), RECIPES[args.model]
    card = CARD.format(
        name=args.model,
        parameters=sum(p.numel() for p in prior.parameters()) / 1e6,
        horizon=config.horizon,
        spacing=config.spacing,
        channels=", ".join(config.layout.names),
        size=(folder / WEIGHTS).stat().st_size / 1e6,
        data_steps=recipe.data_steps,
        train_steps=recipe.train_steps,
        batch=TrainConfig().batch,
        weights=WEIGHTS,
        sha256=config.sha256,
        ode_steps=reach["ode_steps"],
        effort=reach["effort"],
        first_seed=reach["first_seed"],
        touch=plans["touches"] / plans["n"],
        touch_low=plans["interval"][0],
        touch_high=plans["interval"][1],
        touch_n=plans["n"],
        step_limit=reach["step_limit"],
        win=reach["success"] / reach["n"],
        win_low=reach["interval"][0],
        win_high=reach["interval"][1],
        win_n=reach["n"],
        raw=reach["raw_return"],
        score=reach["d4rl_score"],
        score_error=reach["d4rl_score_standard_error"],
        controller=reach["controller"],
    )
    (folder / "README.md").write_text(card)
    print(f"wrote {folder / 'README.md'}")


def read(path: Path) -> dict[str, Any]:
    """One summary of experiments/maze2d.py."""
    summary: dict[str, Any] = json.loads(path.read_text())
    return summary


if __name__ == "__main__":
    main(tyro.cli(Args))
