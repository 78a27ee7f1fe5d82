"""The phone on a tripod that films a simulated shot: where it stands, what its lens and sensor do.

The ideal picture is the pinhole camera of the built-in footage; on top come a radial distortion and
a rolling shutter, which no fit of a shot is told about. World axes as in `verdict`, pixels u right
and v down.
"""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Camera, goal_corners

Placement = Literal["behind", "oblique", "side", "behind_goal"]
Floats = NDArray[np.float64]

PLACEMENTS: tuple[Placement, ...] = ("behind", "oblique", "side", "behind_goal")
_MARGIN_PX = 8.0  # of the goal and the kick to the edge of the picture
_TRIES = 60


def sees(camera: Camera, points_m: Floats) -> bool:
    """Whether all these points (N, 3) are well inside the picture."""
    pixels, depths = camera.project(points_m)
    inside = (pixels > _MARGIN_PX) & (pixels < np.array([camera.width, camera.height]) - _MARGIN_PX)
    return bool(inside.all() and (depths > 0.5).all())


def set_up(
    rng: np.random.Generator,
    placement: Placement,
    start_m: Floats,
    goal_size_m: tuple[float, float],
    image_wh: tuple[int, int],
    focal_px_at_1920: tuple[float, float],
    k1: float,
) -> tuple[Camera, float] | None:
    """Stand a camera where somebody might; None if goal and kick do not fit into the picture.

    Args:
        rng: Draws place, height, tilt, focal length and shutter.
        placement: Roughly where; angles are between the camera's axis and the line of the shot.
        start_m: Where the ball is kicked (3,).
        goal_size_m: Inner width and height of the goal.
        image_wh: Of the picture.
        focal_px_at_1920: Least and greatest focal length in a picture 1920 pixels wide.
        k1: Greatest distortion to either side.
    """
    corners = goal_corners(goal_size_m)
    shot = math.atan2(start_m[0], max(start_m[1], 1.0))
    kick_distance = float(np.hypot(start_m[0], start_m[1]))
    for _ in range(_TRIES):
        turn, distance = _stand(rng, placement, kick_distance)
        angle = shot + turn
        position = [distance * math.sin(angle), distance * math.cos(angle), rng.uniform(1.2, 3.0)]
        if placement != "behind_goal" and position[1] < 2.0:
            continue
        aim = rng.uniform(0.2, 0.6) * start_m + np.array([0, 0, rng.uniform(0.5, 1.8)])
        focal = rng.uniform(*focal_px_at_1920) * image_wh[0] / 1920
        ideal = Camera.looking_at(
            np.array(position), aim, focal, image_wh, math.radians(rng.normal(0, 1.2))
        )
        readout = 0.0 if rng.random() < 0.3 else rng.uniform(0.010, 0.025)
        camera = replace(ideal, k1=rng.uniform(-k1, k1))
        if sees(camera, np.vstack([corners, start_m[None] * [1, 1, 0]])):
            return camera, readout
    return None


def _stand(rng: np.random.Generator, placement: Placement, kick: float) -> tuple[float, float]:
    """Angle off the line of the shot, seen from the goal, and distance from the goal."""
    side = rng.choice([-1.0, 1.0])
    if placement == "behind":
        return math.radians(rng.uniform(-12, 12)), min(40.0, kick + rng.uniform(2.5, 15))
    if placement == "oblique":
        return side * math.radians(rng.uniform(30, 60)), rng.uniform(max(5.0, 0.7 * kick), 38)
    if placement == "side":
        return side * math.radians(rng.uniform(62, 84)), rng.uniform(max(5.0, 0.7 * kick), 38)
    return math.pi + side * math.radians(rng.uniform(0, 35)), rng.uniform(5, 22)


def standing_people(
    rng: np.random.Generator,
    camera: Camera,
    count: int,
    around_m: Floats,
    noise_px: float,
) -> Floats:
    """Foot and head of people who stand about, as a detector's boxes give them (n, 4).

    People whose feet or head are out of the picture are left out.
    """
    places = around_m * rng.uniform(-0.1, 1.2, (count, 1)) + rng.normal(0, 5, (count, 3))
    places[:, 1] = np.maximum(places[:, 1], -1.0)
    feet = places * [1, 1, 0]
    heads = feet + np.array([0, 0, 1.0]) * rng.normal(1.75, 0.07, (count, 1))
    foot_px, depths = camera.project(feet)
    head_px, _ = camera.project(heads)
    boxes = np.concatenate([foot_px, head_px], axis=1)
    wh = np.array([camera.width, camera.height] * 2)
    seen = (depths > 3) & ((boxes > 0) & (boxes < wh)).all(axis=1)
    noisy: Floats = boxes[seen] + rng.normal(0, noise_px, (int(seen.sum()), 4))
    return noisy
