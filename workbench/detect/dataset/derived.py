"""Classes that follow from two others: who has the ball, and whether it is in the goal.

The unit is the annotations of one frame. Three base classes become five, each object keeping one
class: `player_with_ball` is a person whose mask touches the ball's, `ball_in_goal` a ball whose
mask meets the goal's mouth. Both are statements about the picture: a ball on its way past the goal
meets the mouth just as one behind the line does, and a ball far behind a player touches him. Depth
is for `workbench.shots` to find.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.segmentation import to_mask
from workbench.detect.teacher import CLASSES
from workbench.errors import DatasetError

DERIVED_TO_BASE = {"player_with_ball": "person", "ball_in_goal": "ball"}
FIVE_CLASSES = (*CLASSES, *DERIVED_TO_BASE)  # base classes keep their ids
SAID_CLASS = "said_class"  # key of an annotation whose class a person has decided

TOUCH_SHARE = 0.25  # of the ball's diameter: how near is touching
TOUCH_LEAST_PX = 2.0

Annotation = Mapping[str, Any]


def dataset_classes(count: int) -> tuple[str, ...]:
    """Return the classes of a dataset with three or five of them.

    Raises:
        DatasetError: If `count` is neither.
    """
    if count not in (len(CLASSES), len(FIVE_CLASSES)):
        raise DatasetError(f"{count} classes", f"choose 3 {CLASSES} or 5 {FIVE_CLASSES}")
    return FIVE_CLASSES[:count]


def derive_classes(
    annotations: Sequence[Annotation], height: int, width: int
) -> list[dict[str, Any]]:
    """Return the annotations of one frame, each with the one of `FIVE_CLASSES` it belongs to.

    Only `category_id` changes (ids count from 1 in the order of `FIVE_CLASSES`), and only of a
    person or a ball. A class that a person has decided (`said_class`) stays.

    Args:
        annotations: Of base classes, with any COCO segmentation.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.

    Raises:
        SegmentationError: If a mask that has to be looked at is none.
    """
    of_class = {
        name: [one for one in annotations if one["category_id"] == place + 1]
        for place, name in enumerate(CLASSES)
    }
    balls = [to_mask(one["segmentation"], height, width) for one in of_class["ball"]]
    near = _union([_grown(mask) for mask in balls], height, width)
    mouth = _union(
        [_filled(to_mask(one["segmentation"], height, width)) for one in of_class["goal"]],
        height,
        width,
    )
    zones = {"person": ("player_with_ball", near), "ball": ("ball_in_goal", mouth)}
    derived = []
    for one in annotations:
        base = CLASSES[one["category_id"] - 1]
        name = one.get(SAID_CLASS, base)
        if SAID_CLASS not in one and base in zones:
            special, zone = zones[base]
            if zone.any() and (to_mask(one["segmentation"], height, width) & zone).any():
                name = special
        derived.append({**one, "category_id": FIVE_CLASSES.index(name) + 1})
    return derived


def _grown(ball: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ball mask widened by a share of its diameter, the diameter being that of a disc as large."""
    diameter_px = 2 * np.sqrt(ball.sum() / np.pi)
    reach_px = max(TOUCH_LEAST_PX, TOUCH_SHARE * diameter_px)
    distance_px = cv2.distanceTransform((~ball).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance_px <= reach_px) if ball.any() else ball


def _filled(goal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The goal's mouth: what its frame encloses, whoever stands in front of it."""
    points = np.argwhere(goal)[:, ::-1].astype(np.int32)
    if not len(points):
        return goal
    filled = np.zeros(goal.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled.astype(bool)


def _union(masks: Sequence[NDArray[np.bool_]], height: int, width: int) -> NDArray[np.bool_]:
    together = np.zeros((height, width), bool)
    for mask in masks:
        together |= mask
    return together
