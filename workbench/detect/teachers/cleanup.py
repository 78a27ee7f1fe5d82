"""Cleaning masks: holes filled, specks dropped, the same object kept once.

The unit is the masks of one frame. Done here and not left to the models' own packages, which skip
it without a word where an optional kernel is missing. Sizes are shares of the object, so that a
ball of three pixels is treated like a player.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import Detection, Mask, mask_iou


def clean_mask(mask: Mask, hole_share: float = 0.1, speck_share: float = 0.1) -> Mask:
    """Fill small holes and drop small islands.

    Cleaning twice is cleaning once.

    Args:
        mask: (H, W).
        hole_share: Holes up to this share of the largest outline's area are filled; the gap
            between arm and body is larger and stays.
        speck_share: Islands smaller than this share of the largest are dropped; a leg that
            somebody in front cuts off is larger and stays.

    Example:
        >>> ring = np.ones((5, 5), bool); ring[2, 2] = False
        >>> int(clean_mask(ring).sum())
        25
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return mask.copy()
    # A margin of one pixel joins everything outside into one component, which is no hole.
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    part = np.pad(mask[inside], 1).astype(np.uint8)
    _, holes, hole_stats, _ = cv2.connectedComponentsWithStats(1 - part, connectivity=4)
    is_hole = np.arange(len(hole_stats)) > 0  # 0 is the mask itself
    is_hole[holes[0, 0]] = False
    _, outline_areas = _islands(part | is_hole[holes])  # which filling a hole does not change
    is_hole &= hole_stats[:, cv2.CC_STAT_AREA] <= hole_share * outline_areas.max()
    islands, areas = _islands(part | is_hole[holes])
    is_kept = np.concatenate([[False], areas >= speck_share * areas.max()])
    clean = np.zeros_like(mask)
    clean[inside] = is_kept[islands][1:-1, 1:-1]
    return clean


def _islands(mask: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the number of the island at each pixel, 0 for none, and the areas from number 1 on."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return numbers, stats[1:, cv2.CC_STAT_AREA]


def one_per_object(found: Sequence[Detection], least_iou: float = 0.8) -> list[Detection]:
    """Drop detections of one frame whose mask overlaps that of an earlier one of the same class."""
    overlap = mask_iou(found, found)
    kept: list[int] = []
    for place, one in enumerate(found):
        rivals = [other for other in kept if found[other].class_name == one.class_name]
        if all(overlap[place, other] < least_iou for other in rivals):
            kept.append(place)
    return [found[place] for place in kept]
