"""What in one frame may be a ball: small compact blobs beside the people, how ball-like each is.

The unit is a frame's `Change`. Which of the candidates is the ball, `ballpath` decides; what
melts with a body, `secondlook` finds.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from workbench.detect.ballpath import Spot
from workbench.detect.motion.change import Blob, Change, blobs, covered, is_shadow

USUAL_PX = 4.0
_PATTERNED_PX = 8  # side from which a ball's dark patches are seen as such
_LEAST_SOLID = 0.5  # of its hull that a patterned ball shows


def find_balls(change: Change, people: Sequence[Blob]) -> list[Blob]:
    """Blobs that may be a ball: small, compact, no shadow, and no part of a person's outline."""
    height, width = change.weak.shape
    # Weak differences too, right beside strong ones: half of a small ball is its rim. Farther away
    # they are blocks that the video's compression left behind.
    beside = cv2.dilate(change.strong.astype(np.uint8), np.ones((5, 5), np.uint8))
    rest = change.weak & (beside > 0) & ~covered(people, change.weak.shape)
    found = []
    for wide in blobs(np.asarray(rest, np.uint8), change):
        seen = to_half_height(wide, change)
        rows, columns = seen.mask.shape
        area, side = int(seen.mask.sum()), max(rows, columns)
        small = 3 <= area <= 0.002 * height * width and side <= 0.09 * height
        if small and side <= 3.5 * min(rows, columns):
            blob = _filled(seen) if side >= _PATTERNED_PX else seen
            solid = blob.mask.mean() > 0.45 and area > _LEAST_SOLID * blob.mask.sum()
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
    roundness = min(height, width) / max(height, width)
    size = float(np.sqrt(blob.mask.sum()))
    compact = roundness * min(1.0, float(blob.mask.mean()) / 0.785)  # a disc fills π/4 of its box
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
