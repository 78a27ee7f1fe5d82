"""What players and ball do in a match, as numbers for a classifier: boxes, speeds, distances.

The unit is a tick of a match (`spotting.greyframes`): one row of `WIDTH` numbers, in heights of a
person so that zooming changes little: where the ball is and how it moves, and the same of the
`NEAREST` people around it. Boxes are a teacher's, or the truth of a built-in match, an oracle that
no real match has; ids are the tracker's. The camera's own motion, that of the crowd in the middle,
is taken off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.actions.spotting.greyframes import GreyFrames, frames_of_ticks
from workbench.detect.detections import BALL, PERSON, Detection
from workbench.detect.tracking import Tracker
from workbench.footage.packets import read_packets
from workbench.footage.video_info import probe
from workbench.simulated.matches.making import true_boxes

TRUTH = "truth"
NEAREST = 4  # people
_OF_BALL, _OF_PERSON = 8, 6
WIDTH = _OF_BALL + NEAREST * _OF_PERSON
_REACH = 0.04  # of the picture's width: how far the tracker looks for somebody from tick to tick
_MOST = 6.0  # heights; further away, or faster per tick, is as far

Tracks = npt.NDArray[np.float32]  # (ticks, WIDTH)


def match_tracks(video: Path, boxes_by: str = TRUTH) -> Tracks:
    """Return a match's rows.

    Args:
        video: Of the match.
        boxes_by: "truth", or a teacher's name (`detect.teachers`).

    Raises:
        DatasetError: If there is no truth beside the video.
        TeacherError: If there is no such teacher, or it lacks its weights.
    """
    info, table = probe(video), read_packets(video)
    if boxes_by == TRUTH:
        found: Iterable[Sequence[Detection]] = (
            [Detection(name, box) for name, box in frame] for frame in true_boxes(video.parent)
        )
    else:
        from workbench.detect.teachers.registry import make_teacher

        found = make_teacher(boxes_by).label(video)
    frames = frames_of_ticks(table, np.arange(GreyFrames(table).ticks)).tolist()
    tracker, before = Tracker(reach_px=_REACH * info.width), _Seen({})
    rows: list[list[float]] = []
    for frame, boxes in enumerate(found):
        while len(rows) < len(frames) and frames[len(rows)] == frame:
            row, before = _row(tracker.update(boxes), before, info.width / info.height)
            rows.append(row)
    return np.array(rows, np.float32).reshape(-1, WIDTH)


@dataclass(frozen=True)
class _Seen:
    """Who was in the tick before, by id, and who was nearest the ball."""

    by_id: Mapping[int, Detection]
    holder: int | None = None


def _row(found: Sequence[Detection], before: _Seen, aspect: float) -> tuple[list[float], _Seen]:
    people = [one for one in found if one.class_name == PERSON]
    balls = [one for one in found if one.class_name == BALL]
    row = [0.0] * WIDTH
    seen = {one.track_id: one for one in found if one.track_id is not None}
    if not people or not balls:
        return row, _Seen(seen)
    ball = max(balls, key=lambda one: one.rank)
    tall = float(np.median([one.xywh[3] for one in people]))
    steps = {one.track_id: _step(one, before) for one in people}
    known = [step for step in steps.values() if step is not None]
    camera = np.median(known, axis=0) if known else np.zeros(2)

    def moved(one: Detection) -> npt.NDArray[np.float64]:
        step = _step(one, before) if one.class_name == BALL else steps[one.track_id]
        return np.zeros(2) if step is None else np.clip((step - camera) / tall, -_MOST, _MOST)

    middle = np.array(ball.centre)
    velocity = moved(ball)
    nearest = sorted(people, key=lambda one: float(np.hypot(*(_feet(one) - middle))))[:NEAREST]
    holder = nearest[0].track_id
    row[:_OF_BALL] = [
        1.0,
        *velocity,
        float(np.hypot(*velocity)),
        ball.xywh[3] / tall,
        len(people) / 10,
        float(holder != before.holder),
        aspect,
    ]
    for place, one in enumerate(nearest):
        gap, step = np.clip((_feet(one) - middle) / tall, -_MOST, _MOST), moved(one)
        start = _OF_BALL + place * _OF_PERSON
        values = [*gap, float(np.hypot(*gap)), *step, one.xywh[2] / one.xywh[3]]
        row[start : start + _OF_PERSON] = values
    return row, _Seen(seen, holder)


def _step(one: Detection, before: _Seen) -> npt.NDArray[np.float64] | None:
    """How far somebody has come since the tick before, in pixels; None for who is new."""
    then = None if one.track_id is None else before.by_id.get(one.track_id)
    return None if then is None else np.subtract(one.centre, then.centre)


def _feet(one: Detection) -> npt.NDArray[np.float64]:
    left, top, wide, tall = one.xywh
    return np.array([left + wide / 2, top + tall])
