"""The goal in the picture of an empty pitch: two white posts and the bar between their tops.

Works on one image. Knows nothing about video; a goal seen edge-on, or one that is not white, is not
found.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float64]


@dataclass(frozen=True)
class Goal:
    """The goal's mouth: corners (4, 2) left bottom, left top, right top, right bottom in pixels."""

    corners: Corners
    score: float  # share of posts and bar that is white
    mask: NDArray[np.bool_]  # (H, W) the mouth

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """Box around the mouth."""
        columns = np.flatnonzero(self.mask.any(axis=0))
        rows = np.flatnonzero(self.mask.any(axis=1))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def find_goal(image: NDArray[np.uint8]) -> Goal | None:
    """Find the goal in an RGB image (H, W, 3), or None."""
    height, width = image.shape[:2]
    white = _thin_white(image)
    posts = _posts(white)
    best: tuple[float, Corners] | None = None
    for a, b in combinations(posts, 2):
        left, right = sorted((a, b), key=lambda post: post[0][0])
        corners = np.array([left[1], left[0], right[0], right[1]], float)
        score = _judge(corners, white, (height, width))
        if best is None or score > best[0]:
            best = score, corners
    if best is None or best[0] < 0.55:
        return None
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(best[1]).astype(np.int32)], (1,))
    return Goal(best[1], min(1.0, best[0]), mask.astype(bool))


def _thin_white(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mask of bright, colourless, thin structures: posts, bars, lines; not sky, not walls."""
    size = max(9, 2 * round(image.shape[0] / 40) + 1)
    light = image.min(axis=2)  # white is high in every channel
    kernel = np.ones((size, size), np.uint8)
    stands_out = cv2.morphologyEx(light, cv2.MORPH_TOPHAT, kernel)
    colourless = image.max(axis=2).astype(int) - light < 45
    return np.asarray((stands_out > 45) & colourless & (light > 120), np.uint8)


def _posts(white: NDArray[np.uint8]) -> list[tuple[Corners, Corners]]:
    """Upright white strokes as (top, bottom), the longest dozen."""
    height = white.shape[0]
    run = max(5, round(height / 40))
    # What survives an opening by an upright line is upright; joining it sideways mends a slant.
    upright = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((run, 1), np.uint8))
    joined = cv2.dilate(upright, np.ones((3, 3), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    strokes: list[tuple[Corners, Corners]] = []
    for number in range(1, count):
        x, y, columns, rows, _ = (int(value) for value in boxes[number])
        if rows < 0.06 * height or rows < 2.5 * columns:
            continue
        own = labels[y : y + rows, x : x + columns] == number
        slope, middle = np.polyfit(np.arange(rows), [np.flatnonzero(row).mean() for row in own], 1)
        top = np.array([x + middle + slope, y + 1.0])
        strokes.append((top, np.array([x + middle + slope * (rows - 2), y + rows - 1.0])))
    return sorted(strokes, key=lambda stroke: stroke[0][1] - stroke[1][1])[:12]


def _judge(corners: Corners, white: NDArray[np.uint8], shape_hw: tuple[int, int]) -> float:
    left_bottom, left_top, right_top, right_bottom = corners
    posts = np.linalg.norm(left_top - left_bottom), np.linalg.norm(right_top - right_bottom)
    span = np.linalg.norm(right_top - left_top)
    if min(posts) < 0.55 * max(posts) or not 0.45 < span / max(posts) < 4.5:
        return 0.0
    if abs(right_top[1] - left_top[1]) > 0.45 * span:
        return 0.0
    bar = _coverage(left_top, right_top, white)
    sides = min(_coverage(left_bottom, left_top, white), _coverage(right_bottom, right_top, white))
    # Both must be there; of two frames that are, the larger is the goal and not a mesh of its net.
    size = math.sqrt(float(span * max(posts)) / (shape_hw[0] * shape_hw[1]))
    return min(bar, sides) + 0.3 * min(size, 0.5)


def _coverage(a: Corners, b: Corners, white: NDArray[np.uint8]) -> float:
    """Share of points along a stroke that have white within two pixels across it."""
    steps = max(8, int(np.linalg.norm(b - a)))
    points = a + (b - a) * np.linspace(0, 1, steps)[:, None]
    wide = cv2.dilate(white, np.ones((5, 5), np.uint8))
    columns = np.clip(points[:, 0].round().astype(int), 0, white.shape[1] - 1)
    rows = np.clip(points[:, 1].round().astype(int), 0, white.shape[0] - 1)
    return float(wide[rows, columns].mean())
