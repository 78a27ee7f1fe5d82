"""Boxes as arrays: (K, 4) of left, top, right, bottom in pixels."""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


def moved(boxes: Boxes, x: float, y: float) -> Boxes:
    """Boxes seen from an origin that lies so far to the left and up.

    Example:
        >>> moved(np.zeros((1, 4), np.float32), 2, 1).tolist()
        [[2.0, 1.0, 2.0, 1.0]]
    """
    return boxes + np.array([x, y, x, y], np.float32)


def inside(boxes: Boxes, side: float) -> Boxes:
    """The boxes whose middles lie in a square from the origin."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return boxes[((middle >= 0) & (middle < side)).all(axis=1)]


def iou(box: Boxes, boxes: Boxes) -> NDArray[np.float64]:
    """Overlap of one box (4,) with others (K,)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(common / np.maximum(area - common, 1e-9), float)
