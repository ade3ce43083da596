"""ManiSkill's tasks as Gymnasium environments of one scene, with constraints drawn and counted.

One ``step`` is one control step of 0.05 s, five physics steps. Regions of constraints are bodies in
the scene, ghosts or solids, and moving ones follow their motion in plan time. ``info`` carries the
margin of every part over every physics step, judged by itself: of the spheres on a Panda's links
and on the object that is moved, held or not; of another robot's tool centre point. Any push of the
robot or of that object against a solid counts as a violation. What must be reached is reached by
the tool's centre point. Knows nothing of planners.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from glass_envs.judging import Tally, check_steps_decide, stepwise
from glass_envs.maniskill.drawing import Drawn, bodies
from glass_envs.maniskill.inert import materials
from glass_envs.maniskill.layouts import Channels
from glass_envs.maniskill.observing import Observer
from glass_envs.maniskill.options import apply, checked
from glass_envs.maniskill.outcomes import Outcomes
from glass_envs.maniskill.recording import Recorder, Trace
from glass_envs.maniskill.simulator import simulation
from glass_envs.maniskill.tasks import Task, task_named
from glass_plan.constraints import All, Constraint, asked
from glass_plan.errors import RequestError, did_you_mean
from glass_plan.layout import Trajectory

Observation = dict[str, Any]
"""Of arrays, float64."""
Action = NDArray[np.float32]
Info = dict[str, Any]
Picture = NDArray[np.uint8]

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}


class ManiSkill(gymnasium.Env[Observation, Action], EzPickle):
    """Bring an object to its goal with a robot's arm; one ``step`` is one control step.

    The observation has ``observation``, whose channels and units ``observed`` tells,
    ``achieved_goal`` (3,), where the object is, and ``desired_goal`` (3,) [m].

    ``info`` after ``step``, and after ``reset`` about the start: ``success``; ``time`` [s];
    ``trace``, a ``Trace`` of the step; of its S physics steps (S = 1 of the start) ``times`` (S,)
    [s], ``states`` (S, n), the channels of ``layout`` before the action, and ``margins``, (S,) by
    the name of every part that must always hold: not above its margin, nor minus the depth [m] to
    which its solid was pushed into; ``margin_<name>``, the least of them, and ``cost_<name>``, 1.0
    if that is below 0; ``cost``, their sum; for what must hold once ``reached_<name>``, whether it
    has held in this episode; ``measure_impulse`` and ``measure_dropped``, see ``Outcomes``.

    It terminates with success once all that must hold once has held.

    Args:
        task: a key of ``TASKS``, or a ``Task``.
        constraints: drawn and judged; none by default. They speak of the channels of ``layout``.
        solid: whether what must be avoided collides, or is a ghost.
        control_mode: of the robot, in ManiSkill's words; plans want ``"pd_joint_pos"``.
        render_mode: ``"rgb_array"``, which needs a Vulkan driver, or None.

    Raises:
        RequestError: unknown task, control mode or render mode; ManiSkill is not installed; no
            driver for pictures; a constraint that no single step decides, or a solid that cannot
            be drawn.
        LayoutError: a constraint reads a channel that the robot does not have.
    """

    metadata = METADATA

    def __init__(
        self,
        task: str | Task = "pick-cube",
        *,
        constraints: Constraint | None = None,
        solid: bool = False,
        control_mode: str = "pd_ee_delta_pos",
        render_mode: str | None = None,
    ) -> None:
        EzPickle.__init__(
            self,
            task,
            constraints=constraints,
            solid=solid,
            control_mode=control_mode,
            render_mode=render_mode,
        )
        if render_mode not in (None, *self.metadata["render_modes"]):
            valid = did_you_mean(str(render_mode), self.metadata["render_modes"])
            raise RequestError(f"maniskill: unknown render mode {render_mode!r}{valid} or None")
        self.task, self.render_mode, self.solid = task_named(task), render_mode, solid
        self._control_mode = control_mode
        self.constraints = asked("maniskill", constraints)
        self.parts = All((self.constraints,)).parts()
        check_steps_decide("maniskill", self.parts)
        self._bodies = bodies(self.constraints, solid=solid)
        self._simulation = simulation(
            self.task, control_mode=control_mode, pictures=render_mode is not None
        )
        self.action_space = self._simulation.single_action_space
        self._channels = Channels.of(self.task, self._simulation)
        self.layout = self._channels.layout
        self.constraints.check(self.layout)
        self._observer = Observer(self.task, self._simulation)
        self.observed = self._observer.layout
        self.observation_space = self._observer.space
        self._draw()

    @property
    def link_names(self) -> tuple[str, ...]:
        """Of the robot, in the order of ``Trace.links``."""
        return self._recorder.link_names

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, Info]:
        """Begin an episode as ManiSkill draws it, but for what is asked for.

        Args:
            seed: of the draws; the same as ManiSkill's own.
            options: ``joints`` (n,) [rad; m], at rest, and for any actor of the task by its name
                its position (3,) [m] or pose (7,) with a quaternion (w, x, y, z).

        Raises:
            RequestError: an unknown option, or numbers that are none.
        """
        super().reset(seed=seed)
        asked = checked(self._simulation, options or {})
        drawn = int(self.np_random.integers(2**31)) if seed is None else seed
        with materials(pictures=self.render_mode is not None):  # some tasks build a new scene
            raw, info = self._simulation.reset(seed=drawn)
        if self._simulation.scene is not self._scene:
            self._draw()
        if asked:
            raw, info = apply(self._simulation, asked)
        self._recorder.begin()
        self._tally = Tally(self.parts)
        trace = self._recorder.take()
        self._outcomes = Outcomes(self.task, trace, info)
        still = np.zeros(self.action_space.shape or (), np.float64)
        return self._observer.observation(raw), self._info(info, trace, still)

    def step(
        self, action: NDArray[np.floating[Any]]
    ) -> tuple[Observation, float, bool, bool, Info]:
        """One control step of 0.05 s.

        Args:
            action: of ``action_space``, clipped to it.

        Raises:
            RequestError: an action of another shape, or not finite.
        """
        given = np.asarray(action)
        shape = self.action_space.shape
        if given.shape != shape or not np.isfinite(given).all():
            raise RequestError(
                f"maniskill: the action must be finite numbers of shape {shape} "
                f"for control_mode={self._control_mode!r} (plans want 'pd_joint_pos'), got "
                f"{given!r:.80}"
            )
        space = self._simulation.single_action_space
        clipped = np.clip(given, space.low, space.high)
        raw, reward, terminated, _, info = self._simulation.step(clipped.astype(np.float32))
        told = self._info(info, self._recorder.take(), clipped)
        ended = bool(terminated) and (self._tally.done or not told["success"])
        return self._observer.observation(raw), float(reward), ended, False, told

    def render(self) -> Picture | None:
        """The scene from ManiSkill's camera, (512, 512, 3), or None."""
        if self.render_mode is None:
            return None
        picture: Picture = self._simulation.render_rgb_array()[0].numpy()
        return picture

    def close(self) -> None:
        """Free the scene."""
        self._simulation.close()

    def _draw(self) -> None:
        """Put the bodies into ManiSkill's scene, and record what happens there."""
        self._scene = self._simulation.scene
        pictures = self.render_mode is not None
        drawn = Drawn(self._scene.sub_scenes[0], self._bodies, pictures=pictures)
        self._recorder = Recorder(self._simulation, drawn)

    def _info(self, info: Mapping[str, Any], trace: Trace, action: NDArray[np.float64]) -> Info:
        way = self._channels.trajectory(trace, action)
        steps = self._margins(way, trace)
        least = {name: float(margins.min()) for name, margins in steps.items()}
        with torch.inference_mode():
            once = {
                name: part.margin(way).item()
                for name, part in self.parts.items()
                if name not in steps
            }
        new = slice(min(1, len(trace.times) - 1), None)  # what a trace begins with was told before
        return {
            "success": bool(info["success"]),
            "time": float(trace.times[-1]),
            "trace": trace,
            "times": trace.times[new],
            "states": self._channels.states(way)[new],
            "margins": steps,
            **self._tally.count({**least, **once}),
            **self._outcomes.count(trace, info),
        }

    def _margins(self, way: Trajectory, trace: Trace) -> dict[str, NDArray[np.float64]]:
        """Of every part that must always hold, at every physics step, (S,)."""
        parts = self.parts.items()
        margins = {name: stepwise(part, way) for name, part in parts if part.is_safety}
        for name, depth in trace.depths(self.task.actor).items():
            if name in margins:
                pushed = np.where(depth > 0, -depth, np.inf)
                margins[name] = np.minimum(margins[name], pushed)
        return margins
