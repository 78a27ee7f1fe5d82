"""Classes that follow from two others: who has the ball, and whether it is in the goal.

The unit is the detections of one frame. Three base classes become five, each object keeping one
class: `player_with_ball` is a person whose mask touches the ball's, `ball_in_goal` a ball whose
mask meets the goal's mouth. Both are statements about the picture: a ball on its way past the goal
meets the mouth just as one behind the line does, and a ball far behind a player touches him. Depth
is for `workbench.shots` to find.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from pycocotools import mask as rle

from workbench.detect.detections import BALL, CLASSES, GOAL, PERSON, Detection, Mask, encode_box
from workbench.errors import DatasetError

DERIVED_TO_BASE = {"player_with_ball": "person", "ball_in_goal": "ball"}
FIVE_CLASSES = (*CLASSES, *DERIVED_TO_BASE)  # base classes keep their ids
SAID_CLASS = "said_class"  # in `Detection.more`: the class that a person has decided

TOUCH_SHARE = 0.25  # of the ball's diameter: how near is touching
TOUCH_LEAST_PX = 2.0


def dataset_classes(count: int) -> tuple[str, ...]:
    """Return the classes of a dataset with three or five of them.

    Raises:
        DatasetError: If `count` is neither.
    """
    if count not in (len(CLASSES), len(FIVE_CLASSES)):
        raise DatasetError(f"{count} classes", f"choose 3 {CLASSES} or 5 {FIVE_CLASSES}")
    return FIVE_CLASSES[:count]


def derive_classes(found: Sequence[Detection], height: int, width: int) -> list[Detection]:
    """Return the detections of one frame, each with the one of `FIVE_CLASSES` it belongs to.

    Only the class of a person or a ball changes; one that a person has decided (`said_class`)
    stays. Where there is no mask the box counts.

    Args:
        found: Of base classes.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
    """
    masks = [_pixels(one, height, width) for one in found]
    near, mouth = np.zeros((2, height, width), bool)
    for one, mask in zip(found, masks, strict=True):
        if one.class_name == BALL:
            near |= _grown(mask)
        elif one.class_name == GOAL:
            mouth |= _filled(mask)
    zones = {PERSON: ("player_with_ball", near), BALL: ("ball_in_goal", mouth)}
    derived = []
    for one, mask in zip(found, masks, strict=True):
        name = one.more.get(SAID_CLASS, one.class_name)
        if SAID_CLASS not in one.more and name in zones:
            special, zone = zones[name]
            if (mask & zone).any():
                name = special
        derived.append(replace(one, class_name=name))
    return derived


def _pixels(one: Detection, height: int, width: int) -> Mask:
    pixels = one.pixels()
    if pixels is None:
        filled = encode_box(one.xyxy, (height, width))
        pixels = np.zeros((height, width), bool) if filled is None else rle.decode(filled) > 0
    return np.asarray(pixels)


def _grown(ball: Mask) -> Mask:
    """Ball mask widened by a share of its diameter, the diameter being that of a disc as large."""
    diameter_px = 2 * np.sqrt(ball.sum() / np.pi)
    reach_px = max(TOUCH_LEAST_PX, TOUCH_SHARE * diameter_px)
    distance_px = cv2.distanceTransform((~ball).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance_px <= reach_px) if ball.any() else ball


def _filled(goal: Mask) -> Mask:
    """The goal's mouth: what its frame encloses, whoever stands in front of it."""
    points = np.argwhere(goal)[:, ::-1].astype(np.int32)
    if not len(points):
        return goal
    filled = np.zeros(goal.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled.astype(bool)
