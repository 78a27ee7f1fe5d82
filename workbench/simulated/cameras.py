"""Camera placements: beside a shot at goal, close to the shooter, and by hand around an act.

All are phones: main cameras of 24 to 31 mm, at the height of a person or a tripod. World axes as in
`footage.pinhole`.
"""

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from workbench.footage.pinhole import Camera, Floats, goal_corners

Placement = Literal["behind", "oblique", "side", "behind_goal"]

PHONE_FOCAL_PX_AT_1920 = (1300.0, 1650.0)  # 24–31 mm on full frame, in a picture 1920 px wide
PLACEMENTS: tuple[Placement, ...] = ("behind", "oblique", "side", "behind_goal")
_MARGIN_PX = 8.0  # of the goal and the kick to the edge of the picture
_TRIES = 60


def beside_a_shot(
    rng: np.random.Generator,
    placement: Placement,
    start_m: Floats,
    goal_size_m: tuple[float, float],
    image_wh: tuple[int, int],
    focal_px_at_1920: tuple[float, float],
    k1: float,
    height_m: tuple[float, float] = (1.2, 3.0),
) -> tuple[Camera, float] | None:
    """Place a camera and its readout time in seconds; None if goal and kick are not both in view.

    The ball is kicked at `start_m` (3,). The lens distorts, by up to `k1` to either side, and the
    shutter rolls, which no fit of a shot is told about. The readout time is from the first row to
    the last; zero is a global shutter. Focal lengths are for a picture 1920 pixels wide.
    """
    corners = goal_corners(goal_size_m)
    shot = math.atan2(start_m[0], max(start_m[1], 1.0))
    kick_distance = float(np.hypot(start_m[0], start_m[1]))
    for _ in range(_TRIES):
        turn, distance = _stand(rng, placement, kick_distance)
        angle = shot + turn
        position = [distance * math.sin(angle), distance * math.cos(angle), rng.uniform(*height_m)]
        if placement != "behind_goal" and position[1] < 2.0:
            continue
        aim = rng.uniform(0.2, 0.6) * start_m + np.array([0, 0, rng.uniform(0.5, 1.8)])
        focal = rng.uniform(*focal_px_at_1920) * image_wh[0] / 1920
        ideal = Camera.looking_at(
            np.array(position), aim, focal, image_wh, math.radians(rng.normal(0, 1.2))
        )
        readout = 0.0 if rng.random() < 0.3 else rng.uniform(0.010, 0.025)
        camera = replace(ideal, k1=rng.uniform(-k1, k1))
        if _sees(camera, np.vstack([corners, start_m[None] * [1, 1, 0]])):
            return camera, readout
    return None


def close_to_the_shooter(
    rng: np.random.Generator,
    spot_m: Floats,
    goal_size_m: tuple[float, float],
    image_wh: tuple[int, int],
    camera_m: float | None = None,
) -> Camera:
    """Place a tripod behind or beside the shooter, up to 50 degrees off the line of the shot.

    Near enough for the ball to be seen in a small picture, with goal and ball in view. Shots are
    taken from `spot_m` (2,) on the ground; `camera_m` is the distance from there, 5.5 to 9 m unless
    given. All other draws are the same with and without it.
    """
    angle, near_m = rng.uniform(-0.87, 0.87), rng.uniform(5.5, 9)
    away = spot_m / np.linalg.norm(spot_m)
    cos, sin = math.cos(angle), math.sin(angle)
    turned = np.array([away[0] * cos - away[1] * sin, away[0] * sin + away[1] * cos])
    place = spot_m + (near_m if camera_m is None else camera_m) * turned
    position = np.array([*place, rng.uniform(1.4, 2.6)])
    target = np.array([*(0.45 * spot_m), 0.8])
    # Wide enough for the ball on its spot and both posts, with some air around them.
    half = goal_size_m[0] / 2 + 1
    wanted = np.array([[*spot_m, 0], [*(spot_m * 1.15), 1], [-half, 0, 0], [half, 0, 0]])
    roll = rng.normal(0, 0.01)
    trial = Camera.looking_at(position, target, 1.0, image_wh, roll)
    reach = np.abs(trial.project(wanted)[0] - trial.center_px) / (np.array(image_wh) / 2)
    # … and no longer a lens than phones have.
    focal_px = rng.uniform(*PHONE_FOCAL_PX_AT_1920) * image_wh[0] / 1920
    return replace(trial, focal_px=min(0.92 / float(reach.max()), focal_px))


def by_hand(rng: np.random.Generator, place_m: Floats, image_wh: tuple[int, int]) -> Camera:
    """Hold a camera anywhere around an act on the ground at `place_m` (3,), zoomed to fit it."""
    azimuth, distance = rng.uniform(0, 2 * math.pi), rng.uniform(4.5, 11)
    around = [distance * math.sin(azimuth), distance * math.cos(azimuth), rng.uniform(0.9, 2.8)]
    target = place_m + np.array([*rng.normal(0, 0.3, 2), 0.95 + rng.normal(0, 0.12)])
    visible_height_m = rng.uniform(2.5, 4.3)
    focal_px = image_wh[1] * distance / visible_height_m
    return Camera.looking_at(place_m + around, target, focal_px, image_wh, rng.normal(0, 0.03))


def _stand(rng: np.random.Generator, placement: Placement, kick: float) -> tuple[float, float]:
    """Angle off the line of the shot, seen from the goal, and distance from the goal."""
    side = rng.choice([-1.0, 1.0])
    if placement == "behind":
        return math.radians(rng.uniform(-12, 12)), min(40.0, kick + rng.uniform(2.5, 15))
    if placement == "behind_goal":
        return math.pi + side * math.radians(rng.uniform(0, 35)), rng.uniform(5, 22)
    least_deg, most_deg = (30, 60) if placement == "oblique" else (62, 84)
    turn_deg = rng.uniform(least_deg, most_deg)
    return side * math.radians(turn_deg), rng.uniform(max(5.0, 0.7 * kick), 38)


def _sees(camera: Camera, points_m: Floats) -> bool:
    """Whether all these points (N, 3) are well inside the picture."""
    pixels, depths = camera.project(points_m)
    inside = (pixels > _MARGIN_PX) & (pixels < np.array([camera.width, camera.height]) - _MARGIN_PX)
    return bool(inside.all() and (depths > 0.5).all())
