"""What labels tell without the truth: who found what, frames without any, sizes, and oddities.

The unit is one label in one frame. An oddity is a reason to look, not a proof of a mistake: a ball
near the camera may well be larger than a person far away.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import dist, hypot
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.detect.detections import BALL, CLASSES, Detection
from workbench.detect.segmentation import iou_of
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


def frames_without_ball(labels: Sequence[ClipDetections]) -> dict[str, Any]:
    """Which clips and frames have no label of a ball, as saved in `noball_clips.json`.

    Returns:
        `clips_without` (ids of clips with none at all) and, per clip, the number of frames, how
        many have one, and the frames that have none as half-open ranges.
    """
    clips = {}
    for clip in labels:
        missing = [
            frame not in clip.unseen and not clip.of_class(frame, BALL)
            for frame in range(len(clip.frames))
        ]
        edges = np.flatnonzero(np.diff([False, *missing, False]))  # where it goes and comes back
        clips[clip.clip_id] = {
            "frames": len(missing),
            "with_ball": missing.count(False) - len(clip.unseen),
            "without": edges.reshape(-1, 2).tolist(),
        }
    without = [clip_id for clip_id, row in clips.items() if row["with_ball"] == 0]
    return {"class": BALL, "clips_without": sorted(without), "clips": clips}


def found_by(labels: Sequence[ClipDetections]) -> pd.DataFrame:
    """In how many frames each teacher found each class.

    A frame counts once per class: for the teacher whose label comes first, and rescuers come after
    the primary teacher.

    Args:
        labels: Those that are accepted.

    Returns:
        One row per class; a column per teacher in the order they were asked, `nobody`, and
        `frames`, the sum of the others.
    """
    names = dict.fromkeys(
        name
        for clip in labels
        for name in (*clip.found_by.split("+"), *(x.found_by for f in clip.frames for x in f))
    )
    counts = Counter(
        (name, next((one.found_by for one in clip.of_class(frame, name)), "nobody"))
        for clip in labels
        for frame in range(len(clip.frames))
        if frame not in clip.unseen
        for name in CLASSES
    )
    columns = [*names, "nobody"]
    rows = [[counts[name, finder] for finder in columns] for name in CLASSES]
    table = pd.DataFrame(rows, index=list(CLASSES), columns=columns)
    return table.assign(frames=table.sum(axis=1)).rename_axis("class")


def object_sizes_px(labels: Sequence[ClipDetections], name: str) -> npt.NDArray[np.float64]:
    """Return the size of every object of a class: the side, in pixels, of a square as large."""
    areas = [one.area_px for clip in labels for one in _all_of_class(clip, name)]
    return np.sqrt(np.array(areas, dtype=np.float64))


def find_oddities(labels: Sequence[ClipDetections]) -> list[Oddity]:
    """Return what looks wrong, clip by clip, frame by frame.

    Args:
        labels: Those that are accepted: raw labels below the threshold are odd by nature.
    """
    found = []
    for clip in labels:
        heights_px = [one.xywh[3] for one in _all_of_class(clip, "person")]
        usual_px = float(np.median(heights_px)) if heights_px else 0.0
        for frame in range(len(clip.frames)):
            odd = [*_odd_in_frame(clip, frame), *_odd_people(clip, frame, usual_px)]
            odd += _odd_moves(clip, frame) if frame else []
            found += [Oddity(clip.clip_id, frame, kind, said) for kind, said in odd]
    return found


def count_oddities(oddities: Sequence[Oddity]) -> pd.DataFrame:
    """Return one row per kind: how many frames, in how many clips, and the first of them."""
    rows = [
        (one.kind, f"{one.clip_id}, frame {one.frame}", one.clip_id, one.said) for one in oddities
    ]
    table = pd.DataFrame(rows, columns=["oddity", "frame", "clip", "said"])
    return table.groupby("oddity").agg(
        frames=("frame", "nunique"),
        clips=("clip", "nunique"),
        first=("frame", "first"),
        what=("said", "first"),
    )


def _all_of_class(clip: ClipDetections, name: str) -> list[Detection]:
    return [one for found in clip.frames for one in found if one.class_name == name]


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
    balls, goals = (
        [clip.of_class(place, name) for place in (frame - 1, frame)] for name in ("ball", "goal")
    )
    if len(balls[0]) == len(balls[1]) == 1:
        jump = dist(*(ball.centre for (ball,) in balls)) / hypot(clip.width, clip.height)
        if jump > BALL_JUMP_SHARE:
            yield "ball jumps", f"{jump:.0%} of the diagonal in one frame"
    if len(goals[0]) == len(goals[1]) == 1:
        before, now = ([list(goal.xywh)] for (goal,) in goals)
        overlap = float(iou_of(before, now)[0, 0])
        if overlap < GOAL_STAYS_IOU:
            yield "goal jumps", f"IoU {overlap:.2f} with the frame before"
