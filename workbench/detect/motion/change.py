"""Where a frame differs from the empty picture, the connected blobs of it, and which are not there.

The unit is one RGB frame against a background of the same size. A blob is not there if it is a
shadow, which darkens the ground and keeps its hue, or a ghost: the ground itself, seen where the
background holds something that stands elsewhere now, such as a keeper who waits in the same place
in every clip of a view. Knows nothing about people or balls, nor about other frames.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import Mask

Image = NDArray[np.uint8]  # (H, W, 3) RGB

_STRONG_CONTRAST = 90  # mean difference, in grey levels, that nothing but an object makes
_DARKENED = 0.9  # of the background's brightness, below which it may be a shadow …
_SAME_HUE = 0.18  # … if so little of the colour is not the background's, darker
_DARK = 8.0  # grey levels; of darker pixels the hue says little
_DOUBTFUL = 0.7  # edges of the background over those of the frame from where it may be a ghost …
_GHOST = 1.1  # … and where it is


@dataclass(frozen=True)
class Change:
    """Where one frame differs from the background, shadows left out."""

    image: Image  # (H, W, 3)
    background: Image  # of the same shape
    difference: NDArray[np.uint8]  # (H, W) grey levels
    strong: Mask
    weak: Mask  # includes strong


@dataclass(frozen=True)
class Blob:
    """A connected region that differs from the background; its mask is cut to the box."""

    x: int
    y: int
    mask: Mask
    score: float

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; right and bottom are the first outside."""
        height, width = self.mask.shape
        return self.x, self.y, self.x + width, self.y + height

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the box, to index an image with."""
        x0, y0, x1, y1 = self.xyxy
        return slice(y0, y1), slice(x0, x1)


def compare(image: Image, background: Image, min_contrast: int) -> Change:
    """Find what differs from the background by more than noise, and is no shadow.

    Args:
        image: (H, W, 3).
        background: Of the same shape.
        min_contrast: Least difference in any channel, in grey levels, of a strong change; half of
            it makes a weak one. Noisy footage raises both.
    """
    red, green, blue = cv2.split(cv2.absdiff(image, background))
    # Twenty times as fast as `max(axis=2)`.
    difference = np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)
    noise = 1.4826 * float(np.median(difference[::4, ::4]))
    weak = difference > max(min_contrast / 2, 4 * noise)
    # A shadow darkens all channels by about the same factor; an object changes their ratio.
    ratio = (image[weak].astype(np.float32) + 8) / (background[weak].astype(np.float32) + 8)
    mean = ratio.mean(axis=1)
    spread = ratio.max(axis=1) - ratio.min(axis=1)
    weak[weak] = (mean < 0.4) | (mean > 0.95) | (spread > 0.13)
    strong = weak & (difference > max(min_contrast, 6 * noise))
    return Change(image, background, difference, strong, weak)


def regions(mask: NDArray[np.bool_ | np.uint8], strength: NDArray[Any]) -> Iterator[Blob]:
    """Connected regions of a mask (H, W), of 3 pixels and more; scored by their mean `strength`."""
    binary = mask.astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(binary, connectivity=8)
    inside = np.flatnonzero(binary)
    weights = strength.ravel()[inside]
    totals = np.bincount(labels.ravel()[inside], weights, minlength=len(boxes))
    for number in np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= 3) + 1:
        x, y, width, height, area = boxes[number].tolist()
        own = labels[y : y + height, x : x + width] == number
        yield Blob(x, y, own, float(totals[number]) / area)


def blobs(mask: NDArray[np.bool_ | np.uint8], change: Change) -> Iterator[Blob]:
    """Connected regions that hold a strong change; scored 0–1 by their contrast."""
    for blob in regions(mask, change.difference):
        if (blob.mask & change.strong[blob.window]).any():
            yield replace(blob, score=min(1.0, blob.score / _STRONG_CONTRAST))


def covered(found: Iterable[Blob], shape_hw: tuple[int, int]) -> Mask:
    """(H, W) what any of the blobs covers."""
    mask = np.zeros(shape_hw, bool)
    for blob in found:
        mask[blob.window] |= blob.mask
    return mask


def is_shadow(blob: Blob, change: Change) -> bool:
    """Whether a blob as a whole is the background, darker (brightness and chromaticity distortion).

    `compare` asks the same of each pixel, where the noise of one dark channel hides the answer: of
    a small shadow enough pixels remain to look like a ball.

    Source: Horprasert, Harwood & Davis, "A statistical approach for real-time robust background
    subtraction and shadow detection", 1999.
    """
    seen = change.image[blob.window][blob.mask].mean(axis=0)
    empty = change.background[blob.window][blob.mask].mean(axis=0)
    brightness = float(seen @ empty / (empty @ empty + 1))
    off = float(np.linalg.norm(seen - brightness * empty) / (np.linalg.norm(seen) + _DARK))
    return brightness < _DARKENED and off < _SAME_HUE


def substance(blob: Blob, change: Change) -> float:
    """How surely a blob is in the frame and not only in the background, 0 to 1.

    Along the outline of an object the frame has an edge; along a ghost's the background has.
    """
    left, top, right, bottom = blob.xyxy
    rows = slice(max(0, top - 3), bottom + 3)  # two pixels around, and one for the gradient
    columns = slice(max(0, left - 3), right + 3)
    shape = change.weak[rows, columns].shape
    mask = np.zeros(shape, np.uint8)
    y, x = top - rows.start, left - columns.start
    mask[y : y + blob.mask.shape[0], x : x + blob.mask.shape[1]] = blob.mask
    square = np.ones((3, 3), np.uint8)
    outline = cv2.dilate(mask, square) > cv2.erode(mask, square)
    own = float(_edges(change.image[rows, columns])[outline].mean())
    behind = float(_edges(change.background[rows, columns])[outline].mean())
    return float(np.clip((_GHOST - behind / (own + 1)) / (_GHOST - _DOUBTFUL), 0, 1))


def _edges(image: Image) -> NDArray[np.float32]:
    """(H, W) strength of the edges in L*a*b*."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    across, down = cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)
    return np.asarray(np.sqrt((across**2 + down**2).sum(axis=2)), np.float32)
