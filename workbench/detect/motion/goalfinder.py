"""The goal in the picture of an empty pitch: two white posts and the bar between their tops.

Works on one image. A post may go on upwards unseen, by a fifth at most, to where the bar is. A bar
before a bright sky need only be a line brighter than what is over and under it, if both posts are
white all along. One post may be hidden but for a stub below the bar, behind somebody who stands
there all the time: it is then taken to be as long as the other. Where more posts stand between the
two, it is a fence or a row of windows; where white closes the frame below, and does not go on
beside it as a goal line does, it is a board. Only strong evidence counts, because a goal that is
not there is worse than one that somebody has to click: a goal seen edge-on, far away, or not white
is not found. Knows nothing about video.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import Mask
from workbench.detect.motion.change import Image, regions

Corners = NDArray[np.float64]
Stroke = tuple[Corners, Corners]  # top and bottom of something upright and white

# On 372 pictures of real clips without a shot, what looked like a goal had a bar less than 0.81 of
# which was white, posts shorter than 0.08 of the picture, another shape, or a white lower edge; the
# bars of 13 of 14 rendered goals are white all along.
_LEAST_POST, _LEAST_STUB = 0.08, 0.025  # of the image's height
_SHAPES = 0.8, 3.6  # width by height in the picture, from aslant to a full-size goal from above
_LEAST_BAR, _LEAST_SIDE, _LEAST_HIDDEN = 0.9, 0.9, 0.5  # white shares: bar, post, a hidden post
# A bar before a bright sky is hardly brighter: grey levels above what is over and under it, in the
# mean more than a little beside it, and a share of its length where it is so at all.
_RIDGE, _RIDGE_HERE, _LEAST_RIDGE = 8.0, 4, 0.8
_BESIDE_BAR = 6  # pixels over it
_RAISES = 0.0, 0.04, 0.08, 0.12, 0.16, 0.2  # of a post's length, before a bright wall
_CLOSED, _LINE_REACH, _LINE_GOES_ON = 0.6, 0.3, 0.5  # of a lower edge, and of a goal line beside it
_LEAST_LIKE = 0.55  # the shorter post of the longer; below, it is the stub of a hidden one
_MOST_SLOPE = 0.25  # of the bar in the picture: from the side and from above it is not level
_MOST_LEAN = 0.12  # of a post, sideways per length: a phone held 7° askew
_MOUTH_WH = (200, 60)  # a mouth seen straight on
_WHITE_COLUMN, _MOST_BARRED = 0.5, 0.03  # white along so much of its height; so many such columns
_MOST_WHITE = 0.2  # of the mouth; a net is thinner than that
_LEAST_SCORE = 0.65
_STUB_TRUST = 0.9  # of the score where a post is hidden: two whole posts win


@dataclass(frozen=True)
class Goal:
    """The goal's mouth: corners (4, 2) left bottom, left top, right top, right bottom in pixels."""

    corners: Corners
    score: float  # share of posts and bar that is white
    mask: Mask  # (H, W) the mouth


@dataclass(frozen=True)
class _Structures:
    """What is thin and bright in a picture, (H, W) each."""

    white: NDArray[np.uint8]  # posts, bars, lines
    wide: NDArray[np.uint8]  # the same and two pixels around
    ridges: NDArray[np.uint8]  # how much brighter than what is over and under it, two rows around

    @classmethod
    def of(cls, image: Image) -> "_Structures":
        """Look for them."""
        white = _thin_white(image)
        return cls(white, _grown(white, (5, 5)), _grown(_ridges(image), (5, 1)))


def find_goal(image: Image) -> Goal | None:
    """Find the goal in an RGB image (H, W, 3), or None."""
    height, width = image.shape[:2]
    seen = _Structures.of(image)
    best: tuple[float, Corners] | None = None
    for a, b in combinations(_strokes(seen.white), 2):
        left, right = sorted((a, b), key=lambda stroke: stroke[0][0])
        score, corners = _judge(left, right, seen)
        if best is None or score > best[0]:
            best = score, corners
    if best is None or best[0] < _LEAST_SCORE:
        return None
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(best[1]).astype(np.int32)], (1,))
    return Goal(best[1], min(1.0, best[0]), mask.astype(bool))


def _thin_white(image: Image) -> NDArray[np.uint8]:
    """Mask of bright, colourless, thin structures: posts, bars, lines; not sky, not walls."""
    size = max(9, 2 * round(image.shape[0] / 40) + 1)
    light = image.min(axis=2)  # white is high in every channel
    kernel = np.ones((size, size), np.uint8)
    stands_out = cv2.morphologyEx(light, cv2.MORPH_TOPHAT, kernel)
    colourless = image.max(axis=2).astype(int) - light < 45
    return np.asarray((stands_out > 45) & colourless & (light > 120), np.uint8)


def _ridges(image: Image) -> NDArray[np.uint8]:
    """How much brighter each pixel is than what is over and under it."""
    size = max(9, 2 * round(image.shape[0] / 80) + 1)
    light = image.min(axis=2)
    stands_out = cv2.morphologyEx(light, cv2.MORPH_TOPHAT, np.ones((size, 1), np.uint8))
    return np.asarray(stands_out * (light > 120), np.uint8)


def _strokes(white: NDArray[np.uint8]) -> list[Stroke]:
    """Upright white strokes, the longest dozen."""
    height = white.shape[0]
    run = max(5, round(height / 40))
    # What survives an opening by an upright line is upright; joining it sideways mends a slant.
    upright = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((run, 1), np.uint8))
    joined = cv2.dilate(upright, np.ones((3, 3), np.uint8))
    strokes: list[Stroke] = []
    for region in regions(np.asarray(joined, np.uint8), joined):
        x, y, own = region.x, region.y, region.mask
        rows, columns = own.shape
        if rows < _LEAST_STUB * height or rows < 1.2 * columns:
            continue
        slope, middle = np.polyfit(np.arange(rows), [np.flatnonzero(row).mean() for row in own], 1)
        top = np.array([x + middle + slope, y + 1.0])
        strokes.append((top, np.array([x + middle + slope * (rows - 2), y + rows - 1.0])))
    return sorted(strokes, key=lambda stroke: stroke[0][1] - stroke[1][1])[:12]


def _judge(left: Stroke, right: Stroke, seen: _Structures) -> tuple[float, Corners]:
    """How much two strokes and what lies between their tops look like a goal, and its corners."""
    height, width = seen.white.shape
    sides = sorted((_coverage(*left, seen.wide), _coverage(*right, seen.wide)))
    longer, shorter = sorted((_length(left), _length(right)), reverse=True)
    trust = 1.0
    if shorter < _LEAST_LIKE * longer:
        left, right = _as_long(left, longer), _as_long(right, longer)
        trust = _STUB_TRUST
    corners = _corners_of(left, right)
    span = float(np.linalg.norm(right[0] - left[0]))
    is_shaped = longer >= _LEAST_POST * height and _SHAPES[0] < span / longer < _SHAPES[1]
    is_level = abs(right[0][1] - left[0][1]) <= _MOST_SLOPE * span
    if not is_shaped or not is_level or max(_lean(left), _lean(right)) > _MOST_LEAN:
        return 0.0, corners
    bar, least_bar = _coverage(left[0], right[0], seen.wide), _LEAST_BAR
    if bar < _LEAST_BAR and sides[0] >= _LEAST_SIDE and trust == 1:
        left, right = max(_raised(left, right), key=lambda pair: _bar_of(pair[0], pair[1], seen))
        corners, bar = _corners_of(left, right), _coverage(left[0], right[0], seen.wide)
        if bar < _LEAST_BAR:
            bar, least_bar = _ridge(left[0], right[0], seen.ridges), _LEAST_RIDGE
    if bar < least_bar or sides[0] < _LEAST_HIDDEN or sides[1] < _LEAST_SIDE:
        return 0.0, corners
    if _is_barred(corners, seen.white) or _is_board(corners, seen.wide):
        return 0.0, corners
    # Bar and posts must be there; of two such frames the smaller may be a mesh of the goal's net.
    size = math.sqrt(span * longer / (height * width))
    return trust * (min(bar, sides[0]) + 0.3 * min(size, 0.5)), corners


def _raised(left: Stroke, right: Stroke) -> Iterator[tuple[Stroke, Stroke]]:
    """Posts that go on upwards a little: their tops may not stand out from what is behind them."""
    for shares in product(_RAISES, repeat=2):
        a, b = (
            (top - share * (bottom - top), bottom)
            for share, (top, bottom) in zip(shares, (left, right), strict=True)
        )
        yield a, b


def _corners_of(left: Stroke, right: Stroke) -> Corners:
    return np.array([left[1], left[0], right[0], right[1]], float)


def _bar_of(left: Stroke, right: Stroke, seen: _Structures) -> tuple[float, float]:
    """How white it is between two tops, roughly, and in which of equal places most exactly."""
    return _coverage(left[0], right[0], seen.wide), _coverage(left[0], right[0], seen.white)


def _ridge(a: Corners, b: Corners, ridges: NDArray[np.uint8]) -> float:
    """Share of points along a bar that are brighter than what is over and under it.

    0 where it is no more so than a little over it: clouds, a crowd.
    """
    over = np.array([0.0, _BESIDE_BAR])
    here, beside = _along(a, b, ridges), _along(a - over, b - over, ridges)
    if not len(here) or here.mean() < _RIDGE + (beside.mean() if len(beside) else 0):
        return 0.0
    return float((here >= _RIDGE_HERE).mean())


def _length(stroke: Stroke) -> float:
    return float(np.linalg.norm(stroke[1] - stroke[0]))


def _is_barred(corners: Corners, white: NDArray[np.uint8]) -> bool:
    """Whether more posts or walls stand in the mouth: it is a fence or a row of windows."""
    columns, rows = _MOUTH_WH
    straight = np.array([[0, rows], [0, 0], [columns, 0], [columns, rows]], np.float32)
    to_straight = cv2.getPerspectiveTransform(corners.astype(np.float32), straight)
    mouth = cv2.warpPerspective(white, to_straight, _MOUTH_WH, flags=cv2.INTER_NEAREST)
    inner = mouth[rows // 10 : -rows // 10, columns // 16 : -columns // 16]
    barred = float((inner.mean(axis=0) > _WHITE_COLUMN).mean())
    return barred > _MOST_BARRED or float(inner.mean()) > _MOST_WHITE


def _is_board(corners: Corners, wide: NDArray[np.uint8]) -> bool:
    """Whether white closes the frame below and ends at its corners: a goal line goes on."""
    left, right = corners[0], corners[3]
    if _coverage(left, right, wide) < _CLOSED:
        return False
    beside = _LINE_REACH * (right - left)
    goes_on = max(_coverage(left - beside, left, wide), _coverage(right, right + beside, wide))
    return goes_on < _LINE_GOES_ON


def _lean(stroke: Stroke) -> float:
    return abs(float(stroke[1][0] - stroke[0][0])) / max(_length(stroke), 1.0)


def _as_long(stroke: Stroke, length_px: float) -> Stroke:
    top, bottom = stroke
    return top, top + (bottom - top) * length_px / max(_length(stroke), 1.0)


def _coverage(a: Corners, b: Corners, wide: NDArray[np.uint8]) -> float:
    """Share of points along a stroke, in the picture, that have white within two pixels of it."""
    steps = max(8, int(np.linalg.norm(b - a)))
    return float(_along(a, b, wide).sum() / steps)


def _grown(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(image, np.ones(size, np.uint8)), np.uint8)


def _along(a: Corners, b: Corners, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The values of pixels along a stroke, those in the picture."""
    height, width = image.shape
    points = a + (b - a) * np.linspace(0, 1, max(8, int(np.linalg.norm(b - a))))[:, None]
    columns, rows = points.round().astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return np.asarray(image[rows[inside], columns[inside]], np.uint8)
