"""Whether a camera stood still: what a background model needs.

The unit is one video. Compares corners of a few frames spread over it; says nothing about how the
camera moved.
"""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.frames import sample_readable, uniform_indices
from workbench.footage.packets import read_packets

LONG_SIDE_PX = 320
FRAMES = 12
FEWEST_CORNERS = 20  # a plain sky has none to go by
STILL_PX = 1.0  # at LONG_SIDE_PX: 4 pixels of a 720p frame
# Share of corners that must not have moved, in every comparison. Players, crowds and trees take
# their part. On the real clips we looked at, fixed cameras kept 0.25 or more throughout and every
# moving one fell to 0.05 or less at least once.
STILL_SHARE = 0.2


def is_fixed_camera(path: Path | str) -> bool:
    """Whether the camera stood still from the first frame to the last, as on a tripod.

    True only where there is proof: too little texture, or a video with too few readable frames,
    counts as moving.

    Raises:
        FootageError: If the file cannot be read.

    Example:
        >>> is_fixed_camera("tripod.mp4")  # doctest: +SKIP
        True
    """
    table = read_packets(path)
    width, height = table.shown_wh
    scale = LONG_SIDE_PX / max(width, height)
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    wanted = np.unique(uniform_indices(table.frame_count, FRAMES))
    images = sample_readable(path, wanted, size_wh).images
    if len(images) < 2:
        return False
    grey = [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) for image in images]
    # Neighbours show a pan; the first against each shows a drift too slow for neighbours.
    pairs = [*pairwise(grey), *((grey[0], other) for other in grey[2:])]
    return all(still_share(before, after) >= STILL_SHARE for before, after in pairs)


def still_share(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """The share of corners of one grey image (H, W) found in the same place in the other."""
    corners = cv2.goodFeaturesToTrack(before, maxCorners=300, qualityLevel=0.01, minDistance=6)
    if corners is None or len(corners) < FEWEST_CORNERS:
        return 0.0
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, corners.copy())
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, there.copy())
    # A corner counts only where tracking it back leads home: covered ones would wander anywhere.
    returned = np.linalg.norm((back - corners).reshape(-1, 2), axis=1) < STILL_PX / 2
    stayed = np.linalg.norm((there - corners).reshape(-1, 2), axis=1) < STILL_PX
    tracked = (found.ravel() == 1) & (found_back.ravel() == 1)
    return float((tracked & returned & stayed).mean())
