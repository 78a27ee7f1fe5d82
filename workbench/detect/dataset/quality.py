"""Sizes of labels, and oddities: labels that look wrong without knowing the truth.

The unit is one accepted label in one frame. An oddity is a reason to look, not a proof of a
mistake: a ball near the camera may well be larger than a person far away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
import numpy.typing as npt
import pandas as pd
from pycocotools import mask as rle

from workbench.detect.detections import CLASSES, Detection
from workbench.detect.store import ClipDetections

TALLNESS = (0.7, 6.0)  # height by width of a person's box: lying down to a sliver
BALL_JUMP_SHARE = 0.15  # of the frame's diagonal between two frames: 30 m/s seen from 10 m is 0.1
ODD_HEIGHT = 3.0  # times the clip's median person, or its inverse
GOAL_STAYS_IOU = 0.5  # between two frames; the camera may pan, but not jump
COVERS_SHARE = 0.5  # of the frame: no single object is so large


@dataclass(frozen=True)
class Oddity:
    """Something in a frame that a person should look at."""

    clip_id: str
    frame: int
    kind: str  # the same words for the same sort
    said: str  # with figures


def object_sizes_px(labels: Sequence[ClipDetections], name: str) -> npt.NDArray[np.float64]:
    """Return the size of every object of a class: the side, in pixels, of a square as large."""
    areas = [
        label.area_px
        for clip in labels
        for frame in range(len(clip.frames))
        for label in clip.of_class(frame, name)
    ]
    return np.sqrt(np.array(areas, dtype=np.float64))


def find_oddities(labels: Sequence[ClipDetections]) -> list[Oddity]:
    """Return what looks wrong, clip by clip, frame by frame.

    Args:
        labels: Those that are accepted: raw labels below the threshold are odd by nature.
    """
    found = []
    for clip in labels:
        people = [
            one for frame in range(len(clip.frames)) for one in clip.of_class(frame, "person")
        ]
        usual_px = float(np.median([one.xywh[3] for one in people])) if people else 0.0
        for frame in range(len(clip.frames)):
            odd = [*_odd_in_frame(clip, frame), *_odd_people(clip, frame, usual_px)]
            odd += _odd_moves(clip, frame) if frame else []
            found += [Oddity(clip.clip_id, frame, kind, said) for kind, said in odd]
    return found


def count_oddities(oddities: Sequence[Oddity]) -> pd.DataFrame:
    """Return one row per kind: how many frames, in how many clips, and the first of them."""
    rows: dict[str, Mapping[str, object]] = {}
    for kind in sorted({oddity.kind for oddity in oddities}):
        own = [oddity for oddity in oddities if oddity.kind == kind]
        rows[kind] = {
            "frames": len({(oddity.clip_id, oddity.frame) for oddity in own}),
            "clips": len({oddity.clip_id for oddity in own}),
            "first": f"{own[0].clip_id}, frame {own[0].frame}",
            "what": own[0].said,
        }
    columns = ["frames", "clips", "first", "what"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("oddity")


def _odd_in_frame(clip: ClipDetections, frame: int) -> Iterator[tuple[str, str]]:
    people, balls, goals = (clip.of_class(frame, name) for name in CLASSES)
    if len(balls) > 1:
        yield "several balls", f"{len(balls)}"
    if len(goals) > 1:
        yield "several goals", f"{len(goals)}"
    tallest = max((person.xywh[3] for person in people), default=0)
    for ball in balls:
        if people and max(ball.xywh[2:]) > tallest:
            yield "ball larger than a person", f"{max(ball.xywh[2:]):.0f} px, {tallest:.0f} px"
    for label in clip.frames[frame]:
        share = label.area_px / (clip.width * clip.height)
        if share > COVERS_SHARE:
            yield "covers the frame", f"a {label.class_name} on {share:.0%} of it"


def _odd_people(clip: ClipDetections, frame: int, usual_px: float) -> Iterator[tuple[str, str]]:
    for person in clip.of_class(frame, "person"):
        _, _, width, height = person.xywh
        tallness = height / max(width, 1)
        if not TALLNESS[0] <= tallness <= TALLNESS[1]:
            yield "person of odd shape", f"{tallness:.1f} times as high as wide"
        if not 1 / ODD_HEIGHT <= height / usual_px <= ODD_HEIGHT:
            yield "person of odd size", f"{height:.0f} px high, the median is {usual_px:.0f} px"


def _odd_moves(clip: ClipDetections, frame: int) -> Iterator[tuple[str, str]]:
    """What has moved too far since the frame before, where there is one of it in both."""
    before, now = (clip.of_class(place, "ball") for place in (frame - 1, frame))
    if len(before) == len(now) == 1:
        jump = _distance_px(before[0], now[0]) / hypot(clip.width, clip.height)
        if jump > BALL_JUMP_SHARE:
            yield "ball jumps", f"{jump:.0%} of the diagonal in one frame"
    before, now = (clip.of_class(place, "goal") for place in (frame - 1, frame))
    if len(before) == len(now) == 1:
        boxes = np.array([before[0].xywh]), np.array([now[0].xywh])
        overlap = float(rle.iou(*boxes, [0])[0, 0])
        if overlap < GOAL_STAYS_IOU:
            yield "goal jumps", f"IoU {overlap:.2f} with the frame before"


def _distance_px(first: Detection, second: Detection) -> float:
    (x, y, width, height), (x2, y2, width2, height2) = first.xywh, second.xywh
    return hypot(x2 + width2 / 2 - x - width / 2, y2 + height2 / 2 - y - height / 2)
