"""What the gallery of constraints shows: each kind with a sentence, its Python and two drives.

Python is text, since the page shows it as it stands; ways are (x, y) [m] in even steps of time.
"""

from __future__ import annotations

from dataclasses import dataclass

Way = tuple[tuple[float, float], ...]

BELOW: Way = ((-1.8, -1.25), (0.0, -1.25), (1.8, -1.25))
ACROSS: Way = ((-1.8, -0.9), (0.0, 0.0), (1.8, 0.9))
CALM: Way = ((-1.4, 0.2), (-0.75, 0.5), (0.0, 0.1), (0.75, -0.3), (1.4, 0.0))
HASTY: Way = ((-1.5, 0.8), (-1.7, 0.1), (0.4, 0.6), (1.1, -0.9), (1.4, 0.3))


@dataclass(frozen=True)
class Entry:
    """One kind of region or constraint.

    Args:
        title: name of the kind.
        sentence: what it is.
        python: expression of a constraint that shows it.
        meets: way of a drive that satisfies the constraint; empty for none.
        fails: way of a drive that violates it; empty for none.
        in_python_only: whether there is no YAML for it.
    """

    title: str
    sentence: str
    python: str
    meets: Way = BELOW
    fails: Way = ACROSS
    in_python_only: bool = False


@dataclass(frozen=True)
class Limit(Entry):
    """A limit, which is drawn over time."""

    meets: Way = CALM
    fails: Way = HASTY


REGIONS = (
    Entry(
        "Ball",
        "Points within a radius of a centre: a disc in the plane.",
        "gp.Avoid(gp.Ball((0.0, 0.1), 0.6))",
    ),
    Entry(
        "Box",
        "Points between two opposite corners, turned about the middle by an angle [rad].",
        "gp.Avoid(gp.Box((-0.9, -0.3), (0.9, 0.5), rotation=(0.4,)))",
    ),
    Entry(
        "Ellipsoid",
        "An ellipse, by its half axes; turned, too.",
        "gp.Avoid(gp.Ellipsoid((0.0, 0.1), (1.1, 0.5), rotation=(-0.5,)))",
    ),
    Entry(
        "Capsule",
        "Points within a radius of a segment.",
        "gp.Avoid(gp.Capsule((-0.8, 0.6), (0.8, -0.3), 0.3))",
    ),
    Entry(
        "Cylinder",
        "Points within a radius of an axis in space, with flat ends; here leaning, from above.",
        "gp.Avoid(gp.Cylinder((-0.6, -0.3, 0.0), (0.5, 0.3, 1.0), 0.5))",
        meets=(),
        fails=(),
    ),
    Entry(
        "HalfSpace",
        "All points behind a plane, with the normal pointing out.",
        "gp.Avoid(gp.HalfSpace((-0.3, -1.0), 0.3))",
    ),
    Entry(
        "Polygon",
        "Points inside a closed line through vertices, dents included.",
        "gp.Avoid(gp.Polygon(((-1, -0.5), (1, -0.5), (1, 0.9), (0.4, 0.9), (0.4, 0), (-1, 0))))",
    ),
    Entry(
        "ConvexPolygon",
        "A polygon that is checked to have no dent.",
        "gp.Avoid(gp.ConvexPolygon(((-0.9, -0.4), (0.7, -0.6), (1.1, 0.3), (0.0, 1.0))))",
    ),
    Entry(
        "Tube",
        "Points within a radius of a way through waypoints: a corridor.",
        "gp.StayIn(gp.Tube(((-1.7, -0.7), (0.0, -0.7), (0.4, 0.7), (1.7, 0.7)), 0.4))",
        ((-1.6, -0.7), (-0.8, -0.7), (-0.1, -0.6), (0.2, 0.0), (0.5, 0.6), (1.0, 0.7), (1.6, 0.7)),
        ((-1.6, -0.7), (-0.5, 0.2), (1.6, 0.7)),
    ),
    Entry(
        "Grid",
        "Occupied cells of a map about the origin, as mazes are given; outside of it all is wall.",
        "gp.Avoid(gp.Grid(((0, 0, 0, 0, 0), (0, 0, 1, 1, 0), (0, 0, 0, 0, 0)), cell=0.8))",
        ((-1.6, -0.8), (0.0, -0.8), (1.6, -0.8)),
        ((-1.6, -0.8), (0.0, 0.0), (1.6, 0.8)),
    ),
    Entry(
        "Raster",
        "Occupied pixels of a picture, with the distance to them however far; "
        "files can name a picture (`image`) instead.",
        'gp.Avoid(gp.Raster(("..##..##", ".##..##.", "#######.", ".#.##..."), 0.25, walled=False))',
    ),
    Entry(
        "Union",
        "Points in any of the parts.",
        "gp.Avoid(gp.Union((gp.Ball((-0.5, 0.0), 0.5), gp.Box((-0.3, -0.2), (1.0, 0.5)))))",
    ),
    Entry(
        "Intersection",
        "Points in all of the parts.",
        "gp.Avoid(gp.Intersection((gp.Ball((-0.4, 0.1), 0.9), gp.Ball((0.4, 0.1), 0.9))))",
    ),
    Entry(
        "Inflated",
        "What is within a distance of a shape, which may grow with time: how uncertain it is.",
        "gp.Avoid(gp.Inflated(gp.Box((-0.5, 0.0), (0.5, 0.3)), by=0.1, rate=0.15))",
    ),
    Entry(
        "Moving",
        "A shape carried through waypoints at a speed [m/s], to and fro or round if asked to loop.",
        "gp.Avoid(gp.Moving(gp.Ball((0, 0), 0.3), ((-1.5, 0.9), (0, 0), (1.5, 0.9)), speed=0.9))",
    ),
    Entry(
        "Drifting",
        "A shape at constant velocity, in its place at time 0.",
        "gp.Avoid(gp.Drifting(gp.Capsule((1.0, 0.6), (1.3, 0.2), 0.2), velocity=(-0.6, -0.2)))",
    ),
    Entry(
        "Tracked",
        "A shape at positions given for certain times [s], such as a predicted pedestrian.",
        "gp.Avoid(gp.Tracked(gp.Ball((0, 0), 0.3), (0, 2, 4), ((-1.2, 1.0), (0, 0), (1.2, 1.0))))",
    ),
    Entry(
        "Following",
        "A shape that follows a function of time, with the largest speed [m/s] that it has.",
        "gp.Avoid(\n"
        "    gp.Following(\n"
        "        gp.Ball((0, 0), 0.25),\n"
        "        lambda t: 0.8 * torch.stack([torch.cos(t), torch.sin(t)], -1),\n"
        "        speed=0.8,\n"
        "    )\n"
        ")",
        fails=((-1.8, 0.9), (-0.3, 0.7), (1.8, 0.3)),
        in_python_only=True,
    ),
)

DEMANDS = (
    Entry(
        "Avoid",
        "Always out of a region, with the whole body and a margin [m] to spare.",
        "gp.Avoid(gp.Ball((0.0, 0.1), 0.6), margin=0.1)",
    ),
    Entry(
        "StayIn",
        "Always in a region, with the whole body.",
        "gp.StayIn(gp.Box((-1.8, -1.0), (1.8, 1.0)))",
        ((-1.5, -0.6), (0.0, 0.5), (1.5, -0.3)),
        ((-1.5, 0.5), (0.0, 1.3), (1.5, 0.5)),
    ),
    Entry(
        "Reach",
        'At some time in a region, with the body\'s centre; with `of="object"`, say, with that '
        "channel's place.",
        "gp.Reach(gp.Ball((0.9, 0.4), 0.4))",
        ((-1.6, -0.8), (0.9, 0.4), (1.7, -0.5)),
        ((-1.6, 0.6), (0.0, -0.6), (1.7, -0.8)),
    ),
    Entry(
        "NearTo",
        "Always within a distance of a sketched path; with times, of where the sketch is by then.",
        "gp.NearTo(((-1.5, -0.8), (0.0, 0.5), (1.5, 0.2)), within=0.4, times=(0, 2, 4))",
        ((-1.5, -0.8), (-0.1, 0.5), (1.5, 0.2)),
        ((-1.5, -0.8), (-1.1, -0.6), (1.5, 0.2)),
    ),
)

LIMITS = (
    Limit("SpeedLimit", "Always slower than a limit [m/s].", "gp.SpeedLimit(1.2)"),
    Limit("AccelLimit", "Always a change of velocity below a limit [m/s^2].", "gp.AccelLimit(2.0)"),
    Limit(
        "JerkLimit",
        "Always a change of acceleration below a limit [m/s^3].",
        "gp.JerkLimit(4.0)",
    ),
    Entry(
        "Curvature",
        "No turn tighter than a radius of one over the limit [1/m].",
        "gp.Curvature(2.5)",
        ((-1.3, -1.0), (0.0, -0.95), (0.95, 0.0), (0.0, 0.95), (-1.3, 1.0)),
        ((-1.6, -0.4), (0.0, -0.2), (0.5, 0.05), (0.0, 0.25), (-1.6, 0.4)),
    ),
    Limit(
        "ActionLimit",
        "Always every component of the action within a limit on either side.",
        "gp.ActionLimit(2.0)",
    ),
    Limit(
        "JointLimits",
        "Always every joint between its limits, in the channel that holds them.",
        "gp.JointLimits(low=(-1.5, -1.5), high=(1.5, 1.5))",
    ),
    Limit(
        "DynamicsConsistency",
        "Always a next waypoint as near to a model's prediction as a limit says.",
        "gp.DynamicsConsistency(\n"
        "    0.02,\n"
        "    step=lambda state, action, dt: state"
        " + dt[..., None] * torch.cat([state[..., 2:], action], -1),\n"
        ")",
        in_python_only=True,
    ),
)

OPERATORS = (
    Entry(
        "All",
        "Conjunction, `&`: all of the terms.",
        "gp.Avoid(gp.Ball((-0.2, 0.2), 0.4)) & gp.Reach(gp.Box((0.8, -0.6), (1.5, 0.1)))",
        ((-1.7, 0.3), (-0.2, -0.7), (1.2, -0.2)),
        ((-1.7, 0.3), (-0.2, -0.7), (1.5, -1.0)),
    ),
    Entry(
        "AnyOf",
        "Disjunction, `|`: at least one of the terms.",
        "gp.Reach(gp.Ball((0.9, 0.7), 0.35)) | gp.Reach(gp.Ball((0.9, -0.7), 0.35))",
        ((-1.7, 0.0), (0.0, -0.7), (1.2, -0.6)),
        ((-1.7, 0.0), (0.0, 0.2), (1.7, 0.0)),
    ),
    Entry(
        "Not",
        "Negation, `~`: never where it was at some time, at some time where it was always.",
        "~gp.Reach(gp.Ball((0.0, 0.1), 0.6))",
    ),
    Entry(
        "Always",
        "The term holds at every instant of a window [s]: a door that is shut for two seconds.",
        "gp.Always(gp.Avoid(gp.Box((-0.2, -1.4), (0.2, 1.4))), window=(0, 2))",
        ((-1.7, 0.7), (-1.1, 0.7), (-0.6, 0.6), (0.5, 0.5), (1.7, 0.5)),
        ((-1.7, -0.7), (-0.6, -0.7), (0.3, -0.7), (1.0, -0.6), (1.7, -0.6)),
    ),
    Entry(
        "Eventually",
        "The term holds at some instant of a window [s]: be there within two seconds.",
        "gp.Eventually(gp.Reach(gp.Ball((0.6, 0.0), 0.4)), window=(0, 2))",
        ((-1.7, 0.6), (-0.6, 0.5), (0.5, 0.1), (1.1, 0.0), (1.7, 0.3)),
        ((-1.7, -0.6), (-1.2, -0.7), (-0.6, -0.6), (0.5, -0.1), (1.7, -0.4)),
    ),
    Entry(
        "Visit",
        "One region after the other, each at most so much later than the one before [s].",
        "gp.Visit(gp.Ball((-0.8, 0.5), 0.35)).then(gp.Ball((1.0, 0.4), 0.35), within=3.0)",
        ((-1.7, -0.2), (-0.8, 0.5), (0.2, 0.8), (1.0, 0.4), (1.7, 0.0)),
        ((1.7, -0.6), (1.0, 0.2), (0.1, 0.0), (-0.8, 0.4), (-1.7, 0.2)),
    ),
    Entry(
        "Until",
        "The first holds until the second does, and it must: no door before the key.",
        "gp.Until(gp.Avoid(gp.Box((0.7, -1.0), (1.1, 1.0))), gp.Reach(gp.Ball((-0.6, 0.7), 0.35)))",
        ((-1.7, -0.4), (-0.6, 0.6), (0.3, 0.4), (1.7, 0.2)),
        ((-1.7, -0.9), (-0.6, -0.8), (0.3, -0.6), (1.7, -0.5)),
    ),
    Entry(
        "Release",
        "The first holds up to the instant when the second does, if that ever comes.",
        "gp.Release(gp.StayIn(gp.HalfSpace((1, 0), 0.3)), gp.Reach(gp.Ball((-0.6, 0.7), 0.35)))",
        ((-1.7, -0.4), (-0.6, 0.6), (0.3, 0.4), (1.7, 0.2)),
        ((-1.7, -0.9), (-0.6, -0.8), (0.3, -0.6), (1.7, -0.5)),
    ),
    Entry(
        "AtEnd",
        "The term holds at the last waypoint: passing through is not enough.",
        "gp.AtEnd(gp.Reach(gp.Ball((0.8, 0.0), 0.4)))",
        ((-1.7, 0.8), (-0.3, 0.7), (0.8, 0.1)),
        ((-1.7, -0.8), (0.6, -0.1), (1.7, 0.6)),
    ),
    Entry(
        "Prefer",
        "A wish with a weight, beside what must hold: it steers, and no plan fails by it. "
        "A schedule (`Constant`, `Window`, `Ramp`) changes the weight over flow time, "
        "from 0 (noise) to 1 (data).",
        "gp.Reach(gp.Ball((1.2, 0.4), 0.4)) & gp.Prefer(\n"
        "    gp.Avoid(gp.Ball((-0.3, 0.0), 0.5)), weight=0.5, schedule=gp.Ramp(0.3, 0.8)\n"
        ")",
        ((-1.7, 0.0), (-0.5, -0.9), (1.2, 0.3)),
        ((-1.7, 0.2), (-0.3, 1.0), (1.7, 1.1)),
    ),
)

ENTRIES: dict[str, tuple[Entry, ...]] = {
    "regions": REGIONS,
    "demands": DEMANDS,
    "limits": LIMITS,
    "operators": OPERATORS,
}
"""By the block of the page in which they stand."""
