"""Filmed-looking frames of a scene, with the exact truth of each.

The empty venue is a picture taken once; what moves is painted over it at several moments within the
shutter time and averaged (motion blur), the hand shakes, the lens darkens the corners, the sensor
adds noise. H.264 does the rest when the frames are written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Camera, Floats
from workbench.simulated.drawing import Painter, shadows
from workbench.simulated.scene import Moment, Scene
from workbench.simulated.venue import Image, Venue, backdrop

_MARGIN_PX = 14  # how far the hand can shake
_BLUR_FROM_PX = 4.0  # movement within the shutter time above which several moments are painted


@dataclass(frozen=True)
class Optics:
    """How the phone films."""

    fps: Fraction
    shutter: float  # share of the frame time
    noise: float  # standard deviation of the sensor's noise, grey levels
    shake_px: float  # 0 on a tripod
    soft: bool  # a slightly soft lens


@dataclass(frozen=True)
class TrueFrame:
    """One frame and what is really there."""

    image: Image  # RGB
    moment: Moment  # in the middle of the exposure
    camera: Camera  # with this frame's shake
    # (H, W) track id of what is visible at each pixel, 0 elsewhere: people as they are in the
    # middle of the exposure, balls with the whole streak that the exposure makes of them
    identity: NDArray[np.uint8]


class Renderer:
    """Films one scene with one camera.

    Frames must be asked for in order, because the hand's shake goes on from frame to frame.
    """

    def __init__(
        self, venue: Venue, camera: Camera, optics: Optics, rng: np.random.Generator
    ) -> None:
        self._venue, self._camera, self._optics, self._rng = venue, camera, optics, rng
        self._backdrop = backdrop(venue, camera, _MARGIN_PX)
        light = camera.rotation @ venue.sun
        self._light = light[:2] / (np.linalg.norm(light[:2]) + 1e-6)
        size = (camera.height + 64, camera.width + 64)
        grain = rng.normal(0, 0.8 * optics.noise, (*size, 1))
        grain = grain + rng.normal(0, 0.5 * optics.noise, (*size, 3))
        self._grain = np.clip(grain + 128, 0, 255).astype(np.uint8)
        y, x = np.mgrid[0 : camera.height, 0 : camera.width]
        radius2 = (x - camera.width / 2) ** 2 + (y - camera.height / 2) ** 2
        radius2 /= (camera.width / 2) ** 2
        self._vignette = cv2.merge([((1 - 0.13 * radius2) * 255).astype(np.uint8)] * 3)
        self._shift, self._drift = np.zeros(2), np.zeros(2)
        self._before: Moment | None = None  # in the middle of the last frame

    def film(self, scene: Scene, frame_count: int) -> Iterator[TrueFrame]:
        """Frames of the scene from its start."""
        for number in range(frame_count):
            yield self._expose(scene, float((number + Fraction(1, 2)) / self._optics.fps))

    def _expose(self, scene: Scene, time_s: float) -> TrueFrame:
        self._shake()
        camera = replace(self._camera, shift_px=(float(self._shift[0]), float(self._shift[1])))
        moments = self._moments(scene, camera, time_s)
        middle = moments[len(moments) // 2]
        image = self._empty(camera)
        identity = np.zeros((camera.height, camera.width), np.uint8)
        x0, y0, x1, y1 = self._region(camera, moments)
        if x1 > x0 and y1 > y0:
            area = (slice(y0, y1), slice(x0, x1))
            view = replace(camera, shift_px=(camera.shift_px[0] - x0, camera.shift_px[1] - y0))
            shade = shadows((y1 - y0, x1 - x0), view, middle, self._venue)
            dark = cv2.merge([cv2.convertScaleAbs(shade, alpha=-0.42, beta=255)] * 3)
            ground = np.asarray(cv2.multiply(image[area], dark, scale=1 / 255.0), np.uint8)
            image[area], identity[area] = self._paint(ground, view, moments, middle)
        return TrueFrame(self._develop(image), middle, camera, identity)

    def _paint(
        self, ground: Image, view: Camera, moments: Sequence[Moment], middle: Moment
    ) -> tuple[Image, NDArray[np.uint8]]:
        """The mean of all moments painted over the ground, and the identities in it."""
        ids = np.zeros(ground.shape[:2], np.uint8)
        total = np.zeros(ground.shape, np.uint16)
        for moment in moments:
            canvas = ground if len(moments) == 1 else ground.copy()
            mask = ids if moment is middle else None
            painter = Painter(canvas, view, self._light, self._venue.light, mask)
            painter.paint(moment, moments if moment is middle else ())
            if len(moments) == 1:
                return canvas, ids
            cv2.add(total, canvas, total, dtype=cv2.CV_16U)
        return np.asarray(cv2.convertScaleAbs(total, alpha=1 / len(moments)), np.uint8), ids

    def _empty(self, camera: Camera) -> Image:
        """The backdrop as this frame's shake shows it, between the pixels where need be."""
        x, y = _MARGIN_PX - camera.shift_px[0], _MARGIN_PX - camera.shift_px[1]
        column, row = int(x), int(y)
        seen = self._backdrop[row:, column:]
        right, down = x - column, y - row
        height, width = camera.height, camera.width
        if right == down == 0:
            return seen[:height, :width].copy()
        seen = seen[: height + 1]
        level = cv2.addWeighted(seen[:, :width], 1 - right, seen[:, 1 : width + 1], right, 0)
        return np.asarray(cv2.addWeighted(level[:-1], 1 - down, level[1:], down, 0), np.uint8)

    def _shake(self) -> None:
        self._drift = 0.9 * self._drift + self._rng.normal(0, 0.25 * self._optics.shake_px, 2)
        limit = _MARGIN_PX - 4
        self._shift = np.clip(0.93 * self._shift + 0.3 * self._drift, -limit, limit)

    def _moments(self, scene: Scene, camera: Camera, time_s: float) -> list[Moment]:
        """Moments within the shutter time, evenly spread; as many as the movement asks for."""
        middle, frame_s = scene(time_s), 1 / float(self._optics.fps)
        before = self._before or scene(time_s - frame_s)
        self._before = middle
        a, _ = camera.project(_movers(before))
        b, depth = camera.project(_movers(middle))
        reach = 0.6 * np.array([camera.width, camera.height])  # a little more than is in view
        in_view = (depth > 0) & (np.abs(b - camera.center_px) < reach).all(axis=1)
        moved_px = self._optics.shutter * float(np.abs(a - b)[in_view].max(initial=0.0))
        count = 1 if moved_px <= _BLUR_FROM_PX else 3 if moved_px <= 3 * _BLUR_FROM_PX else 5
        offsets = np.linspace(-0.5, 0.5, count) * self._optics.shutter * frame_s
        return [
            middle if number == count // 2 else scene(time_s + offset)
            for number, offset in enumerate(offsets)
        ]

    def _region(self, camera: Camera, moments: list[Moment]) -> tuple[int, int, int, int]:
        """Smallest rectangle that holds all that is painted, shadows included."""
        points = []
        for moment in (moments[0], moments[-1]):
            stands = _movers(moment)
            sticks = [end for stick in moment.sticks for end in (stick.start, stick.end)]
            everything = np.concatenate([stands, np.array(sticks).reshape(-1, 3)])
            points += [everything, self._venue.shadow_of(everything)]
        uv, depth = camera.project(np.concatenate(points))
        uv, depth = uv[depth > 0.4], depth[depth > 0.4]
        if not len(uv):
            return 0, 0, 0, 0
        margin = 0.35 * camera.focal_px / depth[:, None] + 4
        low = np.maximum(np.floor((uv - margin).min(0)), 0).astype(int)
        high = np.minimum(np.ceil((uv + margin).max(0)), [camera.width, camera.height]).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def _develop(self, image: Image) -> Image:
        if self._optics.soft:
            image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0.6), np.uint8)
        image = np.asarray(cv2.multiply(image, self._vignette, scale=1 / 255.0), np.uint8)
        row, column = self._rng.integers(0, 64, 2)
        height, width = image.shape[:2]
        grain = self._grain[row : row + height, column : column + width]
        return np.asarray(cv2.addWeighted(image, 1, grain, 1, -128), np.uint8)


def _movers(moment: Moment) -> Floats:
    joints = [person.joints for person in moment.people]
    return np.concatenate([*joints, np.array([b.center for b in moment.balls]).reshape(-1, 3)])
