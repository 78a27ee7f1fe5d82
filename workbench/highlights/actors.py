"""Who moves at a proposal, and how: a person's box followed for a second, and kinematic cues.

The unit is a window: a proposal with its actor. Limbs are told from where in the box it moves
(head and arms, trunk, legs): this needs no pose model and works on people of forty pixels. Cues are
relative to the person's height, so that near and far are alike. What they weigh is learned
(`learning`), one set of weights per class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv

from workbench.detect.detectors import Detector
from workbench.highlights.chunks import CELLS_WH, Chunk, Floats, Image
from workbench.highlights.proposals import Proposal

REACH_S = 0.9  # of a window, to either side of its peak
CUES = (
    "motion", "burst", "share", "arms", "trunk", "legs", "arms_to_legs", "before", "after",
    "height", "seen", "people", "ball", "travel", "growth", "spread",
)  # fmt: skip
_LEAST_SCORE = 0.25  # of a person
_BALL_SCORE = 0.3
_NEAR = 0.35  # of a box's height: how far outside of it the motion may be
_AROUND_S = 3.0  # what is usual
_CROP = 1.7  # side of a window's picture in heights of the actor
_LEAST_CROP = 0.3  # of the picture's height
_AT_ONCE = 2  # pictures before a detector: eight took 240 MB more
_TINY = 1e-3


@dataclass(frozen=True)
class Sight:
    """People and balls in one larger frame; boxes (N, 4) are x0, y0, x1, y1 as shares of it."""

    people: Floats
    scores: Floats  # (N,)
    balls: Floats


@dataclass(frozen=True)
class Window:
    """A proposal, its actor and how they move."""

    proposal: Proposal
    start: int  # place in the chunk
    end: int
    box: tuple[float, float, float, float] | None  # of the actor, shares of the picture
    cues: tuple[float, ...]  # as `CUES`


def look(
    chunk: Chunk, proposals: Sequence[Proposal], detector: Detector, known: dict[int, Sight]
) -> dict[int, Sight]:
    """Return who is in those larger frames that lie in a proposal's window, by place.

    What is `known` is not looked for again; what is found joins it.
    """
    near = [
        place
        for place in chunk.looks
        if any(abs(chunk.times_s[place] - one.time_s) <= REACH_S for one in proposals)
    ]
    wanted = [place for place in near if place not in known]
    for first in range(0, len(wanted), _AT_ONCE):
        part = wanted[first : first + _AT_ONCE]
        answers = detector.see([chunk.looks[place] for place in part], _LEAST_SCORE)
        for place, answer in zip(part, answers, strict=True):
            height, width = chunk.looks[place].shape[:2]
            known[place] = _sight(answer, detector.classes, np.array([width, height] * 2, float))
    return {place: known[place] for place in near}


def _sight(answer: sv.Detections, classes: Sequence[str], size: Floats) -> Sight:
    ids = np.array([] if answer.class_id is None else answer.class_id, int)
    names = [classes[number] for number in ids]
    scores = np.array([] if answer.confidence is None else answer.confidence, float)
    boxes = np.asarray(answer.xyxy, float).reshape(-1, 4) / size
    is_person = np.array([name == "person" for name in names], bool)
    is_ball = np.array([name in ("ball", "sports ball") for name in names], bool)
    sure = is_ball & (scores >= _BALL_SCORE)
    return Sight(boxes[is_person], scores[is_person], boxes[sure])


def window_of(chunk: Chunk, one: Proposal, sights: Mapping[int, Sight]) -> Window:
    """Find who moves at a proposal and measure how; a window never spans a cut."""
    first, last = chunk.take_of(one.place)
    start = max(first, chunk.near(one.time_s - REACH_S))
    end = min(last, chunk.near(one.time_s + REACH_S) + 1)
    track, score = _follow(chunk, one, sights, start, end)
    near = sights.get(min(sights, key=lambda place: abs(place - one.place))) if sights else None
    box = _at_peak(one, track) if track else None
    cues = _cues(chunk, one, near, track, score, box, (start, end))
    return Window(one, start, end, None if box is None else tuple(np.round(box, 4).tolist()), cues)


def _follow(
    chunk: Chunk, one: Proposal, sights: Mapping[int, Sight], start: int, end: int
) -> tuple[list[tuple[int, Floats]], float]:
    """The boxes of the one who moves, by place; and how surely that is a person."""
    aspect = chunk.size_wh[0] / chunk.size_wh[1]
    places = sorted((p for p in sights if start <= p < end), key=lambda p: abs(p - one.place))
    track: list[tuple[int, Floats]] = []
    score = 0.0
    for place in places:
        boxes = sights[place].people
        if not len(boxes):
            continue
        x, y = (track[0][1][:2] + track[0][1][2:]) / 2 if track else (one.x, one.y)
        heights = boxes[:, 3] - boxes[:, 1]
        aside = np.maximum(0, np.maximum(boxes[:, 0] - x, x - boxes[:, 2])) * aspect
        above = np.maximum(0, np.maximum(boxes[:, 1] - y, y - boxes[:, 3]))
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        off = np.hypot((middles[:, 0] - x) * aspect, middles[:, 1] - y)
        is_near = np.hypot(aside, above) <= _NEAR * heights
        if not is_near.any():
            continue
        best = int(np.where(is_near, off, np.inf).argmin())
        track.append((place, boxes[best]))
        score = max(score, float(sights[place].scores[best]))
    return sorted(track, key=lambda own: own[0]), score


def _at_peak(one: Proposal, track: Sequence[tuple[int, Floats]]) -> Floats:
    """Where the actor is at the peak: between looks they run on."""
    boxes = np.array([own for _, own in track])
    middles, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    places = [place for place, _ in track]
    middle = np.array([np.interp(one.place, places, middles[:, axis]) for axis in (0, 1)])
    half = np.median(halves, axis=0)
    return np.concatenate([middle - half, middle + half])


def _cues(
    chunk: Chunk,
    one: Proposal,
    near: Sight | None,
    track: Sequence[tuple[int, Floats]],
    score: float,
    box: Floats | None,
    window: tuple[int, int],
) -> tuple[float, ...]:
    x0, y0, x1, y1 = (
        box if box is not None else (one.x - 0.1, one.y - 0.2, one.x + 0.1, one.y + 0.2)
    )
    tall, aspect = max(y1 - y0, 0.05), chunk.size_wh[0] / chunk.size_wh[1]
    side = 0.4 * tall / aspect
    columns = _cells(min(x0, one.x) - side, max(x1, one.x) + side, CELLS_WH[0])
    motion = chunk.motion[window[0] : window[1]]

    def moves(top: float, bottom: float) -> Floats:
        rows = _cells(y0 + top * tall, y0 + bottom * tall, CELLS_WH[1])
        return np.asarray(motion[:, rows, columns].mean(axis=(1, 2)), float)

    own = moves(-0.3, 1.1)
    arms, trunk, legs = (
        float(moves(*part).max()) for part in ((-0.3, 0.35), (0.35, 0.6), (0.6, 1.1))
    )
    peak = min(max(one.place - window[0], 0), len(own) - 1)
    first, last = chunk.near(one.time_s - _AROUND_S), chunk.near(one.time_s + _AROUND_S) + 1
    rows = _cells(y0 - 0.3 * tall, y0 + 1.1 * tall, CELLS_WH[1])
    usual = float(np.median(chunk.motion[first:last, rows, columns].mean(axis=(1, 2))))
    everywhere = float(motion[peak].mean() * motion[peak].size)
    inside = float(own[peak]) * (rows.stop - rows.start) * (columns.stop - columns.start)
    travel = growth = 0.0
    if len(track) > 1:
        (a, before), (b, after) = track[0], track[-1]
        seconds = max(0.2, float(chunk.times_s[b] - chunk.times_s[a]))
        way = (after[:2] + after[2:] - before[:2] - before[2:]) / 2 * [aspect, 1]
        travel = float(np.hypot(*way)) / tall / seconds
        heights = [max(own_box[3] - own_box[1], _TINY) for _, own_box in track]
        growth = float(np.log(max(heights) / min(heights)))
    ball = 0.0
    if near is not None and len(near.balls):
        away = (near.balls[:, :2] + near.balls[:, 2:]) / 2 - [(x0 + x1) / 2, (y0 + y1) / 2]
        ball = float(np.exp(-np.hypot(away[:, 0] * aspect, away[:, 1]).min() / tall))
    values = (
        np.log(one.strength + _TINY), np.log((one.strength + 1) / (usual + 1)),
        inside / (everywhere + _TINY), np.log(arms + 1), np.log(trunk + 1), np.log(legs + 1),
        np.log((arms + 1) / (legs + 1)), np.log(own[:peak].mean() + 1) if peak else 0.0,
        np.log(own[peak:].mean() + 1), tall, score, 0.0 if near is None else len(near.people),
        ball, travel, growth, np.log((own.max() + 1) / (own.mean() + 1)),
    )  # fmt: skip
    return tuple(round(float(value), 4) for value in values)


def _cells(low: float, high: float, count: int) -> slice:
    first = min(max(int(low * count), 0), count - 1)
    return slice(first, min(max(int(np.ceil(high * count)), first + 1), count))


def picture_of(
    chunk: Chunk, window: Window, frames: int, size_wh: tuple[int, int], *, whole: bool
) -> Image:
    """Return the frames (T, h, w, 3) that a classifier sees of a window.

    Args:
        chunk: The chunk of the window.
        window: Its actor is in the middle.
        frames: T, evenly spread.
        size_wh: Of the result.
        whole: Show the whole picture, its middle where shapes differ, instead of the actor.
    """
    places = np.linspace(window.start, window.end - 1, frames).round().astype(int)
    width, height = chunk.size_wh
    shape = size_wh[0] / size_wh[1]
    if whole:
        tall, (x, y) = min(height, width / shape), (width / 2, height / 2)
    elif window.box is None:
        tall, (x, y) = 0.6 * height, (window.proposal.x * width, window.proposal.y * height)
    else:
        x0, y0, x1, y1 = window.box
        tall = max(_CROP * (y1 - y0), _LEAST_CROP) * height
        x, y = (x0 + x1) / 2 * width, (y0 + y1) / 2 * height
    scale = size_wh[1] / tall
    to_view = np.array(
        [[scale, 0, size_wh[0] / 2 - scale * x], [0, scale, size_wh[1] / 2 - scale * y]]
    )
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack(
        [
            cv2.warpAffine(chunk.frames[place], to_view, size_wh, flags=how,
                           borderMode=cv2.BORDER_REPLICATE)
            for place in places
        ]
    ).astype(np.uint8, copy=False)  # fmt: skip


def cue_scores(cues: npt.ArrayLike, weights: Floats) -> Floats:
    """Return the probabilities (N, K) that windows with these cues (N, C) show each of K classes.

    `weights` (K, C + 1) are those of one logistic regression per class; the last is the constant.
    """
    values = np.atleast_2d(np.asarray(cues, float))
    return np.asarray(1 / (1 + np.exp(-(values @ weights[:, :-1].T + weights[:, -1]))), float)
