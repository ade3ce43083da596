"""Checkpoints: a folder NAME/{config.json, model.safetensors}; nothing is pickled.

``config.json`` holds the network, the layout, the world the data came from and the sha256 of the
weights, so that a corrupt or exchanged file is refused before anything is planned with it.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from glass_plan.bodies import check_body
from glass_plan.errors import CheckpointError, LayoutError, did_you_mean
from glass_plan.layout import Layout
from glass_plan.nets import build_net
from glass_plan.normalizers import Normalizer
from glass_plan.prior import FlowPrior
from glass_plan.schedules import SCHEDULES

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Dynamics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A force-driven point: mass * dv/dt = gear * action - damping * v, |action| <= 1.

    Args:
        mass: [kg].
        damping: [N s/m].
        gear: force at action 1 [N].
        max_speed: per axis [m/s].
        dt: control step [s].
    """

    mass: float
    damping: float
    gear: float
    max_speed: float
    dt: float


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """One of several worlds, told apart by the key ``kind``."""


class World(_Kind, frozen=True, kw_only=True, tag="maze"):
    """A maze that data came from: the planner avoids its walls, the tracker knows its robot.

    Args:
        walls: occupancy, 1 for wall, row 0 at the top; cells outside the map count as walls.
        cell: side of a cell [m].
        dynamics: of the robot.
    """

    walls: tuple[tuple[int, ...], ...]
    cell: float
    dynamics: Dynamics


class ArmWorld(_Kind, frozen=True, kw_only=True, tag="arm"):
    """An arm over a table that data came from: how fast it may be driven.

    Args:
        max_joint_speed: of every joint that turns [rad/s].
        max_tool_speed: of the point between the finger tips [m/s].
        dt: control step [s].
    """

    max_joint_speed: float
    max_tool_speed: float
    dt: float


class PriorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is needed to build a ``FlowPrior`` besides its weights.

    Args:
        net: kind of network, a key of ``glass_plan.nets.NETS``.
        width: of the network.
        depth: of the network.
        horizon: waypoints of a plan.
        spacing: way between the waypoints of a demonstration [m]; the goal is held at the end.
        layout: channels of a waypoint.
        schedule: a key of ``glass_plan.schedules.SCHEDULES``.
        world: where the data came from.
        sha256: of the weights file; empty before it is written.
    """

    net: str
    width: int
    depth: int
    horizon: int
    spacing: float
    layout: Layout
    schedule: str
    world: World | ArmWorld
    sha256: str = ""


def build_prior(config: PriorConfig) -> FlowPrior:
    """A prior with fresh weights and an identity normaliser."""
    layout = config.layout
    if config.schedule not in SCHEDULES:
        hint = did_you_mean(config.schedule, SCHEDULES)
        raise CheckpointError(f"checkpoint: unknown schedule {config.schedule!r}{hint}")
    pinned_dim = len(layout.columns(layout.start)) + len(layout.columns(layout.goal))
    net = build_net(
        config.net,
        horizon=config.horizon,
        dim=layout.dim,
        pinned_dim=pinned_dim,
        width=config.width,
        depth=config.depth,
    )
    return FlowPrior(
        net,
        schedule=SCHEDULES[config.schedule],
        normalizer=Normalizer.identity(layout.dim),
        layout=layout,
        horizon=config.horizon,
    )


def shipped() -> dict[str, Path]:
    """Folders of the checkpoints that come with the package, by name."""
    root = Path(str(importlib.resources.files("glass_plan_checkpoints")))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG}"))}


def resolve(name: str) -> Path:
    """The folder of a checkpoint: a shipped name or a path.

    Raises:
        CheckpointError: neither; lists the shipped names.
    """
    if (Path(name) / CONFIG).is_file():
        return Path(name)
    known = shipped()
    if name not in known:
        raise CheckpointError(
            f"checkpoint: no model named {name!r} and no folder {name!r} with {CONFIG}"
            f"{did_you_mean(name, known)}"
        )
    return known[name]


def save_pretrained(prior: FlowPrior, config: PriorConfig, folder: Path) -> None:
    """Write config and weights; parameters are stored in half precision, buffers as they are."""
    parameters = {key for key, _ in prior.named_parameters()}
    half = {
        key: value.half() if key in parameters else value
        for key, value in prior.state_dict().items()
    }
    blob = save({key: value.contiguous().cpu() for key, value in half.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(blob)
    stamped = msgspec.structs.replace(config, sha256=hashlib.sha256(blob).hexdigest())
    (folder / CONFIG).write_bytes(msgspec.json.format(msgspec.json.encode(stamped), indent=2))


def weights_digest(name: str) -> str:
    """SHA-256 that a checkpoint's configuration has for its weights.

    Raises:
        CheckpointError: unknown name, or a configuration that cannot be read.
    """
    return config_of(name).sha256


def config_of(name: str) -> PriorConfig:
    """Configuration of a checkpoint, without its weights.

    Raises:
        CheckpointError: unknown name, or a configuration that cannot be read.
    """
    return _config(resolve(name))


def _config(folder: Path) -> PriorConfig:
    try:
        return msgspec.json.decode((folder / CONFIG).read_bytes(), type=PriorConfig)
    except (msgspec.DecodeError, LayoutError, OSError) as error:
        hint = '; add "kind": "maze" to the world' if "field `kind`" in str(error) else ""
        raise CheckpointError(f"checkpoint: {folder / CONFIG}: {error}{hint}") from error


def from_pretrained(
    name: str, *, device: str | torch.device = "cpu"
) -> tuple[FlowPrior, PriorConfig]:
    """A prior ready for use and its configuration.

    Args:
        name: a shipped name (``maze2d-large``) or a folder.
        device: where the weights go.

    Raises:
        CheckpointError: unknown name, corrupt weights, weights of another configuration, or a
            body that does not fit the layout.
    """
    folder = resolve(name)
    config = _config(folder)
    try:
        check_body(config.layout)
    except LayoutError as error:
        raise CheckpointError(f"checkpoint: {folder / CONFIG}: {error}") from error
    try:
        blob = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise CheckpointError(f"checkpoint: {folder / WEIGHTS}: {error}") from error
    digest = hashlib.sha256(blob).hexdigest()
    if digest != config.sha256:
        raise CheckpointError(
            f"checkpoint: {folder / WEIGHTS} has sha256 {digest[:12]}..., {CONFIG} says "
            f"{config.sha256[:12]}...; the file is corrupt or of another model: fetch it again"
        )
    prior = build_prior(config)
    try:
        weights = {k: v.float() if v.is_floating_point() else v for k, v in load(blob).items()}
        prior.load_state_dict(weights)
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"checkpoint: {folder / WEIGHTS} does not fit {CONFIG}: {error}"
        ) from error
    return prior.to(device).eval(), config
