"""Where the spheres of a layout's body are, along a trajectory.

Between waypoints what the channels hold runs in straight lines: joints, positions, and quaternions,
which count by their direction. The spheres then move along curves, which stray from their chords
by at most an eighth of a bound on the second derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.errors import LayoutError, did_you_mean
from glass_plan.kinematics import Attached, attached
from glass_plan.layout import Body, Layout, Sphere, Trajectory
from glass_plan.robots import joint_limits, link_names

POSITION, POSE = 3, 7
"""Components of a channel that can carry a sphere."""

SHORTEST = 0.1
"""Length of a quaternion below which its direction is taken to be anything."""
DAMPING = 0.05
"""Of the joints' way to a place of the tool [m/rad]."""


def check_body(layout: Layout) -> None:
    """Raise LayoutError unless the body's frames, joints and channels exist and fit together."""
    body = layout.body
    if body is None:
        return
    joints = tuple(joint_limits(body.robot)) if body.robot else ()
    for sphere in (*body.spheres, *_tools(body)):
        _check_frame(sphere.frame, _links(body), layout)
    given = len(layout.columns(body.joints)) + len(body.rest)
    if given != len(joints):
        raise LayoutError(
            f"body: channels {body.joints} and rest hold {given} joint values, robot "
            f"{body.robot!r} has {len(joints)}: {', '.join(joints) or 'none'}"
        )


def _check_frame(frame: str, links: tuple[str, ...], layout: Layout) -> None:
    """Raise LayoutError unless it is a link or a channel that can carry a sphere."""
    if frame in links:
        return
    if frame not in layout.names:
        hint = did_you_mean(frame, (*links, *layout.names))
        raise LayoutError(f"body: no link or channel {frame!r}{hint}")
    size = len(layout.columns((frame,)))
    if size not in (POSITION, POSE):
        raise LayoutError(
            f"body: a sphere's channel holds a position (3) or a pose (7), {frame!r} has {size} "
            "components; name another channel"
        )


def _links(body: Body) -> tuple[str, ...]:
    return link_names(body.robot) if body.robot else ()


def _tools(body: Body) -> tuple[Sphere, ...]:
    return () if body.tool is None else (body.tool,)


@dataclass(frozen=True, eq=False)
class Carried:
    """Points carried by a channel: a position, or a pose.

    Args:
        place: columns of the position in a transition.
        turn: columns of the quaternion; None if the channel is a position.
        centers: (S, 3) in the channel's frame [m].
    """

    place: slice
    turn: slice | None
    centers: Float[Tensor, "S 3"]

    def positions(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... S 3"]:
        """Where the points are [m]."""
        centers = self.centers
        place: Tensor = x[..., None, self.place]
        if self.turn is None:
            return place + centers
        quaternion = torch.nn.functional.normalize(x[..., None, self.turn], dim=-1)
        w, v = quaternion[..., :1], quaternion[..., 1:]
        centers = centers.expand(*v.shape[:-2], -1, -1)
        twice = 2 * torch.linalg.cross(v, centers)
        turned: Tensor = centers + w * twice + torch.linalg.cross(v, twice)
        return place + turned

    def bend(
        self, start: Float[Tensor, "... D"], step: Float[Tensor, "... D"]
    ) -> Float[Tensor, "... S"]:
        """Bound on the second derivative [m] along start + s step, s in [0, 1].

        A direction whose quaternion changes at rate v and is nowhere shorter than d turns by 2 v/d
        at most, and faster by 4 (v/d)^2 at most: 8 |center| (v/d)^2. Where d is tiny: 16 |center|,
        since no chord of a sphere's way about the origin is further from it than a diameter.
        """
        far = _length(self.centers)
        if self.turn is None:
            return torch.zeros_like(far).expand(*step.shape[:-1], -1)
        begin, change = start[..., self.turn], step[..., self.turn]
        speed, first, last = (_length(v) for v in (change, begin, begin + change))
        shortest = (first + last - speed) / 2
        rate = speed / shortest.clamp_min(SHORTEST)
        bound = torch.where(shortest > SHORTEST, 8 * rate.square(), 16.0).clamp_max(16.0)
        return bound[..., None] * far


def _length(vectors: Float[Tensor, "... d"]) -> Float[Tensor, "..."]:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return length


@dataclass(frozen=True, eq=False)
class Linked:
    """Points on the links of a robot, whose joints are in the trajectory.

    Args:
        columns: of the joint values in a transition.
        rest: values of the last joints.
        points: on the links.
    """

    columns: list[int]
    rest: Float[Tensor, "R"]
    points: Attached

    def positions(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... S 3"]:
        """Where the points are [m]."""
        q = x[..., self.columns]
        return self.points.positions(torch.cat([q, self.rest.expand(*q.shape[:-1], -1)], dim=-1))

    def bend(
        self, start: Float[Tensor, "... D"], step: Float[Tensor, "... D"]
    ) -> Float[Tensor, "... S"]:
        """Bound on the second derivative [m] along start + s step, s in [0, 1]."""
        dq = step[..., self.columns]
        return self.points.bend(torch.nn.functional.pad(dq, (0, len(self.rest))))


@dataclass(frozen=True, eq=False)
class Spheres:
    """The spheres of a body, in an order of their own.

    Args:
        parts: which place them, one after the other.
        radii: (S,) [m].
        quaternions: columns of each quaternion in a transition.
        kept: the spheres themselves, in the order of the radii.
    """

    parts: tuple[Carried | Linked, ...]
    radii: Float[Tensor, "S"]
    quaternions: tuple[slice, ...]
    kept: tuple[Sphere, ...]

    def transitions(self, trajectory: Trajectory) -> Float[Tensor, "... H D"]:
        """What runs in straight lines between waypoints: quaternions without jumps to -q."""
        x = trajectory.x
        if not self.quaternions:
            return x
        sign = torch.ones_like(x)
        for at in self.quaternions:
            aligned = (x[..., 1:, at] * x[..., :-1, at]).sum(-1, keepdim=True).detach() >= 0
            sign[..., 1:, at] = torch.where(aligned, 1.0, -1.0).to(x.dtype).cumprod(-2)
        return sign * x

    def centers(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... S 3"]:
        """Where the centres are in the world [m], of transitions."""
        every = [part.positions(x) for part in self.parts]
        return every[0] if len(every) == 1 else torch.cat(every, dim=-2)

    def stray(
        self, start: Float[Tensor, "... D"], step: Float[Tensor, "... D"]
    ) -> Float[Tensor, "... S"]:
        """How far each centre may be from its chord [m] on the way from start to start + step."""
        return torch.cat([part.bend(start, step) for part in self.parts], dim=-1) / 8


@lru_cache(maxsize=64)
def spheres_of(layout: Layout, *, tool: bool, dtype: torch.dtype, device: torch.device) -> Spheres:
    """The spheres of a layout's body, or its tool alone; made once.

    Raises:
        LayoutError: there is no body, or it does not fit the layout.
    """
    body = layout.body
    if body is None:
        raise LayoutError("layout: has no body; give it one, or use the channel 'position'")
    check_body(layout)
    wanted = _tools(body) if tool else body.spheres
    on_links = [sphere for sphere in wanted if sphere.frame in _links(body)]
    frames = dict.fromkeys(sphere.frame for sphere in wanted if sphere not in on_links)
    parts: list[Carried | Linked] = []
    kept: list[Sphere] = []
    with torch.inference_mode(False):
        if on_links:
            points = tuple((sphere.frame, sphere.center) for sphere in on_links)
            made, order = attached(body.robot, body.base, points, dtype, device)
            rest = torch.tensor(body.rest, dtype=dtype, device=device)
            parts.append(Linked(layout.columns(body.joints), rest, made))
            kept += [on_links[k] for k in order]
        for frame in frames:
            same = [sphere for sphere in wanted if sphere.frame == frame]
            centers = torch.tensor([s.center for s in same], dtype=dtype, device=device)
            parts.append(_carried(layout.slice(frame), centers))
            kept += same
        radii = torch.tensor([sphere.radius for sphere in kept], dtype=dtype, device=device)
    quaternions = tuple(part.turn for part in parts if isinstance(part, Carried) and part.turn)
    return Spheres(tuple(parts), radii, quaternions, tuple(kept))


def tool_way(trajectory: Trajectory) -> Float[Tensor, "... H 3"]:
    """Where the tool's point is at every waypoint [m]."""
    x = trajectory.x
    tool = spheres_of(trajectory.layout, tool=True, dtype=x.dtype, device=x.device)
    return tool.centers(x)[..., 0, :]


def turns_of_tool(
    layout: Layout, here: Float[Tensor, "N D"], way: Float[Tensor, "N 3"]
) -> Float[Tensor, "N J"]:
    """The least ways of the joints that move the tool by so much [m] from somewhere [rad].

    Damped least squares (Wampler 1986), one step: for ways of a few centimetres.
    """
    columns = layout.slice("joints")

    def tool(joints: Tensor) -> Tensor:
        x = torch.cat([here[:, : columns.start], joints, here[:, columns.stop :]], dim=-1)
        return tool_way(Trajectory(x[:, None], layout))[:, 0]

    with torch.inference_mode(False), torch.enable_grad():
        here, way = here.clone(), way.clone()
        joints = here[:, columns].clone().requires_grad_()
        place = tool(joints)
        lines = [
            torch.autograd.grad(place[:, k].sum(), joints, retain_graph=k < 2)[0] for k in range(3)
        ]
    jacobian = torch.stack(lines, dim=1)  # (N, 3, J)
    square = jacobian @ jacobian.mT + DAMPING**2 * torch.eye(3).to(jacobian)
    pulls: Tensor = torch.linalg.solve(square, way)
    return (jacobian.mT @ pulls[..., None])[..., 0]


def tool_steps(
    trajectory: Trajectory,
) -> tuple[Float[Tensor, "... H-1"], Float[Tensor, "... H-1"]]:
    """The tool's chord on each segment [m], and by how much its speed there may differ from it.

    On a way whose second derivative is at most b, in shares of the segment, the speed differs from
    that of the chord by at most b / 2 a segment.
    """
    x = trajectory.x
    tool = spheres_of(trajectory.layout, tool=True, dtype=x.dtype, device=x.device)
    x = tool.transitions(trajectory)
    chord = _length(tool.centers(x)[..., 0, :].diff(dim=-2))
    return chord, 4 * tool.stray(x[..., :-1, :], x.diff(dim=-2))[..., 0]


def _carried(at: slice, centers: Float[Tensor, "S 3"]) -> Carried:
    """Points on the channel in these columns."""
    middle = at.start + POSITION
    return Carried(
        slice(at.start, middle), slice(middle, at.stop) if middle < at.stop else None, centers
    )
