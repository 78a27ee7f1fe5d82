"""Balls pasted into five frames of a real video that nobody has labelled.

A pasted ball flies, rolls, is kicked, or rides along with the background (as a ball at rest does
when the camera moves); it is shaded and patterned in 3D, smeared over the shutter's time, partly
hidden, and throws a shadow. Then the picture gets noise and a codec's blocks. Its box is known; the
real balls of the video are not. Knows nothing about files or networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, cos, floor, pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.ballnet.crops import SIDE, Crop, Image, grey_of, stack_frames
from workbench.detect.ballnet.network import OFFSETS

Floats = NDArray[np.float64]
Picture = NDArray[np.float32]  # (S, S, 3)

_TIMES = (*OFFSETS[:2], 0, *OFFSETS[2:])  # of the five frames
_NOW = 2  # the place of the frame itself among them
_RADII = (1.3, 12.0)  # pixels, drawn evenly on a log scale
_MOST_SHIFT = 60.0  # pixels that the background may move and still be followed
_MOST_STEPS = 14  # stamps of a smear
_SEEN = 0.12  # cover from which a pixel belongs to the ball


@dataclass(frozen=True)
class Look:
    """Colours, pattern and light of one ball, turning."""

    base: Floats
    patch: Floats
    patch_cos: float  # patches are where a corner of the icosahedron is nearer than this; 2: none
    light: Floats
    ambient: float
    gain: float
    pose: Floats  # (3, 3)
    axis: Floats
    spin: float  # radians per frame

    def colours(self, x: Floats, y: Floats, time: float) -> Floats:
        """Colours at points of the unit disc (…, 3)."""
        normal = np.stack([x, y, np.sqrt(np.maximum(0, 1 - x * x - y * y))], axis=-1)
        colour = np.broadcast_to(self.base, normal.shape).copy()
        if self.patch_cos < 1:
            pose = _turned(self.axis * self.spin * time) @ self.pose
            nearest = (normal @ pose @ _CORNERS.T).max(axis=-1)
            colour[nearest > self.patch_cos] = self.patch
        lit = self.ambient + (1 - self.ambient) * np.clip(normal @ self.light, 0, 1)
        return np.asarray(colour * lit[..., None] * self.gain)


def _turned(vector: Floats) -> Floats:
    """The rotation about a vector by its length, (3, 3)."""
    return np.asarray(cv2.Rodrigues(vector)[0], float)


def _corners() -> Floats:
    golden = (1 + 5**0.5) / 2
    some = np.array([(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)])
    every = np.concatenate([np.roll(some, by, axis=1) for by in range(3)])
    return np.asarray(every / np.hypot(1, golden))


_CORNERS = _corners()  # (12, 3) of an icosahedron


def draw_look(rng: np.random.Generator, brightness: float) -> Look:
    """Draw a ball: mostly white, some yellow, orange or of any colour, many with dark patches."""
    kind = rng.random()
    if kind < 0.72:
        base = np.full(3, rng.uniform(205, 255)) + rng.normal(0, 6, 3)
    elif kind < 0.80:
        base = rng.uniform([200, 200, 20], [255, 255, 120])
    elif kind < 0.90:
        base = rng.uniform([170, 80, 30], [230, 130, 70])
    else:
        base = rng.uniform(40, 240, 3)
    dark = rng.random() < 0.6
    around, up = rng.uniform(0, 2 * pi), rng.uniform(0.2, 1.2)
    axis = rng.normal(size=3)
    return Look(
        base=base,
        patch=np.full(3, rng.uniform(10, 70)) if dark else rng.uniform(20, 230, 3),
        patch_cos=rng.uniform(0.89, 0.98) if rng.random() < 0.6 else 2.0,
        light=np.array([cos(around) * cos(up), -abs(sin(around)) * cos(up), sin(up)]),
        ambient=rng.uniform(0.5, 0.95),
        gain=brightness * rng.uniform(0.9, 1.35),
        pose=_turned(rng.normal(0, 2, 3)),
        axis=axis / np.linalg.norm(axis),
        spin=rng.normal(0, 0.5),
    )


@dataclass(frozen=True)
class Path:
    """Where a ball is at each time, in pixels, and how it is seen there."""

    start: Floats
    velocity: Floats
    fall: float  # pixels per frame²
    kick: tuple[int, Floats] | None  # time, change of velocity
    shifts: Floats  # (5, 2) of the background it rides with; zeros if it does not
    radius: float
    growth: float  # of the radius, pixels per frame
    shutter: float  # share of a frame's time
    hidden: tuple[float, float] | None  # angle and distance of the edge that hides what is beyond
    shadow: bool
    blur: float

    def at(self, time: float) -> Floats:
        """Its middle."""
        place = self.start + self.velocity * time + np.array([0, 0.5 * self.fall * time**2])
        if self.kick is not None and time > self.kick[0]:
            place = place + self.kick[1] * (time - self.kick[0])
        ride = [np.interp(time, _TIMES, self.shifts[:, axis]) for axis in (0, 1)]
        return np.asarray(place + ride)


def draw_path(rng: np.random.Generator, shifts: Floats) -> Path:
    """Draw a motion: a third lies still on the background, the others move over it."""
    radius = float(np.exp(rng.uniform(*np.log(_RADII))))
    still = rng.random() < 0.33
    angle, speed = rng.uniform(0, 2 * pi), abs(rng.normal()) * max(3.0, 2.2 * radius) + 0.3
    kicked = rng.random() < 0.12
    rides = still or rng.random() < 0.5
    return Path(
        start=rng.uniform(12, SIDE - 12, 2),
        velocity=np.array([cos(angle), 0.6 * sin(angle)]) * min(30, speed) * (not still),
        fall=rng.uniform(0, 0.12) * radius * (not still),
        kick=(int(rng.integers(-1, 2)), rng.normal(0, 2 * radius, 2)) if kicked else None,
        shifts=shifts if rides else np.zeros_like(shifts),
        radius=radius,
        growth=rng.normal(0, 0.01) * radius,
        shutter=rng.uniform(0.1, 0.9),
        hidden=(rng.uniform(0, 2 * pi), rng.uniform(-0.2, 0.9)) if rng.random() < 0.25 else None,
        shadow=bool(rides and rng.random() < 0.6),
        blur=rng.uniform(0.25, 0.9),
    )


@dataclass
class _Layer:
    """A ball alone: its colours times its cover, and its cover, of so many stamps."""

    steps: int
    colour: Picture = field(default_factory=lambda: np.zeros((SIDE, SIDE, 3), np.float32))
    cover: NDArray[np.float32] = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.float32))

    def stamp(self, look: Look, middle: Floats, radius: float, time: float, share: float) -> None:
        """Add a disc, averaged over each pixel's area."""
        x0, y0 = (max(0, floor(at - radius - 1)) for at in middle)
        x1, y1 = (min(SIDE, ceil(at + radius + 1)) for at in middle)
        if x1 <= x0 or y1 <= y0:
            return
        fine = 4 if radius < 5 else 2
        rows, columns = np.mgrid[0 : (y1 - y0) * fine, 0 : (x1 - x0) * fine]
        x = (x0 + (columns + 0.5) / fine - middle[0]) / radius
        y = (y0 + (rows + 0.5) / fine - middle[1]) / radius
        disc = x * x + y * y <= 1
        colour = look.colours(np.where(disc, x, 0), np.where(disc, y, 0), time) * disc[..., None]
        shape = y1 - y0, fine, x1 - x0, fine
        window = slice(y0, y1), slice(x0, x1)
        self.cover[window] += share * disc.reshape(shape).mean(axis=(1, 3))
        self.colour[window] += share * colour.reshape(*shape, 3).mean(axis=(1, 3))


def paste(
    window: Sequence[Image], shifts: Floats, balls: int, rng: np.random.Generator
) -> tuple[list[Picture], NDArray[np.float32]]:
    """Paste balls into five frames of a square; returns them and the boxes in the middle one."""
    pictures = [image.astype(np.float32) for image in window]
    brightness = float(np.clip(np.percentile(window[_NOW], 90) / 235, 0.35, 1.05))
    boxes = []
    for _ in range(balls):
        look, path = draw_look(rng, brightness), draw_path(rng, shifts)
        layers = [_layer(look, path, time) for time in _TIMES]
        cover, steps = layers[_NOW].cover, layers[_NOW].steps
        y, x = (cover > min(_SEEN, 0.45 / steps)).nonzero()
        if len(x) >= 3:  # else it is nearly hidden, and not there at all
            boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
            pasted = zip(pictures, layers, _TIMES, strict=True)
            pictures = [_laid_over(under, layer, path, time) for under, layer, time in pasted]
    return pictures, np.array(boxes, np.float32).reshape(-1, 4)


def _layer(look: Look, path: Path, time: float) -> _Layer:
    """A ball smeared over the time that the shutter is open."""
    opened, closed = path.at(time - path.shutter / 2), path.at(time + path.shutter / 2)
    steps = int(np.clip(np.ceil(np.linalg.norm(closed - opened) / 1.5), 1, _MOST_STEPS))
    layer = _Layer(steps)
    for step in range(steps):
        then = time + path.shutter * ((step + 0.5) / steps - 0.5)
        radius = max(0.8, path.radius + path.growth * then)
        layer.stamp(look, path.at(then), radius, then, 1 / steps)
    if path.hidden is not None:
        angle, distance = path.hidden
        rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
        x, y = path.at(time)
        beyond = (columns - x) * cos(angle) + (rows - y) * sin(angle) > distance * path.radius
        layer.cover[beyond] = 0
        layer.colour[beyond] = 0
    return layer


def _laid_over(picture: Picture, layer: _Layer, path: Path, time: float) -> Picture:
    if path.shadow:
        radius, (x, y) = path.radius, path.at(time)
        shadow = np.zeros((SIDE, SIDE), np.float32)
        below = int(x + 0.5 * radius), int(y + 0.95 * radius)
        axes = max(1, int(1.3 * radius)), max(1, int(0.5 * radius))
        cv2.ellipse(shadow, below, axes, 0, 0, 360, (1,), -1)
        shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), max(0.6, 0.25 * radius)), np.float32)
        picture = picture * (1 - 0.4 * shadow[..., None])
    colour, cover = (cv2.GaussianBlur(of, (0, 0), path.blur) for of in (layer.colour, layer.cover))
    return np.asarray(picture * (1 - cover[..., None]) + colour, np.float32)


def shifts_of(window: Sequence[Image]) -> Floats:
    """How the background of a square moves against its middle frame, (5, 2) in pixels."""
    greys = [grey_of(image).astype(np.float32) for image in window]
    fade = cv2.createHanningWindow((SIDE, SIDE), cv2.CV_32F)
    shifts = np.zeros((len(window), 2))
    for place, grey in enumerate(greys):
        if place != _NOW:
            shift, response = cv2.phaseCorrelate(greys[_NOW], grey, fade)
            if response > 0.05 and np.linalg.norm(shift) < _MOST_SHIFT:
                shifts[place] = shift
    return shifts


def as_filmed(pictures: Sequence[Picture], rng: np.random.Generator) -> Image:
    """Add noise and a codec's blocks; the seven channels of the middle frame."""
    noise, quality = rng.uniform(0, 3), int(rng.uniform(45, 95))
    filmed = []
    for picture in pictures:
        if noise > 0.5:
            picture = picture + rng.normal(0, noise, (*picture.shape[:2], 1)).astype(np.float32)
        image = np.clip(picture, 0, 255).astype(np.uint8)
        if rng.random() < 0.8:
            _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
        filmed.append(image)
    greys = [grey_of(image) for place, image in enumerate(filmed) if place != _NOW]
    return stack_frames(filmed[_NOW], greys)


def pasted_crop(window: Sequence[Image], rng: np.random.Generator) -> Crop:
    """A crop of five frames of a square with no ball pasted in, or up to three."""
    balls = int(rng.choice(4, p=[0.3, 0.4, 0.2, 0.1]))
    pictures, boxes = paste(window, shifts_of(window), balls, rng)
    return Crop(as_filmed(pictures, rng), boxes, unknown=True)
