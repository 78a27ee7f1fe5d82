"""All that may be the ball in one clip, as arrays in the steady view, and how near to feet it is.

The unit is one clip. Sightings are the candidates that labelling has left beside the labels; of
labels without such, as of a student or the truth, they are the balls themselves. Knows nothing
about which of them is kicked (`kicked`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import BALL, HUMAN, Detection
from workbench.detect.store import ClipDetections
from workbench.footage.pinhole import Floats
from workbench.footage.steadyview import SteadyView
from workbench.labels.values import Point
from workbench.shots.players.people import People

HIDDEN_S = 0.3  # that a ball may be unseen at the kick
_MOST = 12  # of a frame, the likeliest
_INSIDE, _MOST_OF_PART, _AS_LIKELY = 0.8, 5.0, 0.5  # shares of areas and of scores
_SURE = 0.98  # score of a ball whose labeller gives none
_FEET, _FEET_SIDE, _FEET_BELOW = 0.4, 0.15, 0.1  # of a person's height: where feet are


@dataclass(frozen=True, eq=False)
class Sightings:
    """What may be a ball in one clip, N sightings in order of frames."""

    found: tuple[Detection, ...]  # N, in the frames' own pixels
    frames: NDArray[np.int64]  # (N,)
    xy: Floats  # (N, 2) middle in the steady view, pixels
    size_px: Floats  # (N,) side of a square of the same area, in the steady view
    score: Floats  # (N,) 0–1, the share of such candidates that are a ball
    feet_off: Floats  # (N,) from the nearest feet, in people's heights, now and as long as HIDDEN_S
    on_body: NDArray[np.bool_]  # (N,) inside somebody's box
    body_share: float  # of the picture that is inside of people's boxes, in the mean
    frame_count: int
    size_wh: tuple[int, int]  # of the picture

    def __len__(self) -> int:
        return len(self.frames)


def sight_balls(
    labels: ClipDetections,
    view: SteadyView,
    people: People,
    fps: float,
    *,
    told: Mapping[int, Point | None] | None = None,
    told_px: float = 0.0,
) -> Sightings:
    """Collect what may be the ball in a clip.

    In a frame that is not steady, a place is where it is. In frames of which a person has told
    where the ball is, or that there is none, nothing else may be: `told`, in the frames' own
    pixels, of balls `told_px` wide.
    """
    told = told or {}
    has_candidates = any(labels.candidates)
    found, frames, places, scales = [], [], [], []
    for frame in range(len(labels.frames)):
        if frame in told:
            balls = [_told_ball(place, told_px) for place in (told[frame],) if place is not None]
        elif has_candidates:
            balls = sorted(labels.candidates[frame], key=lambda ball: -(ball.score or 0.0))[:_MOST]
            balls = [ball for ball in balls if not any(_is_part(ball, whole) for whole in balls)]
        else:
            balls = labels.of_class(frame, BALL)
        for ball in balls:
            there = view.to_reference(frame, ball.centre)[0]
            steady = bool(np.isfinite(there).all())
            found.append(ball)
            frames.append(frame)
            places.append(there if steady else ball.centre)
            scales.append(view.scale(frame, ball.centre) if steady else 1.0)
    when, xy = np.array(frames, np.int64), np.array(places, float).reshape(-1, 2)
    area = np.array([max(ball.xywh[2] * ball.xywh[3], 1.0) for ball in found])
    own = np.array([ball.centre for ball in found], float).reshape(-1, 2)
    on_body, body_share = _on_bodies(when, own, people, len(labels.frames))
    return Sightings(
        found=tuple(found),
        frames=when,
        xy=xy,
        size_px=np.sqrt(area) * np.array(scales),
        score=np.array([_SURE if ball.score is None else ball.score for ball in found]),
        feet_off=_feet_off(when, xy, own, people, view, round(HIDDEN_S * fps)),
        on_body=on_body,
        body_share=body_share / (labels.width * labels.height),
        frame_count=len(labels.frames),
        size_wh=(labels.width, labels.height),
    )


def _is_part(ball: Detection, whole: Detection) -> bool:
    """Whether it is the lit side of another ball, which is about as likely one."""
    (x, y, w, h), (left, top, wide, high) = ball.xywh, whole.xywh
    if not 1.0 < wide * high / max(w * h, 1.0) < _MOST_OF_PART:
        return False
    across = min(x + w, left + wide) - max(x, left)
    along = min(y + h, top + high) - max(y, top)
    inside = max(across, 0.0) * max(along, 0.0) / max(w * h, 1.0)
    return inside > _INSIDE and (whole.score or 0.0) > _AS_LIKELY * (ball.score or 0.0)


def _told_ball(place: Point, wide_px: float) -> Detection:
    (x, y), side = place, max(wide_px, 1.0)
    return Detection(BALL, (x - side / 2, y - side / 2, side, side), found_by=HUMAN)


def _on_bodies(
    frames: NDArray[np.int64], own: Floats, people: People, count: int
) -> tuple[NDArray[np.bool_], float]:
    """Which places (N, 2) in their own frames are inside people's boxes, whose mean area in px²."""
    inside, area = np.zeros(len(frames), bool), 0.0
    for frame in range(count):
        boxes = [person.xyxy for person in people.in_frame(frame).values()]
        if boxes:
            low, high = np.searchsorted(frames, [frame, frame + 1])
            x, y = own[low:high].T[..., None]
            x0, y0, x1, y1 = np.array(boxes, float).T
            inside[low:high] = ((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)).any(axis=1)
            area += float(((x1 - x0) * (y1 - y0)).sum())
    return inside, area / max(count, 1)


def _feet_off(
    frames: NDArray[np.int64],
    xy: Floats,
    own: Floats,
    people: People,
    view: SteadyView,
    later: int,
) -> Floats:
    """The least distance (N,) of places from anybody's feet, in heights; infinite without people.

    Looked at from the frame before to `later` frames after each sighting.
    """
    off = np.full(len(frames), np.inf)
    for frame in range(-1, int(frames[-1]) + later + 1 if len(frames) else 0):
        low, high = np.searchsorted(frames, [frame - later, frame + 2])
        boxes = [person.xyxy for person in people.in_frame(frame).values()]
        if low == high or not boxes:
            continue
        there = view.to_frame(frame, xy[low:high])
        there = np.where(np.isfinite(there), there, own[low:high])
        x, y = there.T[..., None]
        x0, y0, x1, y1 = np.array(boxes, float).T
        tall = np.maximum(y1 - y0, 1.0)
        beside = np.maximum(x0 - _FEET_SIDE * tall - x, x - x1 - _FEET_SIDE * tall)
        above = np.maximum(y1 - _FEET * tall - y, y - y1 - _FEET_BELOW * tall)
        far = np.hypot(np.maximum(beside, 0), np.maximum(above, 0)) / tall
        off[low:high] = np.minimum(off[low:high], far.min(axis=1))
    return off
