"""What in one frame may be a ball: small compact blobs beside the people, or the ball's colours.

The unit is a frame's `Change`. The first look takes blobs as they differ from the background, which
melts a ball with a body that it touches. Once the ball's colours are learned from the blobs found
first, the second look takes whatever has changed and has these colours: in front of a body, between
legs, in the net. Which candidate is the ball is decided by `ballpath`.
"""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from workbench.detect.ballpath import Spot
from workbench.detect.motion.change import Blob, Change, blobs, covered, is_shadow, regions

USUAL_PX = 4.0
_PATTERNED_PX = 8  # side from which a ball's dark patches are seen as such
_LEAST_SOLID = 0.5  # of its hull that a patterned ball shows
_BINS = 16  # per axis of L*a*b*; lightness over its range, a and b over the half that occurs
_LIKELY = 0.35  # evidence that makes a pixel part of a candidate
_FULL_CONTRAST = 40.0  # difference from the background, in grey levels, that counts in full

Colours = NDArray[np.int64]  # bin of each pixel
Look = NDArray[np.float32]  # (bins,) that a changed pixel of this colour is the ball's, 0–1


def find_balls(change: Change, people: Sequence[Blob]) -> list[Blob]:
    """Blobs that may be a ball: small, compact, no shadow, and no part of a person's outline."""
    height, width = change.weak.shape
    # Weak differences too, right beside strong ones: half of a small ball is its rim. Farther away
    # they are blocks that the video's compression left behind.
    beside = cv2.dilate(change.strong.astype(np.uint8), np.ones((5, 5), np.uint8))
    rest = change.weak & (beside > 0) & ~covered(people, change.weak.shape)
    found = []
    for wide in blobs(rest, change):
        seen = to_half_height(wide, change)
        rows, columns = seen.mask.shape
        area, side = np.count_nonzero(seen.mask), max(rows, columns)
        small = 3 <= area <= 0.002 * height * width and side <= 0.09 * height
        if small and side <= 3.5 * min(rows, columns):
            blob = _filled(seen) if side >= _PATTERNED_PX else seen
            filled = np.count_nonzero(blob.mask)
            solid = filled > 0.45 * blob.mask.size and area > _LEAST_SOLID * filled
            if solid and not is_shadow(blob, change):
                found.append(blob)
    return found


def as_spot(blob: Blob, ball_px: float = USUAL_PX, look: float | None = None) -> Spot:
    """Where a blob is and how much it is like a ball.

    Args:
        blob: A candidate.
        ball_px: Side of the smallest ball that counts in full; smaller specks are mostly noise.
        look: How much it has the ball's colours, 0 to 1, where these are known.
    """
    height, width = blob.mask.shape
    roundness, area = min(height, width) / max(height, width), np.count_nonzero(blob.mask)
    size = math.sqrt(area)
    compact = roundness * min(1.0, area / blob.mask.size / 0.785)  # a disc fills π/4 of its box
    if look is not None:
        likeness = 0.2 * blob.score + 0.2 * compact + 0.6 * look
    else:
        likeness = 0.5 * blob.score + 0.5 * compact if roundness >= 0.5 else 0.0
    seen = min(1.0, size / ball_px)
    return Spot(blob.x + width / 2, blob.y + height / 2, size, seen * likeness)


def to_half_height(blob: Blob, change: Change) -> Blob:
    """Cut a blob at 40 % of its peak: a lens and a codec smear a small ball's rim outwards."""
    rise = np.where(blob.mask, change.difference[blob.window], 0)
    core = rise > 0.4 * rise.max()
    rows, columns = core.any(axis=1).nonzero()[0], core.any(axis=0).nonzero()[0]
    cut = core[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Blob(blob.x + int(columns[0]), blob.y + int(rows[0]), cut, blob.score)


def _filled(blob: Blob) -> Blob:
    """Fill a blob to its convex hull: a ball's dark patches may look like the ground in shadow."""
    points = cv2.findNonZero(blob.mask.astype(np.uint8))
    filled = np.zeros(blob.mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), (1,))
    return Blob(blob.x, blob.y, filled.astype(bool), blob.score)


def colours_of(pixels: NDArray[np.uint8]) -> Colours:
    """Colour bins of RGB pixels (N, 3)."""
    if not len(pixels):
        return np.zeros(0, np.int64)
    lab = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0].astype(np.int64)
    lightness = lab[:, 0] * _BINS // 256
    a, b = np.clip((lab[:, 1:] - 64) * _BINS // 128, 0, _BINS - 1).T
    return np.asarray((lightness * _BINS + a) * _BINS + b)


def count_colours(samples: Iterable[Colours]) -> NDArray[np.float64]:
    """How many pixels of each colour there are."""
    counts = np.zeros(_BINS**3)
    for sample in samples:
        counts += np.bincount(sample, minlength=_BINS**3)
    return counts


def learn_look(ball: Sequence[Colours], changed: NDArray[np.float64]) -> Look:
    """Learn from the ball's pixels in some frames and the colour counts of all that changed."""
    own, all_changed = _spread(count_colours(ball)), _spread(changed)
    return np.asarray(own / (own + all_changed + 1e-6), np.float32)


def look_again(change: Change, look: Look) -> list[Blob]:
    """Regions of a frame that have changed and look like the ball, however they lie."""
    evidence = np.zeros(change.weak.shape, np.float32)
    contrast = np.minimum(change.difference[change.weak] / _FULL_CONTRAST, 1)
    evidence[change.weak] = look[colours_of(change.image[change.weak])] * contrast
    evidence = np.asarray(cv2.GaussianBlur(evidence, (3, 3), 0.8), np.float32)
    height, width = change.weak.shape
    return [
        blob
        for blob in regions(evidence > _LIKELY, evidence)
        if max(blob.mask.shape) <= 0.1 * height
        and np.count_nonzero(blob.mask) <= 0.003 * height * width
    ]


def _spread(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of colours, each bin's shared out to its neighbours: nearby colours are alike."""
    smooth = gaussian_filter(counts.reshape(_BINS, _BINS, _BINS), 0.7).ravel()
    return np.asarray(smooth / max(smooth.sum(), 1e-9))
