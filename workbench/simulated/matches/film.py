"""A played match filmed as on television: a panning, zooming camera, and cut-aways at random.

The unit is one frame, an RGB image. Pitch and stand are flat pictures laid into the scene, people
are drawn joint by joint, the ball with its shadow and half a frame of motion blur. The camera
follows the ball late and loosely; cut-aways to a player come at moments that have nothing to do
with the play, so that none gives an event away.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from workbench.footage.pinhole import Camera
from workbench.simulated.matches.bodies import (
    HEAD,
    LEFT_FOOT,
    LEFT_HAND,
    LEFT_KNEE,
    NECK,
    PELVIS,
    RIGHT_FOOT,
    RIGHT_HAND,
    RIGHT_KNEE,
    joints,
)
from workbench.simulated.matches.pitch import FPS, HALF_LENGTH_M, HALF_WIDTH_M, PEOPLE
from workbench.simulated.matches.stadium import (
    STAND_Y_M,
    Image,
    Stadium,
    build_stadium,
    ground_to_metres,
    stand_to_metres,
)
from workbench.simulated.matches.story import PlayedMatch

Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]

CUT_AWAY_EVERY_S = 75.0  # on average
_GOAL_M = (3.66, 2.44, 2.2, 1.9)  # half the width, height, depth below, height behind
_NET, _POST = (150, 160, 150), (250, 250, 250)
_TALL_M, _WIDE, _BALL_M = 1.85, 0.45, 0.12  # of boxes: height, its share that is width; radius
_NOISES = 4  # pictures of noise, in turn
_BITS, _SCALE = 4, 16  # of a pixel
_LINE = (cv2.LINE_AA, _BITS)
_STROKES = (  # joints in order, width in metres, whose colour; far to near within a body
    ((LEFT_FOOT, LEFT_KNEE, PELVIS, RIGHT_KNEE, RIGHT_FOOT), 0.13, "skins"),
    ((LEFT_HAND, NECK, RIGHT_HAND), 0.09, "skins"),
    ((NECK, PELVIS), 0.38, "shirts"),
)


@dataclass(frozen=True, eq=False)
class Direction:
    """Where the cameras look, frame by frame."""

    eye: Floats  # (3,) metres: of the main camera
    target: Floats  # (F, 2)
    view_m: Floats  # (F,) width of the picture at the target
    away: npt.NDArray[np.int64]  # (F,) the player that a cut-away shows, -1 for none


def direct(match: PlayedMatch, rng: np.random.Generator) -> Direction:
    """Draw how a match is filmed."""
    frames, ball = len(match), match.ball.astype(float)

    def drift(sigma_s: float, size_m: float) -> Floats:
        white = rng.normal(0, 1, frames)
        return np.asarray(gaussian_filter1d(white, sigma_s * FPS, mode="nearest") * size_m)

    lag = int(rng.integers(0, 9))
    late = ball[np.maximum(np.arange(frames) - lag, 0), :2]
    followed = gaussian_filter1d(late, 0.5 * FPS, axis=0, mode="nearest")
    x = np.clip(followed[:, 0] * 0.98 + drift(2.4, 12), -46, 46)
    y = followed[:, 1] * 0.85 + 1.5 + drift(2.4, 5)
    speed = np.hypot(*np.gradient(ball[:, :2], axis=0).T) * FPS if frames > 1 else np.zeros(frames)
    view = rng.uniform(25, 31) + gaussian_filter1d(speed, FPS, mode="nearest") * 0.45 + drift(4, 25)
    eye = np.array([rng.uniform(-6, 6), -HALF_WIDTH_M - rng.uniform(30, 42), rng.uniform(15, 24)])
    away = np.full(frames, -1)
    for start in np.flatnonzero(rng.random(frames) < 1 / (CUT_AWAY_EVERY_S * FPS)):
        away[start : start + int(rng.uniform(1.8, 4) * FPS)] = rng.integers(1, PEOPLE - 1)
    return Direction(eye, np.stack([x, y], axis=1), np.clip(view, 22, 42), away)


class Film:
    """Renders the frames of a played match.

    Args:
        match: What was played.
        seed: Of stadium, kits and camera.
        size_wh: Of the picture.

    Example:
        >>> images = Film(play_match(1, 50), 1).images()  # doctest: +SKIP
    """

    def __init__(self, match: PlayedMatch, seed: int, size_wh: tuple[int, int]) -> None:
        rng = np.random.default_rng([seed, 1])
        self.match, self.size_wh = match, size_wh
        self.stadium: Stadium = build_stadium(rng)
        self.direction = direct(match, rng)
        width, height = size_wh
        self._noise = [
            np.clip(rng.normal(4, 2.2, (height, width, 3)), 0, 12).astype(np.uint8)
            for _ in range(_NOISES)
        ]

    def images(self, every: int = 1) -> Iterator[Image]:
        """Yield every so manieth frame, (H, W, 3) RGB."""
        for number, frame in enumerate(range(0, len(self.match), every)):
            yield cv2.add(self._draw(frame), self._noise[number % _NOISES])  # type: ignore[misc]

    def _camera(self, frame: int) -> Camera:
        direction, shown = self.direction, int(self.direction.away[frame])
        if shown >= 0:
            target, view_m = np.array([*self.match.position[frame, shown], 1.0]), 6.0
        else:
            target, view_m = np.array([*direction.target[frame], 0.8]), direction.view_m[frame]
        focal_px = self.size_wh[0] * float(np.linalg.norm(target - direction.eye)) / view_m
        return Camera.looking_at(direction.eye, target, focal_px, self.size_wh)

    def boxes(self, frame: int) -> list[tuple[str, Box]]:
        """Return class and box (left, top, width, height) of who is in the picture, and the ball.

        Boxes are of standing people, in pixels; nobody is left out for standing behind another.
        """
        camera, (width, height) = self._camera(frame), self.size_wh
        places = np.concatenate([self.match.position[frame], self.match.ball[frame, None, :2]])
        low = np.concatenate([np.zeros(PEOPLE), self.match.ball[frame, 2:] - _BALL_M])
        high = np.concatenate([np.full(PEOPLE, _TALL_M), self.match.ball[frame, 2:] + _BALL_M])
        feet, depth = camera.project(np.column_stack([places, low]))
        heads, _ = camera.project(np.column_stack([places, high]))
        found: list[tuple[str, Box]] = []
        for at in np.flatnonzero(depth > 1).tolist():
            tall = float(feet[at, 1] - heads[at, 1])
            wide = tall if at == PEOPLE else _WIDE * tall
            left, top = float(heads[at, 0]) - wide / 2, float(heads[at, 1])
            if left < width and left + wide > 0 and top < height and top + tall > 0:
                found.append(("ball" if at == PEOPLE else "person", (left, top, wide, tall)))
        return found

    def _draw(self, frame: int) -> Image:
        match, camera, (width, height) = self.match, self._camera(frame), self.size_wh
        image = self._background(camera)
        position = match.position[frame].astype(float)
        on_ground = np.concatenate([position, np.zeros((PEOPLE, 1))], axis=1)
        feet, depth = camera.project(on_ground)
        size = camera.focal_px / np.maximum(depth, 1)  # pixels per metre
        u, v = feet.T
        seen = (depth > 1) & (u > -20) & (u < width + 20) & (v > -5) & (v < height + 2.2 * size)
        people = np.flatnonzero(seen)
        people = people[np.argsort(-position[people, 1])]  # far first
        ball = match.ball[frame].astype(float)
        placed = joints(
            position[people],
            match.facing[frame, people].astype(float),
            match.gait[frame, people].astype(float),
            match.speed[frame, people].astype(float),
            match.kind[frame, people],
            match.clock[frame, people],
        )
        at = camera.project(placed.reshape(-1, 3))[0].reshape(len(people), -1, 2)
        corners = np.rint(at * _SCALE).astype(np.int32)
        for person in people.tolist():
            axes = int(0.38 * size[person] * _SCALE), int(0.13 * size[person] * _SCALE)
            middle = np.rint(feet[person] * _SCALE).astype(int).tolist()
            cv2.ellipse(image, middle, axes, 0, 0, 360, self.stadium.shadow, -1, *_LINE)
        self._draw_goals(image, camera)
        is_drawn = False
        for person, body in zip(people.tolist(), corners, strict=True):
            if not is_drawn and position[person, 1] < ball[1] - 0.05:
                self._draw_ball(image, camera, frame)
                is_drawn = True
            self._draw_person(image, person, body, float(size[person]))
        if not is_drawn:
            self._draw_ball(image, camera, frame)
        return image

    def _background(self, camera: Camera) -> Image:
        width, height = self.size_wh
        to_ground = camera.matrix[:, [0, 1, 3]] @ ground_to_metres
        image: Image = cv2.warpPerspective(  # type: ignore[assignment]
            self.stadium.ground, to_ground, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        foot = np.array([[camera.position[0], STAND_Y_M, 0.0]])
        below = int(camera.project(foot)[0][0, 1]) + 6
        if below > 6:
            upper = image[: min(height, below)]
            cv2.warpPerspective(
                self.stadium.stand,
                camera.matrix @ stand_to_metres,
                (width, len(upper)),
                dst=upper,
                borderMode=cv2.BORDER_TRANSPARENT,
            )
        return image

    def _draw_person(
        self, image: Image, person: int, body: npt.NDArray[np.int32], size: float
    ) -> None:
        def px(width_m: float) -> int:
            return max(1, round(width_m * size))

        stadium = self.stadium
        legs, arms, trunk = _STROKES
        cv2.polylines(
            image, [body[list(legs[0])]], False, stadium.skins[person], px(legs[1]), *_LINE
        )
        hips = body[PELVIS]
        thighs = np.stack([(body[LEFT_KNEE] + hips) // 2, hips, (body[RIGHT_KNEE] + hips) // 2])
        cv2.polylines(image, [thighs], False, stadium.shorts[person], px(0.2), *_LINE)
        for stroke, colour in ((arms, stadium.skins), (trunk, stadium.shirts)):
            cv2.polylines(
                image, [body[list(stroke[0])]], False, colour[person], px(stroke[1]), *_LINE
            )
        radius = int(0.13 * size * _SCALE)
        cv2.circle(image, body[HEAD].tolist(), radius, stadium.hairs[person], -1, *_LINE)

    def _draw_ball(self, image: Image, camera: Camera, frame: int) -> None:
        ball = self.match.ball[frame].astype(float)
        before = self.match.ball[max(0, frame - 1)].astype(float)
        blur = 0.25 * (before - ball)
        shadow = np.array([ball[0], ball[1], 0.02])
        at, depth = camera.project(np.stack([ball + blur, ball - blur, shadow]))
        radius = max(1.1, 0.125 * camera.focal_px / max(1.0, float(depth[0])))
        first, last, ground = np.rint(at * _SCALE).astype(int).tolist()
        axes = int(radius * _SCALE), int(radius * 7)
        cv2.ellipse(image, ground, axes, 0, 0, 360, self.stadium.shadow, -1, *_LINE)
        colour = self.stadium.ball
        cv2.line(image, first, last, colour, max(1, round(2 * radius)), *_LINE)
        cv2.circle(image, last, int(radius * _SCALE), colour, -1, *_LINE)

    def _draw_goals(self, image: Image, camera: Camera) -> None:
        half, high, deep, behind = _GOAL_M
        for end in (-1, 1):
            line, back = HALF_LENGTH_M * end, (HALF_LENGTH_M + deep) * end
            points = np.array(
                [
                    *([line, -half, 0], [line, -half, high], [line, half, high], [line, half, 0]),
                    *([back, -half, 0], [back, half, 0]),
                    *([back, -half, behind], [back, half, behind]),
                ]
            )
            at, depth = camera.project(points)
            is_near = at[:, 0].max() > -10 and at[:, 0].min() < self.size_wh[0] + 10
            if depth.min() < 1 or not is_near:
                continue
            corners = np.rint(at * _SCALE).astype(np.int32)
            for part in np.linspace(0, 1, 9)[1:-1]:
                strand = [
                    corners[first] + (corners[last] - corners[first]) * part
                    for first, last in ((1, 2), (6, 7), (4, 5))
                ]
                cv2.polylines(image, [np.array(strand, np.int32)], False, _NET, 1, *_LINE)
            edges = [corners[[4, 6, 1]], corners[[5, 7, 2]], corners[[4, 5]], corners[[6, 7]]]
            cv2.polylines(image, edges, False, _NET, 1, *_LINE)
            post_px = max(1, round(0.14 * camera.focal_px / float(depth[0])))
            cv2.polylines(image, [corners[:4]], False, _POST, post_px, *_LINE)
