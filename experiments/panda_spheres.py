"""Fits the spheres of the Panda to the convex hulls of its links: glass_plan/robots/panda.json.

python -m experiments.panda_spheres --urdf .../mani_skill/assets/robots/panda/panda_v2.urdf --write

A sphere about c of radius r reaches r + d(c) beyond a convex hull, d its signed distance. With the
same excess e for all spheres of a link, r = e - d(c), a point p of the hull is outside of them by
min_c |p - c| + d(c) - e: for given centres the least e that leaves no point further outside than
UNCOVERED is max_p min_c |p - c| + d(c) - UNCOVERED. Gradient descent on its smooth form places the
centres. Without --write it measures the table that is there.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import torch
import trimesh
import tyro
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

import glass_plan.robots
from glass_plan.bench.records import markdown_table
from glass_plan.layout import Sphere

TABLE = Path(glass_plan.robots.__file__).parent / "panda.json"

COUNTS = {
    **{f"panda_link{k}": n for k, n in enumerate((3, 3, 3, 3, 4, 4, 4), start=1)},
    "panda_hand": 8,
    "panda_leftfinger": 3,
}
"""Spheres of each link; a fourth on links 1 to 4 would take off about 1 mm."""

UNCOVERED = 0.004
"""How far a point of a hull may be outside the spheres [m], on the samples of the fit."""

Array = NDArray[np.float64]


@dataclass
class Args:
    """What to fit to.

    Args:
        urdf: description of the robot with meshes beside it, in STL.
        write: fit, and write the table; otherwise measure it.
        restarts: of each fit.
        steps: of gradient descent.
    """

    urdf: Path
    write: bool = False
    restarts: int = 32
    steps: int = 600


def main(args: Args) -> None:
    """Print what the spheres cover and what they add."""
    rng = np.random.default_rng(0)
    if args.write:
        spheres: list[Sphere] = []
        for link, count in COUNTS.items():
            spheres += fitted(link, hull(args.urdf, link), count, args, rng)
        spheres += [mirrored(s) for s in spheres if s.frame == "panda_leftfinger"]
        lines = [msgspec.json.encode(sphere).decode() for sphere in spheres]
        TABLE.write_text("[\n" + ",\n".join(lines) + "\n]\n")
        glass_plan.robots.panda_spheres.cache_clear()
    rows = [measured(link, hull(args.urdf, link), rng) for link in glass_plan.robots.PANDA_LINKS]
    print(markdown_table(rows))


def hull(urdf: Path, link: str) -> ConvexHull:
    """Of all that a link may collide with, in its frame [m]."""
    corners = []
    for part in ET.parse(urdf).findall(f"link[@name='{link}']/collision"):
        mesh, box, origin = (part.find(at) for at in ("geometry/mesh", "geometry/box", "origin"))
        if mesh is not None:
            points = np.asarray(trimesh.load(urdf.parent / mesh.attrib["filename"]).vertices)
        else:
            assert box is not None
            points = trimesh.creation.box(_numbers(box.attrib["size"])).vertices
        if origin is not None:
            turn = Rotation.from_euler("xyz", _numbers(origin.attrib["rpy"]))
            points = turn.apply(points) + _numbers(origin.attrib["xyz"])
        corners.append(points)
    return ConvexHull(np.concatenate(corners))


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def samples(around: ConvexHull, count: int, rng: np.random.Generator) -> Array:
    """The corners of a hull, ``count`` points of its surface, and half as many inside (M, 3)."""
    corners, triangles = around.points[around.vertices], around.points[around.simplices]
    sides = triangles[:, 1:] - triangles[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=-1)
    chosen = triangles[rng.choice(len(triangles), count, p=area / area.sum())]
    surface = np.einsum("kc,kcd->kd", rng.dirichlet(np.ones(3), count), chosen)
    share = rng.uniform(size=(count // 2, 1)) ** (1 / 3)
    return np.concatenate([corners, surface, lerp(corners.mean(0), surface[: count // 2], share)])


def lerp(a: Array, b: Array, share: Array) -> Array:
    return a + share * (b - a)


def needs(centers: torch.Tensor, points: torch.Tensor, planes: torch.Tensor) -> torch.Tensor:
    """What each sphere must exceed the hull by to hold each point [m], (R, M, K)."""
    depth = (centers @ planes[:, :3].T + planes[:, 3]).amax(-1)  # (R, K)
    return torch.cdist(points.expand(len(centers), -1, -1), centers) + depth[:, None]


def fitted(
    link: str, around: ConvexHull, count: int, args: Args, rng: np.random.Generator
) -> list[Sphere]:
    """The best of several descents from random centres."""
    planes = torch.from_numpy(around.equations)
    points = torch.from_numpy(samples(around, 3000, rng))
    begin = points[torch.from_numpy(rng.integers(len(points), size=(args.restarts, count)))]
    centers = torch.lerp(points.mean(0), begin, 0.6).requires_grad_()
    descent = torch.optim.Adam([centers])
    for left in np.linspace(1, 0, args.steps):
        temperature = 0.006 * left**2 + 0.0003  # [m]
        descent.param_groups[0]["lr"] = 0.004 * left + 0.0001
        every = needs(centers, points, planes) / temperature
        descent.zero_grad()
        (temperature * (-torch.logsumexp(-every, -1)).logsumexp(-1)).sum().backward()
        descent.step()
    with torch.no_grad():
        dense = torch.from_numpy(samples(around, 50_000, rng))
        needed = torch.cat([needs(c[None], dense, planes).amin(-1).amax(-1) for c in centers])
        best, excess = centers[needed.argmin()].numpy().round(4), float(needed.amin()) - UNCOVERED
    depths = (best @ around.equations[:, :3].T + around.equations[:, 3]).max(-1)
    radii = np.ceil((excess - depths) * 1e4) / 1e4
    rows = zip(best.tolist(), radii.tolist(), strict=True)
    return [Sphere(link, tuple(at), round(radius, 4)) for at, radius in sorted(rows)]


def mirrored(sphere: Sphere) -> Sphere:
    """On the other finger, which is the first one's mirror image."""
    x, y, z = sphere.center
    return replace(sphere, frame="panda_rightfinger", center=(x, -y, z))


def measured(link: str, around: ConvexHull, rng: np.random.Generator) -> dict[str, object]:
    """What the spheres of a link cover of its hull and what they add, as a row."""
    spheres = [s for s in glass_plan.robots.panda_spheres() if s.frame == link]
    centers, radii = np.array([s.center for s in spheres]), np.array([s.radius for s in spheres])
    points = samples(around, 100_000, rng)
    outside = (np.linalg.norm(points[:, None] - centers, axis=-1) - radii).min(-1).max()
    normals = rng.normal(size=(20_000, 1, 3))
    skin = centers + radii[:, None] * normals / np.linalg.norm(normals, axis=-1, keepdims=True)
    skin = skin.reshape(-1, 3)
    free = (np.linalg.norm(skin[:, None] - centers, axis=-1) - radii).min(-1) > -1e-9
    beyond = (skin[free] @ around.equations[:, :3].T + around.equations[:, 3]).max(-1)
    return {
        "link": link,
        "spheres": len(spheres),
        "hull outside of spheres by at most [mm]": f"{1e3 * outside:.1f}",
        "spheres outside of hull by at most [mm]": f"{1e3 * beyond.max():.1f}",
        "on average [mm]": f"{1e3 * beyond.mean():.1f}",
    }


if __name__ == "__main__":
    main(tyro.cli(Args))
