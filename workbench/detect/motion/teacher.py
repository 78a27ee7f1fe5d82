"""The motion teacher: labels people, ball and goal of a steady picture without trained weights.

What differs from the median picture moves; clips of the same view help the median, because people
who stand still in one are elsewhere in another. Large upright blobs are people; the ball is the one
chain of small blobs through the clip that looks and moves most like a ball, looked for again once
its colours are known (`ballfinder`); the goal is found once per window in the empty picture
(`goalfinder`). People who stand still all the time stay unseen. Where the camera moves, all this
happens in the view of one frame (`Past.view`); frames that cannot be seen in it stay empty.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.detect.detections import (
    BALL,
    GOAL,
    PERSON,
    Detection,
    FrameDetections,
    Mask,
    encode_mask,
)
from workbench.detect.motion.ballfinder import BallFinder
from workbench.detect.motion.change import Blob, Change, Image, blobs, compare, covered
from workbench.detect.motion.goalfinder import find_goal
from workbench.detect.teacher import Past, Seen, Teacher
from workbench.detect.tracking import Tracker
from workbench.footage.frames import iter_frames, sample_frames
from workbench.footage.steadyview import SteadyView
from workbench.footage.video_info import probe

_METHOD = 6  # raise when the same settings would give other labels: old ones are then made anew
_MOST_COMPANIONS = 6  # clips of the same view that help the background
_GOAL_ID, _BALL_ID = 1, 2  # there is one of each; people are counted on from there
_RECALLED_FRAMES = 30  # of the window before, for a tracker to know who moves where


@dataclass
class MotionTeacher(Teacher):
    """Background model + shape + motion.

    `more["corners_px"]` of a goal holds its mouth's corners (4, 2): left bottom, left top, right
    top, right bottom.
    """

    name = "motion"
    needs_fixed_camera = True

    # Judged together: the background is theirs alone, and memory is bounded by them. Long enough
    # that people leave the place where they stood.
    window_frames: int = 240
    background_samples: int = 31  # frames of the window that the median is taken of
    min_contrast: int = 22  # least difference from the background, in grey levels of any channel
    # Consider that the ball may be as small as three pixels. Costs a second search; false where the
    # camera is near.
    small_ball: bool = True
    second_look: bool = True  # learn the ball's colours from what was found, and look again

    def __post_init__(self) -> None:
        self.settings = {"method": _METHOD, **asdict(self)}

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what is found in every frame of one window; people seen before keep their ids."""
        return (seen.found for seen in self.look_window(path, window, past, same_view))

    def look_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[Seen]:
        """Yield the same with all blobs that may be the ball."""
        view = past.view or SteadyView()
        own = _spread(path, view, window.start, window.stop, self.background_samples)
        others = _companions(path, tuple(same_view), self.background_samples)
        background = np.median(np.concatenate([own, *others]), axis=0).astype(np.uint8)
        shape_hw = background.shape[0], background.shape[1]
        goal = find_goal(background)
        people, finder = self._look(path, window, view, background)
        balls, candidates = finder.choose(), finder.candidates()
        tracker = _tracker_after(past)
        for offset, persons in enumerate(people):
            shown = partial(view.mask_in_frame, window[offset])
            seen = [_found(PERSON, shown(covered([one], shape_hw)), one.score) for one in persons]
            single = []
            if ball := balls.get(offset):
                mask = shown(covered([ball], shape_hw))
                single.append(_found(BALL, mask, ball.score, track_id=_BALL_ID))
            if goal and (mask := shown(goal.mask)).any():
                there = view.to_frame(window[offset], goal.corners)
                more = {"corners_px": np.round(there, 2).tolist()}
                single.append(_found(GOAL, mask, goal.score, track_id=_GOAL_ID, more=more))
            inside = [one for one in (*seen, *single) if one.area_px]
            found = (
                *tracker.update([one for one in inside if one.class_name == PERSON]),
                *(one for one in inside if one.class_name != PERSON),
            )
            yield Seen(found, _placed(candidates[offset], view, window[offset]))

    def _look(
        self, path: Path, window: range, view: SteadyView, background: Image
    ) -> tuple[list[list[Blob]], BallFinder]:
        """People by frame, and who has looked for the ball, in the steady view."""
        people: list[list[Blob]] = []
        finder = BallFinder(background.shape[1], self.small_ball)

        def changes() -> Iterator[Change]:
            for frame in iter_frames(path, start=window.start, stop=window.stop):
                image = view.image(frame.index, frame.image, background)
                yield compare(image, background, self.min_contrast)

        for change in changes():
            people.append(_find_people(change))
            finder.observe(change, people[-1])
        if self.second_look and finder.learn():
            for change in changes():
                finder.observe_again(change)
        return people, finder


def _spread(path: Path, view: SteadyView, start: int, stop: int, count: int) -> Image:
    """Frames spread evenly over [start, stop), at most `count` (N, H, W, 3), in the steady view."""
    chosen = np.unique(np.linspace(start, stop - 1, count).round().astype(int))
    images = sample_frames(path, chosen)
    if view.frames is None:
        return images
    [still] = sample_frames(path, [view.reference])
    return np.stack([view.image(n, one, still) for n, one in zip(chosen, images, strict=True)])


@lru_cache(maxsize=1)  # the windows of a clip ask one after the other
def _companions(path: Path, same_view: tuple[Path, ...], samples: int) -> tuple[Image, ...]:
    """Frames of the clips that share the view, together about as many as `samples`."""
    clips = [other for other in same_view if other != path][:_MOST_COMPANIONS]
    each = -(-samples // max(1, len(clips)))
    still = SteadyView()
    return tuple(_spread(other, still, 0, probe(other).frame_count, each) for other in clips)


def _placed(blobs_: Sequence[Blob], view: SteadyView, frame: int) -> FrameDetections:
    """Boxes of blobs of the steady view in a frame; nothing where it is not steady."""
    found = []
    for blob in blobs_:
        rows, columns = blob.mask.shape
        [(x, y)] = view.to_frame(frame, (blob.x + columns / 2, blob.y + rows / 2))
        if math.isfinite(x):
            box = (round(x - columns / 2, 2), round(y - rows / 2, 2), float(columns), float(rows))
            name = MotionTeacher.name
            found.append(Detection(BALL, box, score=blob.score, found_by=name))
    return tuple(found)


def _tracker_after(past: Past) -> Tracker:
    """A tracker that knows the people of the frames before."""
    first_id = max(past.next_id, _BALL_ID + 1)
    # People are larger than their steps: half of somebody's size is reach enough.
    tracker = Tracker(reach_px=0.0, sure=0.0, first_id=first_id)
    for found in past.frames[-_RECALLED_FRAMES:]:
        people = [one for one in found if one.class_name == PERSON]
        tracker.recall([one for one in people if one.track_id is not None])
    return tracker


def _found(class_name: str, mask: Mask, score: float, **fields: Any) -> Detection:
    fields |= {"score": score, "found_by": MotionTeacher.name}
    return Detection.of_mask(class_name, encode_mask(mask), **fields)


def _find_people(change: Change) -> list[Blob]:
    height, width = change.strong.shape
    unit = max(1, round(height / 180))
    # Close more along the height: a belt of grass colour must not cut somebody in two.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * unit + 1, 6 * unit + 1))
    solid = cv2.morphologyEx(change.strong.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((unit + 1, unit + 1), np.uint8))
    people = []
    for blob in blobs(np.asarray(solid, np.uint8), change):
        rows, columns = blob.mask.shape
        # Taller than a ball and not round; wider than tall only where somebody is close or dives.
        tall = rows >= 0.045 * height and rows >= (0.7 if rows > 0.15 * height else 1.25) * columns
        if tall and blob.mask.sum() >= 0.0002 * height * width and blob.mask.mean() > 0.2:
            people.append(blob)
    return people
