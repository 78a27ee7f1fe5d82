"""Maps between two pictures of a plane: points that can be followed, and what explains them.

The unit is a pair of grey pictures of the same size. Points are (N, 2) as OpenCV counts: the middle
of the first pixel at (0, 0). A map is a homography (3, 3). Pure functions; knows nothing about
video, people or goals.

Sources: Shi and Tomasi (1994); Lucas and Kanade (1981) on pyramids after Bouguet (2001); Barath et
al. (2020), "MAGSAC++"; Rublee et al. (2011), "ORB"; a map of another plane that shares a line with
the first is a planar homology (Hartley and Zisserman, 2nd ed., A7.2).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Image = NDArray[np.uint8]

INLIER_PX = 1.5
BORDER_PX = 8  # points nearer to the picture's edge are not followed
_CELLS_WH = (14, 8)  # points are spread over so many cells
_RETURN_PX = 0.5  # followed there and back, a point comes home as near as this
_FEWEST_OF_PLANE, _FEWEST_CELLS = 25, 5  # points, and cells of 6 × 4, that fix eight parameters
_FEWEST = 8
_FEWEST_OF_GROUND = 12
_ROUNDS = 10  # of reweighting


def move_points(transform: Floats, points: ArrayLike) -> Floats:
    """Return points (N, 2) as a homography takes them."""
    given = np.asarray(points, np.float64).reshape(-1, 2)
    moved = given @ transform[:, :2].T + transform[:, 2]
    return np.asarray(moved[:, :2] / moved[:, 2:])


def is_free(points: Floats, free: Image) -> Bools:
    """Which points (N,) lie in the picture and where `free` is not 0."""
    height, width = free.shape
    inside = ((points >= BORDER_PX) & (points < [width - BORDER_PX, height - BORDER_PX])).all(1)
    at = np.clip(np.rint(np.nan_to_num(points)), 0, [width - 1, height - 1]).astype(int)
    return np.asarray(inside & (free[at[:, 1], at[:, 0]] > 0))


def spread_points(grey: Image, free: Image, most: int) -> Floats:
    """Choose points that can be followed, spread over the picture, where `free` is not 0.

    Dull cells, such as grass, give their best ones, too.
    """
    height, width = grey.shape
    strength = cv2.cornerMinEigenVal(grey, 5)
    strength[free == 0] = 0
    strength[:BORDER_PX] = strength[-BORDER_PX:] = 0
    strength[:, :BORDER_PX] = strength[:, -BORDER_PX:] = 0
    least = max(1e-5, 0.01 * float(np.percentile(strength, 99.5)))
    is_peak = strength == cv2.dilate(strength, np.ones((7, 7), np.uint8))
    rows, cols = np.nonzero(is_peak & (strength > least))
    if not len(rows):
        return np.empty((0, 2))
    value = strength[rows, cols]
    cell = rows * _CELLS_WH[1] // height * _CELLS_WH[0] + cols * _CELLS_WH[0] // width
    order = np.lexsort((-value, cell))
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) > 0])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    chosen = order[rank < np.ceil(1.5 * most / np.prod(_CELLS_WH))]
    chosen = chosen[np.argsort(-value[chosen], kind="stable")[:most]]
    return np.asarray(np.stack([cols, rows], axis=1)[chosen], np.float64)


def follow(
    before: Image, after: Image, points: Floats, *, window: int = 17, levels: int = 2
) -> tuple[Floats, Bools]:
    """Follow points; return where they are (N, 2) and which came home when followed back (N,)."""
    if not len(points):
        return points, np.zeros(0, bool)
    home = np.asarray(points, np.float32).reshape(-1, 1, 2)
    size, stop = (window, window), (3, 20, 0.01)
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, home, home.copy(), winSize=size, maxLevel=levels, criteria=stop,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(
        after, before, there, home.copy(), winSize=size, maxLevel=levels, criteria=stop,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    returned = np.linalg.norm((back - home).reshape(-1, 2), axis=1) < _RETURN_PX
    kept = (found.ravel() == 1) & (found_back.ravel() == 1) & returned
    return there.reshape(-1, 2).astype(float), kept


def fit_map(start: Floats, there: Floats, wh: tuple[int, int]) -> Floats | None:
    """Fit the homography that most points agree with; an affine map where they are few or huddled.

    None where neither makes sense: folded, or more than ten times as large or small.
    """
    if len(start) < _FEWEST:
        return None
    a, b = start.astype(np.float32), there.astype(np.float32)
    fitted, fits = cv2.findHomography(
        a, b, cv2.USAC_MAGSAC, INLIER_PX, maxIters=2000, confidence=0.999
    )
    model = np.asarray(fitted, np.float64)
    if model.shape == (3, 3):  # else OpenCV found none
        held = start[fits.ravel() > 0]
        cells = len(np.unique(held[:, 0] * 6 // wh[0] + 6 * (held[:, 1] * 4 // wh[1])))
        if len(held) >= _FEWEST_OF_PLANE and cells >= _FEWEST_CELLS and is_sane(model, wh):
            return model
    affine, _ = cv2.estimateAffine2D(
        a, b, ransacReprojThreshold=INLIER_PX, maxIters=2000, confidence=0.999
    )
    full = _squared(affine)
    return full if full is not None and is_sane(full, wh) else None


def is_sane(transform: Floats, wh: tuple[int, int]) -> bool:
    """Whether the picture's corners stay in front, in order, and the picture's size plausible."""
    corners = np.array([[0, 0], [wh[0], 0], [wh[0], wh[1]], [0, wh[1]]], float)
    if (corners @ transform[2, :2] + transform[2, 2] < 0.1 * abs(transform[2, 2])).any():
        return False
    moved = move_points(transform, corners)
    after = np.roll(moved, -1, axis=0)
    area = float((moved[:, 0] * after[:, 1] - after[:, 0] * moved[:, 1]).sum()) / 2
    return bool(np.isfinite(moved).all()) and 0.1 < area / (wh[0] * wh[1]) < 10


def fit_ground(to_frame: Floats, foot: Floats, start: Floats, there: Floats) -> Floats | None:
    """Fit the map of the ground, given that of an upright plane that stands on it along `foot`.

    The two agree along that line, so that only three parameters are left: to where, and how fast,
    the ground moves with its distance from the line. Least absolute deviations.

    Args:
        to_frame: The upright plane's map.
        foot: Line (3,) with a normal of length 1 that points onto the ground.
        start: Points (N, 2) of the ground in the first picture.
        there: The same in the second.
    """
    if len(start) < _FEWEST_OF_GROUND:
        return None
    with np.errstate(all="ignore"):
        seen = move_points(np.asarray(np.linalg.inv(to_frame), np.float64), there)
    away = line_distance(foot, start)
    scale = float(np.abs(start).max())  # of the third parameter's column
    zero = np.zeros_like(away)
    rows = np.stack(
        [
            np.stack([away, zero, -away * seen[:, 0] / scale], axis=1),
            np.stack([zero, away, -away * seen[:, 1] / scale], axis=1),
        ],
        axis=1,
    )
    rows, wanted = rows.reshape(-1, 3), (seen - start).ravel()
    found: Floats = np.zeros(3)
    weights: Floats = np.ones(len(wanted))
    for _ in range(_ROUNDS):
        weighted = rows * weights[:, None]
        squared = weighted.T @ rows + 1e-9 * np.eye(3)
        found = np.asarray(np.linalg.solve(squared, weighted.T @ wanted), np.float64)
        off = np.linalg.norm((rows @ found - wanted).reshape(-1, 2), axis=1)
        weights = np.repeat(1 / np.maximum(off, 0.3), 2)
    shift = np.array([found[0], found[1], found[2] / scale])
    return np.asarray(to_frame @ (np.eye(3) + np.outer(shift, foot)))


def line_distance(line: Floats, points: Floats) -> Floats:
    """Signed distance (N,) of points from a line (3,) whose normal has length 1."""
    return np.asarray(points @ line[:2] + line[2])


def foot_line(low: Floats) -> Floats:
    """The line (3,) through two points (2, 2), or level through one, its normal pointing down."""
    if len(low) < 2:
        return np.array([0.0, 1.0, -low[0, 1]])
    (x0, y0), (x1, y1) = low[np.argsort(low[:, 0])]
    normal = np.array([y0 - y1, x1 - x0]) / np.hypot(x1 - x0, y1 - y0)
    return np.array([*normal, -normal @ [x0, y0]])


def find_step(before: Image, after: Image, free: Image) -> Floats | None:
    """The affine map, as (3, 3), between neighbouring small pictures; None where none is found."""
    points: Any = cv2.goodFeaturesToTrack(before, 150, 0.01, 6, mask=free)
    if points is None:
        return None
    start = points.reshape(-1, 2).astype(float)
    there, kept = follow(before, after, start, window=15, levels=3)
    if kept.sum() < _FEWEST:
        return None
    affine, _ = cv2.estimateAffine2D(start[kept], there[kept], ransacReprojThreshold=1.0)
    return _squared(affine)


def _squared(affine: Any) -> Floats | None:
    """An affine map (2, 3) as (3, 3); None where OpenCV, against its types, found none."""
    return None if affine is None else np.vstack([affine, [0, 0, 1.0]]).astype(np.float64)


class Finder:
    """Finds a picture's view in another without any idea of where it is."""

    def __init__(self, grey: Image, free: Image) -> None:
        self._orb = cv2.ORB.create(1000)
        self._points: Any
        self._words: Any
        self._points, self._words = self._orb.detectAndCompute(grey, free)
        self._wh = grey.shape[1], grey.shape[0]

    def find(self, grey: Image, free: Image) -> Floats | None:
        """The map from the first picture to this one, right to a few pixels; None if not found."""
        points: Any
        words: Any
        points, words = self._orb.detectAndCompute(grey, free)
        if words is None or self._words is None:
            return None
        matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(self._words, words)
        if len(matches) < _FEWEST_OF_GROUND:
            return None
        start = np.array([self._points[match.queryIdx].pt for match in matches], np.float32)
        there = np.array([points[match.trainIdx].pt for match in matches], np.float32)
        fitted, fits = cv2.findHomography(
            start, there, cv2.USAC_MAGSAC, 4.0, maxIters=5000, confidence=0.999
        )
        model = np.asarray(fitted, np.float64)
        is_found = model.shape == (3, 3) and np.sum(fits) >= 15 and is_sane(model, self._wh)
        return model if is_found else None
