"""The places where built-in footage is filmed, and the picture of each without anybody in it.

A `Venue` is what stays the same for a whole session: ground, light, horizon, lines, goal size. Its
`backdrop` is rendered once per camera position; people, balls and goal frames are drawn over it
frame by frame by `renderer`.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import (
    GOAL_AREA_M,
    GOAL_SIZES_M,
    PENALTY_AREA_M,
    PENALTY_SPOT_M,
    Camera,
    Floats,
)
from workbench.simulated.flight import GoalFrame

Image = NDArray[np.uint8]
Rgb = tuple[int, int, int]

VENUES = ("park", "yard")

_MESH_M = 0.24  # of the net
_FAR_M = 380.0  # the ground ends in haze here
_TILE = 512  # side of the noise tile; lookups wrap around
_SKIES = np.array([
    [[238, 245, 250], [150, 195, 235]],  # fair
    [[238, 240, 242], [205, 212, 220]],  # overcast
    [[250, 225, 195], [150, 165, 200]],  # evening
], float)  # fmt: skip


@dataclass(frozen=True)
class Venue:
    """A ground, its light and its horizon."""

    name: Literal["park", "yard"]
    ground_rgb: Floats  # (3,) mean colour
    sky_rgb: Floats  # (2, 3) at the horizon and overhead
    horizon_rgb: Floats  # (3,) trees or wall
    horizon_rise: float  # elevation of the tree or wall top, as a tangent
    board_rgb: Floats | None  # (2, 3) two colours of a fence or advertising boards
    line_rgb: Floats
    goal: GoalFrame | None  # None: no goal here
    sun: Floats  # (3,) towards the sun, z is its elevation against the unit circle
    light: float  # exposure
    seed: int  # of the ground's and the trees' texture

    def shadow_of(self, points: Floats) -> Floats:
        """Where points (N, 3) shade the ground, a little above it."""
        fallen = points.copy()
        fallen[:, :2] += -self.sun[:2] / self.sun[2] * points[:, 2:]
        fallen[:, 2] = 0.005
        return fallen


def draw_venue(rng: np.random.Generator, name: str, with_goal: bool = True) -> Venue:
    """Draw a venue of the given kind: "park" (grass, trees) or "yard" (asphalt or turf, wall)."""
    azimuth = rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(azimuth), np.sin(azimuth), rng.uniform(0.7, 1.8)])
    if name == "park":
        ground = rng.uniform([70, 105, 45], [110, 145, 70])
        horizon = rng.uniform([30, 55, 30], [60, 85, 50])
        rise, boards = rng.uniform(0.05, 0.13), rng.random() < 0.5
    else:
        asphalt = rng.uniform(85, 150) * np.array([1.0, 1.0, 1.02])
        turf = rng.uniform([50, 110, 60], [80, 150, 90])
        clay = rng.uniform([150, 95, 65], [185, 125, 90])
        ground = (asphalt, turf, clay)[rng.integers(3)]
        horizon = rng.uniform([110, 95, 85], [190, 180, 170])
        rise, boards = rng.uniform(0.08, 0.2), rng.random() < 0.8
    goal = GoalFrame(*GOAL_SIZES_M[rng.integers(len(GOAL_SIZES_M))]) if with_goal else None
    return Venue(
        name="park" if name == "park" else "yard",
        ground_rgb=ground,
        sky_rgb=_SKIES[rng.integers(len(_SKIES))],
        horizon_rgb=horizon,
        horizon_rise=rise,
        board_rgb=rng.uniform(40, 210, (2, 3)) if boards else None,
        line_rgb=np.array([232, 232, 226]) if rng.random() < 0.7 else rng.uniform(150, 250, 3),
        goal=goal,
        sun=sun,
        light=rng.uniform(0.85, 1.08),
        seed=int(rng.integers(1 << 30)),
    )


def backdrop(venue: Venue, camera: Camera, margin_px: int) -> Image:
    """Picture the empty venue, `margin_px` larger on each side than the camera's frame.

    The margin is what hand shake moves into view.

    Returns:
        RGB image (height + 2 margin, width + 2 margin, 3).
    """
    noise = np.random.default_rng(venue.seed).random((_TILE, _TILE), dtype=np.float32)
    rows, columns = camera.height + 2 * margin_px, camera.width + 2 * margin_px
    u, v = np.meshgrid(
        np.arange(columns, dtype=float) - margin_px + 0.5,
        np.arange(rows, dtype=float) - margin_px + 0.5,
    )
    ray = camera.rays(u, v)
    ground, visible = _ground(venue, camera, ray, noise)
    picture = np.where(visible[..., None], ground, _surroundings(venue, ray, noise))
    image = np.clip(picture * venue.light, 0, 255).astype(np.uint8)
    if venue.goal is not None:
        image = _draw_net(image, venue.goal, camera, margin_px)
    return image


def _surroundings(venue: Venue, ray: Floats, noise: NDArray[np.float32]) -> Floats:
    elevation = ray[..., 2] / np.linalg.norm(ray[..., :2], axis=-1)
    azimuth = np.arctan2(ray[..., 0], ray[..., 1])
    height = np.clip(elevation / 0.5, 0, 1)[..., None]
    picture = venue.sky_rgb[0] * (1 - height) + venue.sky_rgb[1] * height
    clouds = _at(noise, azimuth * 6, elevation * 20)
    clouds += 0.6 * _at(noise, azimuth * 14, elevation * 50)
    picture = picture + ((clouds - 0.8) * 16)[..., None]
    if venue.name == "park":
        outline = 0.6 * _at(noise, azimuth * 9, 0) + 0.25 * _at(noise, azimuth * 40, 7)
        top = venue.horizon_rise * (0.5 + outline)
        speckle = _at(noise, azimuth * 120, elevation * 240)
        speckle += _at(noise, azimuth * 300, elevation * 500)
    else:
        top = np.full_like(elevation, venue.horizon_rise)
        brick = (np.floor(elevation * 90) % 2) * 0.12 + (np.floor(azimuth * 40) % 2) * 0.06
        speckle = 0.8 + brick + 0.3 * _at(noise, azimuth * 200, elevation * 300)
    wall = venue.horizon_rgb * (0.55 + 0.4 * speckle)[..., None]
    picture = np.where((elevation < top)[..., None], wall, picture)
    if venue.board_rgb is not None:
        stripe = (np.floor(azimuth * 14) % 2)[..., None]
        boards = venue.board_rgb[0] * stripe + venue.board_rgb[1] * (1 - stripe)
        picture = np.where((elevation < 0.022)[..., None], boards * 0.9, picture)
    return np.asarray(picture)


def _ground(
    venue: Venue, camera: Camera, ray: Floats, noise: NDArray[np.float32]
) -> tuple[Floats, NDArray[np.bool_]]:
    below = ray[..., 2] < -1e-4
    reach = np.where(below, -camera.position[2] / np.minimum(ray[..., 2], -1e-4), 0.0)
    visible = below & (reach < _FAR_M)
    reach = np.minimum(reach, _FAR_M)
    x, y = camera.position[0] + reach * ray[..., 0], camera.position[1] + reach * ray[..., 1]
    distance = reach * np.linalg.norm(ray, axis=-1)
    across_m = distance / camera.focal_px  # what one pixel covers sideways …
    along_m = distance**2 / (camera.focal_px * camera.position[2])  # … and away from the camera
    texture = np.zeros_like(x)
    for cycles_per_m, strength in ((0.15, 0.1), (0.6, 0.1), (2.5, 0.12), (9, 0.16), (30, 0.2)):
        # Detail finer than a pixel would shimmer: fade it out with distance.
        fade = np.clip(1.2 - across_m * cycles_per_m * 2, 0, 1)
        fade *= np.clip(1.4 - along_m * cycles_per_m * 0.7, 0.12, 1)
        texture += 2 * strength * fade * (_at(noise, x * cycles_per_m, y * cycles_per_m) - 0.5)
    if venue.name == "park":
        texture += 0.05 * np.tanh(4 * np.sin(y * 2 * np.pi / 11))  # mowing stripes
    ground = venue.ground_rgb * (1 + texture)[..., None]
    paint = _lines(x, y, np.maximum(np.maximum(across_m, 0.6 * along_m), 1e-3))
    paint = (paint * (0.6 + 0.3 * _at(noise, x * 6, y * 6)))[..., None]
    ground = ground * (1 - paint) + venue.line_rgb * paint
    haze = np.clip(distance / 250, 0, 0.5)[..., None]
    return ground * (1 - haze) + venue.sky_rgb[0] * 0.85 * haze, visible


def _lines(x: Floats, y: Floats, pixel_m: Floats) -> Floats:
    """Coverage 0–1 of the painted lines: goal line, goal area, penalty area, spot."""

    def stroke(offset_m: Floats, half_width_m: float = 0.06) -> Floats:
        return np.clip(0.5 + (half_width_m - np.abs(offset_m)) / pixel_m, 0, 1)

    paint = stroke(y) * (np.abs(x) < 30)
    for width_m, depth_m in (GOAL_AREA_M, PENALTY_AREA_M):
        half_m = width_m / 2
        paint = np.maximum(paint, stroke(np.abs(x) - half_m) * ((y > -0.06) & (y < depth_m)))
        paint = np.maximum(paint, stroke(y - depth_m) * (np.abs(x) < half_m))
    return np.maximum(paint, stroke(np.hypot(x, y - PENALTY_SPOT_M), 0.11))


def _draw_net(image: Image, goal: GoalFrame, camera: Camera, margin_px: int) -> Image:
    across, upward = (int(side_m / _MESH_M) for side_m in goal.wh_m)
    half, height = goal.width_m / 2, goal.height_m
    foot, bar, floor, roof = (
        np.array([[-half, y, z], [half, y, z]])
        for y, z in ((0, 0), (0, height), (-goal.depth_m, 0), (-goal.roof_m, height))
    )
    panels = [([*floor, *roof], across, upward), ([*bar, *roof], across, 5)]
    panels += [([foot[i], floor[i], bar[i], roof[i]], 8, upward) for i in (0, 1)]
    strings: list[Floats] = []
    for corners, columns, rows in panels:
        p00, p10, p01, p11 = corners
        for a in np.linspace(0, 1, columns + 1):
            strings.append(np.stack([p00 * (1 - a) + p10 * a, p01 * (1 - a) + p11 * a]))
        for a in np.linspace(0, 1, rows + 1):
            strings.append(np.stack([p00 * (1 - a) + p01 * a, p10 * (1 - a) + p11 * a]))
    net = image.copy()
    ends, depth = camera.project(np.concatenate(strings))
    for (start, end), nearest in zip(
        ends.reshape(-1, 2, 2), depth.reshape(-1, 2).min(1), strict=True
    ):
        if nearest > 0.5:
            a, b = np.round((np.stack([start, end]) + margin_px) * 16).astype(int)
            cv2.line(net, a.tolist(), b.tolist(), (222, 222, 222), 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.addWeighted(net, 0.34, image, 0.66, 0), np.uint8)


def _at(noise: NDArray[np.float32], x: Floats, y: Floats | float) -> Floats:
    """Smooth noise 0–1 at (x, y): bilinear lookup in a tile that repeats."""
    x32 = np.mod(x, _TILE).astype(np.float32)
    y32 = np.broadcast_to(np.mod(y, _TILE), x32.shape).astype(np.float32)
    found = cv2.remap(noise, x32, y32, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, float)
