"""Leaving out frames that look like one that is kept already.

The unit is one frame's thumbnail. The distance of two frames is the largest change of any cell of a
coarse grey grid: a mean over the frame would call a tripod's frames all alike although the ball
flies. A ball of four pixels in a picture 640 wide changes its cell by about ten grey levels; noise
and compression by one to three.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

GRID_WH = (64, 36)
MEMORY = 50  # frames that a new one is compared with: bounded for any length of clip


class Thinner:
    """Says of one frame after another whether it is worth keeping.

    Args:
        min_change: Least distance, in grey levels (0–255), from all of the last frames kept; 0
            keeps every frame.

    Example:
        >>> thinner = Thinner(min_change=6)
        >>> black = np.zeros((90, 160, 3), np.uint8)
        >>> thinner.keeps(black), thinner.keeps(black), thinner.left_out
        (True, False, 1)
    """

    def __init__(self, min_change: float) -> None:
        self.min_change = min_change
        self.left_out = 0
        self._kept: list[NDArray[np.int16]] = []

    def keeps(self, image: NDArray[np.uint8]) -> bool:
        """Say whether a frame (H, W, 3) differs from those kept; remember it if so."""
        if self.min_change <= 0:
            return True
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, GRID_WH, interpolation=cv2.INTER_AREA).astype(np.int16)
        if any(np.abs(small - kept).max() < self.min_change for kept in reversed(self._kept)):
            self.left_out += 1
            return False
        self._kept = [*self._kept, small][-MEMORY:]
        return True
