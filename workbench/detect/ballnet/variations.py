"""Variations of training crops: smaller cuts, zoom, mosaics, captions, mirrors, time reversed.

All randomness comes from the generator that is given. Knows nothing about files.
"""

from collections.abc import Callable

import cv2
import numpy as np

from workbench.detect.ballnet.boxes import Boxes, inside, moved
from workbench.detect.ballnet.crops import SIDE, Crop, Image

CUT = 128  # pixels of a training crop

_MOSAICS, _ZOOMS, _CAPTIONS = 0.12, 0.3, 0.3  # shares of crops
_MOST_ZOOM = 1.6
_ROUND_TEXT = "oO0QeagDGCSsBP8693 o0.:abcdefghijklmnopqrstuvwxyz"
_GREY = np.array([0.299, 0.587, 0.114])


def varied(draw: Callable[[], Crop], rng: np.random.Generator) -> Crop:
    """A training crop of `CUT` pixels made of one stored crop, or of four."""
    if rng.random() < _MOSAICS:
        crop = _mosaic(draw)
    else:
        crop = draw()
        if rng.random() < _ZOOMS:
            crop = _zoomed(crop, rng)
    if rng.random() < _CAPTIONS:
        crop = Crop(_captioned(crop, rng), crop.boxes, crop.unknown)
    x, y = rng.integers(0, SIDE - CUT + 1, 2).tolist()
    image = crop.image[y : y + CUT, x : x + CUT]
    boxes = inside(moved(crop.boxes, -x, -y), CUT)
    if rng.random() < 0.5:
        image, mirrored = image[:, ::-1], boxes[:, [2, 1, 0, 3]]
        mirrored[:, ::2] = CUT - mirrored[:, ::2]
        boxes = mirrored
    if rng.random() < 0.5:
        image = image[..., [0, 1, 2, 6, 5, 4, 3]]
    return Crop(_lit(np.ascontiguousarray(image), rng), boxes, crop.unknown)


def _mosaic(draw: Callable[[], Crop]) -> Crop:
    """Four crops at half size: far balls."""
    half = SIDE // 2
    image, boxes, unknown = np.zeros((SIDE, SIDE, 7), np.uint8), [], False
    for y in (0, half):
        for x in (0, half):
            crop = draw()
            image[y : y + half, x : x + half] = _warped(
                crop.image, lambda part: cv2.resize(part, (half, half), None, 0, 0, cv2.INTER_AREA)
            )
            boxes.append(moved(crop.boxes * np.float32(0.5), x, y))
            unknown |= crop.unknown
    return Crop(image, np.concatenate(boxes).astype(np.float32), unknown)


def _zoomed(crop: Crop, rng: np.random.Generator) -> Crop:
    zoom = float(rng.uniform(1, _MOST_ZOOM))
    x, y = rng.uniform(-(zoom - 1) * SIDE, 0, 2)
    matrix = np.array([[zoom, 0, x], [0, zoom, y]], np.float32)
    image = _warped(crop.image, lambda part: cv2.warpAffine(part, matrix, (SIDE, SIDE)))
    boxes = inside(moved(crop.boxes * np.float32(zoom), x, y), SIDE)
    return Crop(image, boxes, crop.unknown)


def _warped(image: Image, warp: Callable[[Image], object]) -> Image:
    """OpenCV takes at most four channels."""
    parts = (np.ascontiguousarray(image[..., :4]), np.ascontiguousarray(image[..., 4:]))
    return np.dstack([np.asarray(warp(part), np.uint8) for part in parts])


def _captioned(crop: Crop, rng: np.random.Generator) -> Image:
    """Captions, clocks, logos and painted spots: round, bright, still on the screen, no ball."""
    image = crop.image.copy()
    taken = _covered(crop.boxes)
    for _ in range(int(rng.integers(1, 4))):
        mark, softness, cover = _mark(rng), rng.uniform(0.3, 0.9), np.float32(rng.uniform(0.6, 1))
        white = rng.random() < 0.75
        colour = np.full(3, rng.uniform(180, 255)) if white else rng.uniform(0, 255, 3)
        x, y, width, height = cv2.boundingRect(mark)
        if width == 0 or ((mark > 0) & taken).any():
            continue
        window = slice(max(0, y - 2), y + height + 2), slice(max(0, x - 2), x + width + 2)
        soft = cv2.GaussianBlur(mark[window], (0, 0), softness).astype(np.float32)
        share = soft[..., None] * (cover / 255)
        painted = np.concatenate([colour, np.full(4, colour @ _GREY)]).astype(np.float32)
        image[window] = (image[window] * (1 - share) + painted * share).astype(np.uint8)
    return image


def _mark(rng: np.random.Generator) -> Image:
    mark = np.zeros((SIDE, SIDE), np.uint8)
    at = int(rng.integers(-20, SIDE)), int(rng.integers(8, SIDE))
    kind = rng.random()
    if kind < 0.7:
        letters = rng.integers(0, len(_ROUND_TEXT), rng.integers(1, 14))
        text = "".join(_ROUND_TEXT[place] for place in letters)
        font, size = int(rng.integers(0, 5)), float(rng.uniform(0.25, 1.0))
        cv2.putText(mark, text, at, font, size, (255,), int(rng.integers(1, 3)), cv2.LINE_AA)
    elif kind < 0.8:  # few: a ball may lie on a spot and look like one
        radius = rng.uniform(1.2, 6)
        axes = int(radius * 2) + 1, max(1, int(radius * 2 * rng.uniform(0.2, 0.45)))
        cv2.ellipse(mark, at, axes, 0, 0, 360, (255,), -1, cv2.LINE_AA)
    else:
        radius = int(rng.uniform(4, 12))
        cv2.circle(mark, at, radius, (255,), int(rng.integers(1, 4)), cv2.LINE_AA)
        low, high = (tuple(side + by * (radius // 2) for side in at) for by in (-1, 1))
        cv2.rectangle(mark, low, high, (200,), -1)
    return mark


def _covered(boxes: Boxes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    taken = np.zeros((SIDE, SIDE), bool)
    for x0, y0, x1, y1 in boxes.astype(int).tolist():
        taken[max(0, y0 - 4) : y1 + 5, max(0, x0 - 4) : x1 + 5] = True
    return taken


def _lit(image: Image, rng: np.random.Generator) -> Image:
    """Another brightness, contrast and colour; noise in four of ten."""
    colour = np.ones((7, 1, 1), np.float32)
    colour[:3, 0, 0] = rng.uniform(0.92, 1.08, 3)
    lit = image.transpose(2, 0, 1) * (colour * np.float32(rng.uniform(0.7, 1.3)))
    lit += np.float32(rng.uniform(-20, 20))
    noise = rng.uniform(-8, 5)
    if noise > 0:
        lit += rng.standard_normal(lit.shape, np.float32) * np.float32(noise)
    return np.clip(lit, 0, 255).astype(np.uint8).transpose(1, 2, 0)
