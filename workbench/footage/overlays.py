"""Graphics burnt into a video: score boards and logos, which stay while the camera moves.

The unit is one view: a few small grey pictures of it. Points on them would hold back every
registration of a slow pan.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

LONG_SIDE_PX = 640  # of the pictures that are looked at
FRAMES = 9
_FEWEST_FRAMES = 4
_CORNER_SHARE = 0.02  # of the strongest corner
_SAME_LEVELS = 6.0  # standard deviation over time, in grey levels, that coding leaves
_SAME_SHARE = 0.15  # of the contrast, the same
_MOST_STILL = 0.5  # of the corners; with more the camera itself stood still
_REACH_PX = 9  # graphics reach this far from their corners


def find_overlay(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_] | None:
    """Find what is burnt in, from small grey pictures (H, W) spread over one view.

    Returns:
        Where it is (H, W); None where nothing is, or where nobody can tell because the camera
        stands still.
    """
    if len(pictures) < _FEWEST_FRAMES:
        return None
    stack = np.stack(pictures).astype(np.float32)
    middle = np.median(stack, axis=0).astype(np.float32)
    off = np.percentile(np.abs(stack - middle), 75, axis=0).astype(np.float32)
    strength = np.median([cv2.cornerMinEigenVal(one, 3) for one in pictures], axis=0)
    is_corner = strength > max(1e-5, _CORNER_SHARE * float(np.percentile(strength, 99.8)))
    field = np.ones((3, 3), np.uint8)
    contrast = cv2.dilate(middle, field) - cv2.erode(middle, field)
    is_still = cv2.dilate(off, field) < np.maximum(_SAME_LEVELS, _SAME_SHARE * contrast)
    still_share = float((is_corner & is_still).sum() / max(1, is_corner.sum()))
    if not 0 < still_share < _MOST_STILL:
        return None
    found = (is_corner & is_still).astype(np.uint8)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _REACH_PX + 1, 2 * _REACH_PX + 1))
    # Alone, a few still pixels are chance; graphics have many side by side.
    dense = cv2.boxFilter(found.astype(np.float32), -1, (15, 15)) > 0.06
    return np.asarray(cv2.dilate((found > 0).astype(np.uint8) * dense, around) > 0)
