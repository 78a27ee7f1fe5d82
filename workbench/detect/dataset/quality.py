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
from pycocotools import mask as rle

from workbench.detect.detections import CLASSES, Detection, is_accepted
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


def frames_without(labels: Sequence[ClipDetections], name: str = "ball") -> dict[str, Any]:
    """Which clips and frames have no label of a class, as saved in `noball_clips.json`.

    Returns:
        `clips_without` (ids of clips with none at all) and, per clip, the number of frames, how
        many have one, and the frames that have none as half-open ranges.
    """
    clips = {}
    for clip in labels:
        missing = [not clip.of_class(frame, name) for frame in range(len(clip.frames))]
        edges = np.flatnonzero(np.diff([False, *missing, False]))  # where it goes and comes back
        clips[clip.clip_id] = {
            "frames": len(missing),
            f"with_{name}": missing.count(False),
            "without": edges.reshape(-1, 2).tolist(),
        }
    without = [clip_id for clip_id, row in clips.items() if row[f"with_{name}"] == 0]
    return {"class": name, "clips_without": sorted(without), "clips": clips}


def found_by(labels: Sequence[ClipDetections], min_score: float = 0.3) -> pd.DataFrame:
    """In how many frames each teacher found each class.

    A frame counts once per class: for the teacher whose accepted label comes first, and rescuers
    come after the primary teacher.

    Args:
        labels: Of any number of clips.
        min_score: Labels below do not count as found; labels without a score do.

    Returns:
        One row per class; a column per teacher in the order they were asked, `nobody`, and
        `frames`, the sum of the others.
    """
    names = dict.fromkeys(
        name
        for clip in labels
        for name in (*clip.found_by.split("+"), *(x.found_by for f in clip.frames for x in f))
    )
    counts: Counter[tuple[str, str]] = Counter()
    for clip in labels:
        for frame in range(len(clip.frames)):
            for name in CLASSES:
                own = clip.of_class(frame, name)
                finders = (x.found_by for x in own if is_accepted(x, min_score))
                counts[name, next(finders, "nobody")] += 1
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
    rows = {}
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
        jump = dist(*(_centre(ball) for (ball,) in balls)) / hypot(clip.width, clip.height)
        if jump > BALL_JUMP_SHARE:
            yield "ball jumps", f"{jump:.0%} of the diagonal in one frame"
    if len(goals[0]) == len(goals[1]) == 1:
        overlap = float(rle.iou(*(np.array([goal.xywh]) for (goal,) in goals), [0])[0, 0])
        if overlap < GOAL_STAYS_IOU:
            yield "goal jumps", f"IoU {overlap:.2f} with the frame before"


def _centre(label: Detection) -> tuple[float, float]:
    x, y, width, height = label.xywh
    return x + width / 2, y + height / 2
