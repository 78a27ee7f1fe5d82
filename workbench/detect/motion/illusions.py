"""What differs from the background without being there: shadows and ghosts.

A shadow darkens the ground and keeps its hue. A ghost is the ground itself, seen where the
background holds something that stands elsewhere now: a keeper who waits in his place in every clip
of a view. The unit is one blob of a frame's `Change`. Whether it is a ball is for others to say.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.motion.change import Blob, Change, Image

_DARKENED = 0.9  # of the background's brightness, below which it may be a shadow …
_SAME_HUE = 0.18  # … if so little of the colour is not the background's, darker
_DARK = 8.0  # grey levels; of darker pixels the hue says little
_DOUBTFUL = 0.7  # edges of the background over those of the frame from where it may be a ghost …
_GHOST = 1.1  # … and where it is


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
