"""A penalty scene under a moving camera: pans, zooms, shakes and travels with exact truth.

The unit is one frame: its picture, the boxes of the people in it, and where the goal's corners and
marks on the ground truly are. The scene is made of textured planes (stand, advertising board, goal,
ground), so that every plane's map between two frames is a known homography; people pass in front
of it, a score board is burnt in. For what registers pictures; nobody plays in it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import FULL_GOAL_M, PENALTY_SPOT_M, Camera, Floats, goal_corners

Move = Literal["fixed", "pan", "zoom", "shake", "roll", "blurred pan", "sway", "travel"]
STEADIABLE: tuple[Move, ...] = ("fixed", "pan", "zoom", "shake", "roll", "blurred pan", "sway")

_STAND_M, _BOARD_M = -12.0, -5.0  # behind the goal line
_PX_PER_M = 40.0
_PAN_RAD, _FAST_PAN_RAD, _ZOOM, _ROLL_RAD = 0.12, 0.25, 1.31, 0.06
_SWAY_M = 0.06  # of a phone held by hand
_TRAVEL_M = (0.3, 3.0)
_GROUND_MARKS_M = np.array([[0, PENALTY_SPOT_M, 0], [-4, 8, 0], [4, 8, 0], [-2.5, 14, 0]], float)


@dataclass(frozen=True)
class View:
    """One frame and its truth."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    people: Floats  # (N, 4) boxes x0, y0, x1, y1
    goal_px: Floats  # (4, 2) in the order of `pinhole.GOAL_CORNERS`
    ground_px: Floats  # (4, 2) marks on the ground between goal and camera


def film_views(
    move: Move,
    frames: int = 48,
    *,
    seed: int = 0,
    covered: float = 0.3,
    wh: tuple[int, int] = (1280, 720),
    light: float = 1.0,
    noise: float = 4.0,
) -> Iterator[View]:
    """Film the scene with one camera move; the first frame is where the move starts.

    Args:
        move: What the camera does. Only "sway" and "travel" change its place.
        frames: How many.
        seed: Of textures, people and shake.
        covered: Share of the picture that people's boxes cover, at least, in the first frame.
        wh: Width and height of the picture.
        light: Brightness; .25 is a dark evening.
        noise: Standard deviation of the sensor noise, in grey levels.
    """
    rng = np.random.default_rng(seed)
    planes = _planes(rng)
    cameras = _cameras(move, frames, rng, wh)
    walkers = _Walkers(rng, wh, covered)
    for number, shots in enumerate(cameras):
        exposures = [_draw(planes, camera, wh) for camera in shots]
        image = np.mean(exposures, axis=0)
        middle = shots[len(shots) // 2]
        aim_px = middle.project(np.array([[0, 0, 1.0]]))[0][0]
        people = walkers.draw(image, number, aim_px)
        image = image * light + rng.normal(0, noise, image.shape)
        image = np.clip(image, 0, 255).astype(np.uint8)
        _burn_in(image)
        yield View(
            image,
            people,
            middle.project(goal_corners(FULL_GOAL_M))[0],
            middle.project(_GROUND_MARKS_M)[0],
        )


def _cameras(
    move: Move, frames: int, rng: np.random.Generator, wh: tuple[int, int]
) -> list[list[Camera]]:
    """The cameras of every frame; several where the picture is blurred by the move."""
    place = np.array([rng.uniform(-6, 6), rng.uniform(24, 30), rng.uniform(1.6, 5)])
    focal_px = wh[0] * place[1] / 13.5
    turns = np.cumsum(rng.normal(0, 0.0012, (frames, 3)), axis=0)
    turns += rng.normal(0, 0.0015, (frames, 3))
    sway = np.cumsum(rng.normal(0, 1, (frames, 3)), axis=0)
    sway *= _SWAY_M / max(np.abs(sway).max(), 1e-9)

    travel_m = np.array([0.6, -1.0, 0.1]) * rng.uniform(*_TRAVEL_M)

    def at(number: float) -> Camera:
        share, frame = number / max(1, frames - 1), min(frames - 1, round(number))
        pan = {"pan": _PAN_RAD, "roll": 0.03, "blurred pan": _FAST_PAN_RAD}.get(move, 0.0) * share
        turned = np.array([pan, 0.0, _ROLL_RAD * share if move == "roll" else 0.0])
        if move in ("shake", "sway"):
            turned = turned + turns[frame]
        moved = place + (sway[frame] if move == "sway" else 0)
        zoom = 1 + (_ZOOM - 1) * share * (move in ("zoom", "travel"))
        if move == "travel":
            moved = moved + travel_m * share
        aim = np.array([0, 0, 1.0]) + (moved - place)
        camera = Camera.looking_at(moved, aim, focal_px * zoom, wh, float(turned[2]))
        return replace(camera, rotation=_turn(turned[0], turned[1]) @ camera.rotation)

    blur = 5 if move == "blurred pan" else 1
    shutter = np.linspace(-0.25, 0.25, blur) if blur > 1 else np.zeros(1)
    return [[at(number + part) for part in shutter] for number in range(frames)]


def _turn(pan_rad: float, tilt_rad: float) -> Floats:
    turned, _ = cv2.Rodrigues(np.array([tilt_rad, pan_rad, 0.0]))
    return np.asarray(turned, float)


@dataclass(frozen=True)
class _Plane:
    texture: NDArray[np.uint8]  # (H, W, 4) RGBA
    to_world: Floats  # (4, 3) texture pixel, homogeneous, to world point, homogeneous


def _planes(rng: np.random.Generator) -> list[_Plane]:
    """From the back to the front."""
    return [
        _standing(_crowd(rng, (90, 20)), 90, _STAND_M, 0.8),
        _ground(_grass(rng, (80, 45))),
        _standing(_board(rng, (90, 1)), 90, _BOARD_M, 0.0),
        _standing(_goal(), FULL_GOAL_M[0] + 0.4, 0.0, 0.0),
    ]


def _standing(texture: NDArray[np.uint8], width_m: float, y_m: float, foot_m: float) -> _Plane:
    height, width = texture.shape[:2]
    metre = width_m / width
    top = foot_m + height * metre
    # World X grows to the left of somebody who faces the goal.
    to_world = [[-metre, 0, width_m / 2], [0, 0, y_m], [0, -metre, top], [0, 0, 1]]
    return _Plane(texture, np.array(to_world, float))


def _ground(texture: NDArray[np.uint8]) -> _Plane:
    width = texture.shape[1]
    metre = 80 / width
    to_world = [[metre, 0, -40], [0, metre, _BOARD_M], [0, 0, 0], [0, 0, 1]]
    return _Plane(texture, np.array(to_world, float))


def _noise(
    rng: np.random.Generator, size_m: tuple[float, float], octaves_px: tuple[int, ...]
) -> NDArray[np.float32]:
    width, height = (round(side * _PX_PER_M) for side in size_m)
    total = np.zeros((height, width), np.float32)
    for step in octaves_px:
        coarse = rng.normal(0, 1, (height // step + 2, width // step + 2)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(total / len(octaves_px) ** 0.5, np.float32)


def _crowd(rng: np.random.Generator, size_m: tuple[float, float]) -> NDArray[np.uint8]:
    """Rows of heads and shirts, dark and soft."""
    width, height = (round(side * _PX_PER_M) for side in size_m)
    seats = rng.integers(20, 150, (height // 18, width // 14, 3)).astype(np.uint8)
    shirts = cv2.resize(seats, (width, height), interpolation=cv2.INTER_NEAREST)
    grain = 25 * _noise(rng, size_m, (6, 24))[..., None]
    return _opaque(cv2.GaussianBlur(shirts + grain, (0, 0), 2.5))


def _board(rng: np.random.Generator, size_m: tuple[float, float]) -> NDArray[np.uint8]:
    """Boards with letters."""
    width, height = (round(side * _PX_PER_M) for side in size_m)
    image = np.zeros((height, width, 3), np.uint8)
    for left in range(0, width, 240):
        cv2.rectangle(image, (left, 0), (left + 240, height), rng.integers(0, 160, 3).tolist(), -1)
        word = "".join(rng.choice(list("ABEGKMNRSTX"), 6))
        cv2.putText(image, word, (left + 8, height - 8), 0, 1.2, (240, 240, 240), 4)
    return _opaque(image)


def _grass(rng: np.random.Generator, size_m: tuple[float, float]) -> NDArray[np.uint8]:
    """Mown stripes and the lines in front of a goal."""
    soft = _noise(rng, size_m, (3, 9, 40))
    image = np.empty((*soft.shape, 3), np.float32)
    rows = np.arange(soft.shape[0]) / _PX_PER_M + _BOARD_M
    stripes = 10 * np.sign(np.sin(2 * math.pi * rows / 11))[:, None]
    for channel, base in enumerate((60, 120, 45)):
        image[..., channel] = base + stripes + 9 * soft
    for depth_m, half_m in ((0.0, 40.0), (5.5, 9.16), (16.5, 20.16)):
        row, middle = (depth_m - _BOARD_M) * _PX_PER_M, 40 * _PX_PER_M
        left, right = (round(middle + side * half_m * _PX_PER_M) for side in (-1, 1))
        cv2.line(image, (left, round(row)), (right, round(row)), (225, 230, 225), 5)
        for x in (left, right):
            line = (x, round(-_BOARD_M * _PX_PER_M)), (x, round(row))
            cv2.line(image, line[0], line[1], (225, 230, 225), 5)
    spot = round(40 * _PX_PER_M), round((PENALTY_SPOT_M - _BOARD_M) * _PX_PER_M)
    cv2.circle(image, spot, 6, (225, 230, 225), -1)
    return _opaque(image)


def _goal() -> NDArray[np.uint8]:
    """Posts, bar and net with transparency; the mouth's inner edges are as wide as a full goal."""
    scale = 100
    (wide, high), rim = (round(side * scale) for side in FULL_GOAL_M), round(0.2 * scale)
    image = np.zeros((high + rim, wide + 2 * rim, 4), np.uint8)
    for x in range(rim, rim + wide, 24):
        cv2.line(image, (x, rim), (x, rim + high), (200, 200, 200, 110), 2)
    for y in range(rim, rim + high, 24):
        cv2.line(image, (rim, y), (rim + wide, y), (200, 200, 200, 110), 2)
    post, white = round(0.12 * scale), (245, 245, 245, 255)
    cv2.rectangle(image, (rim - post, rim - post), (rim + wide + post, rim - 1), white, -1)
    cv2.rectangle(image, (rim - post, rim), (rim - 1, rim + high), white, -1)
    cv2.rectangle(image, (rim + wide, rim), (rim + wide + post, rim + high), white, -1)
    return image


def _opaque(image: NDArray[Any]) -> NDArray[np.uint8]:
    rgb = np.clip(image, 0, 255).astype(np.uint8)
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def _draw(planes: list[_Plane], camera: Camera, wh: tuple[int, int]) -> NDArray[np.float32]:
    image = np.full((wh[1], wh[0], 3), (25, 28, 40), np.float32)
    # cv2 counts from the middle of the first pixel, cameras and textures from its corner.
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    for plane in planes:
        to_image = np.linalg.inv(shift) @ camera.matrix @ plane.to_world @ shift
        flat = cv2.warpPerspective(plane.texture, to_image, wh, flags=cv2.INTER_AREA)
        alpha = flat[..., 3:].astype(np.float32) / 255
        image += alpha * (flat[..., :3] - image)
    return image


class _Walkers:
    """People as soft dressed blobs, in front of everything."""

    def __init__(self, rng: np.random.Generator, wh: tuple[int, int], covered: float) -> None:
        self._wh, self._people = wh, []
        self._start_px: Floats | None = None
        seen = np.zeros((wh[1] // 8, wh[0] // 8), bool)
        while seen.mean() < covered:
            high = rng.uniform(0.2, 0.6) * wh[1]
            size = np.array([0.42 * high, high])
            at = rng.uniform([0, 0.15 * wh[1]], [wh[0], 0.75 * wh[1]])
            step = rng.normal(0, [3.0, 0.7])
            self._people.append((size, at, step, _dressed(rng, size.astype(int))))
            x0, y0, x1, y1 = (np.concatenate([at - size / 2, at + size / 2]) / 8).astype(int)
            seen[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True

    def draw(self, image: NDArray[np.float32], number: int, aim_px: Floats) -> Floats:
        """Draw them into the image and return their boxes (N, 4).

        The camera follows every other one; the rest stays behind with the scene, of which `aim_px`
        (2,) is a point.
        """
        boxes = []
        self._start_px = aim_px if self._start_px is None else self._start_px
        for place, (size, at, step, figure) in enumerate(self._people):
            now = at + number * step + (place % 2) * (aim_px - self._start_px)
            x0, y0 = np.rint(now - size / 2).astype(int)
            x1, y1 = x0 + figure.shape[1], y0 + figure.shape[0]
            left, top = max(0, x0), max(0, y0)
            right, bottom = min(self._wh[0], x1), min(self._wh[1], y1)
            if left >= right or top >= bottom:
                continue
            part = figure[top - y0 : bottom - y0, left - x0 : right - x0]
            behind = image[top:bottom, left:right]
            behind += part[..., 3:] * (part[..., :3] - behind)
            boxes.append((left, top, right, bottom))
        return np.array(boxes, float).reshape(-1, 4)


def _dressed(rng: np.random.Generator, wh: NDArray[np.int_]) -> NDArray[np.float32]:
    """A figure (H, W, 4), its last channel from 0 to 1."""
    width, height = int(wh[0]), int(wh[1])
    cloth = rng.integers(0, 255, (8, 4, 3)).astype(np.uint8)
    figure = np.zeros((height, width, 4), np.float32)
    figure[..., :3] = cv2.resize(cloth, (width, height), interpolation=cv2.INTER_CUBIC)
    figure[..., :3] += rng.normal(0, 12, (height, width, 1))
    shape = np.zeros((height, width), np.uint8)
    head = max(2, height // 12)
    cv2.circle(shape, (width // 2, head + 1), head, 255, -1)
    cv2.ellipse(
        shape, (width // 2, height * 3 // 8), (width // 2 - 1, height // 4), 0, 0, 360, 255, -1
    )
    for side in (-1, 1):
        foot = width // 2 + side * width // 3, height - 2
        cv2.line(shape, (width // 2, height // 2), foot, 255, max(2, width // 4))
    figure[..., 3] = shape / 255
    return figure


def _burn_in(image: NDArray[np.uint8]) -> None:
    """A score board, the same in every picture."""
    cv2.rectangle(image, (24, 18), (270, 78), (190, 20, 30), -1)
    cv2.putText(image, "LIVE 0:1", (34, 62), 0, 1.4, (250, 250, 250), 4)
