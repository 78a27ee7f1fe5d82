"""Balls that lie still, looked at again in the pictures where no finder saw them.

The unit is one clip's sightings. A ball at rest is seen well until somebody stands over it, and
then it is kicked. Whether it is there still is told pixel by pixel: what is at its place looks like
the ball that lay there, like the ground that is there when it is gone, or like neither, which is a
leg and says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import BALL, Detection
from workbench.detect.store import ClipDetections
from workbench.footage.frames import iter_frames
from workbench.footage.pinhole import Floats
from workbench.footage.planemaps import Image
from workbench.footage.steadyview import SteadyView
from workbench.footage.timeline import Timeline
from workbench.shots.ball.sightings import Sightings

_LEAST_SCORE = 0.2  # of a sighting of a ball that lies still …
_NEAR, _ALIKE = 0.5, 0.6  # … within so many sizes and doublings of size of each other, …
_FEWEST = 4  # … in so many pictures
_AT_FEET = 0.3  # of a person's height: nobody kicks what is never nearer to feet
_MOST_PLACES = 6  # that are looked at, those of most sightings
# After the last sighting: from when on the ground is bare (before, a leg may hide the ball), and
# until when it is looked at.
_GONE_S, _UNTIL_S = 0.5, 5.0
_FEWEST_BARE = 5  # pictures of the ground
_HALF = 0.7  # of the ball's size, that is looked at around its middle
_LEAST_CONTRAST = 36.0  # between ball and ground, summed over red, green and blue
_FEWEST_PIXELS = 8  # that tell ball from ground
_LIKE = 0.35  # of the difference between the two, that a pixel may be off either
_LEAST_SHOWN = 0.2  # of these pixels, that say so; the others are hidden
_MORE = 2.0  # times as many for the ball as for the ground


@dataclass(frozen=True)
class _Place:
    """Where a ball lies still."""

    xy: Floats  # (2,) in the steady view
    size_px: float  # there
    score: float
    frames: NDArray[np.int64]  # in which it is seen


def with_resting(
    labels: ClipDetections, seen: Sightings, video: Path, view: SteadyView, timeline: Timeline
) -> ClipDetections:
    """Return labels whose candidates hold the balls that lie still and that nobody has seen.

    Args:
        labels: By picture, as `seen`, `view` and `timeline` are.
        seen: What may be a ball.
        video: The clip.
        view: In which places stay.
        timeline: Which frame shows which picture.

    Raises:
        FootageError: If the clip cannot be read.
    """
    places = _places(seen) if any(labels.candidates) else []
    if not places:
        return labels
    cuts = _looks(places, video, view, timeline)
    candidates = [list(found) for found in labels.candidates]
    for place, looks in zip(places, cuts, strict=True):
        for one in _shown(place, looks, timeline.fps):
            x, y = view.to_frame(one, place.xy)[0]
            side = place.size_px / view.scale(one, (x, y))
            box = (float(x - side / 2), float(y - side / 2), side, side)
            found_by = seen.found[0].found_by
            candidates[one].append(Detection(BALL, box, score=place.score, found_by=found_by))
    return replace(labels, candidates=[tuple(found) for found in candidates])


def _places(seen: Sightings) -> list[_Place]:
    """Where balls lie still at somebody's feet, those of most sightings first."""
    left = np.flatnonzero(seen.score >= _LEAST_SCORE)
    places: list[_Place] = []
    while len(left):
        best = left[np.argmax(seen.score[left])]
        off = np.abs(seen.xy[left] - seen.xy[best]).max(axis=1)
        doublings = np.abs(np.log2(seen.size_px[left] / seen.size_px[best]))
        own = left[(off <= _NEAR * seen.size_px[best]) & (doublings <= _ALIKE)]
        left = np.setdiff1d(left, own)
        frames = np.unique(seen.frames[own])
        if len(frames) >= _FEWEST and seen.feet_off[own].min() <= _AT_FEET:
            middle, size = np.median(seen.xy[own], axis=0), float(np.median(seen.size_px[own]))
            places.append(_Place(middle, size, float(np.median(seen.score[own])), frames))
    return sorted(places, key=lambda place: -len(place.frames))[:_MOST_PLACES]


def _looks(
    places: Sequence[_Place], video: Path, view: SteadyView, timeline: Timeline
) -> list[dict[int, Image]]:
    """What is at each place, picture by picture from its first sighting on: (S, S, 3) each."""
    picture_of = {frame: one for one, frame in enumerate(timeline.frames) if frame >= 0}
    start = min(int(place.frames[0]) for place in places)
    until = [place.frames[-1] + round(_UNTIL_S * timeline.fps) for place in places]
    first, last = timeline.frame(start), timeline.frame(max(until))
    cuts: list[dict[int, Image]] = [{} for _ in places]
    for frame in iter_frames(video, start=first, stop=last + 1):
        one = picture_of.get(frame.index)
        if one is None:
            continue
        for place, end, looks in zip(places, until, cuts, strict=True):
            at = view.to_frame(one, place.xy)[0]
            if not place.frames[0] <= one <= end or not np.isfinite(at).all():
                continue
            side = 2 * max(2, round(_HALF * place.size_px)) + 1
            middle = float(at[0]) - 0.5, float(at[1]) - 0.5
            looks[one] = np.asarray(cv2.getRectSubPix(frame.image, (side, side), middle), np.uint8)
    return cuts


def _shown(place: _Place, looks: dict[int, Image], fps: float) -> list[int]:
    """The pictures in which the ball is there, though nobody has seen it."""
    bare = [one for one in looks if one > place.frames[-1] + _GONE_S * fps]
    lain = [one for one in place.frames.tolist() if one in looks]
    if len(bare) < _FEWEST_BARE or not lain:
        return []
    ball = np.median([looks[one] for one in lain], axis=0)
    ground = np.median([looks[one] for one in bare], axis=0)
    apart = np.abs(ball - ground).sum(axis=2)
    tells = apart > _LEAST_CONTRAST
    if tells.sum() < _FEWEST_PIXELS:
        return []
    shown = []
    for one, look in looks.items():
        if one in place.frames:
            continue
        off_ball, off_ground = (np.abs(look - other).sum(axis=2) for other in (ball, ground))
        for_ball = float((tells & (off_ball < _LIKE * apart)).sum())
        for_ground = float((tells & (off_ground < _LIKE * apart)).sum())
        if for_ball >= max(_LEAST_SHOWN * tells.sum(), _MORE * for_ground):
            shown.append(one)
    return shown
