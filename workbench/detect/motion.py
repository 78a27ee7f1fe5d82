"""The motion teacher: labels people, ball and goal of a fixed camera without any trained weights.

What differs from the median picture moves; clips of the same view help the median, because people
who stand still in one are elsewhere in another. Large upright blobs are people; the ball is the one
chain of small blobs through the clip that looks and moves most like a ball; the goal is found once
per window in the empty picture (`goalfinder`). People who stand still all the time stay unseen, and
a moving camera makes everything move: use another teacher there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from workbench.detect.ballpath import Spot, best_path
from workbench.detect.goalfinder import find_goal
from workbench.detect.teacher import BALL, CLASSES, GOAL, PERSON, LabelledFrame
from workbench.footage.frames import iter_frames, sample_frames
from workbench.footage.video_info import probe

_MOST_COMPANIONS = 6  # clips of the same view that help the background

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Blob:
    """A connected region that differs from the background; its mask is cut to the box."""

    x: int
    y: int
    mask: Mask
    score: float

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        height, width = self.mask.shape
        return self.x, self.y, self.x + width, self.y + height

    def full(self, shape_hw: tuple[int, int]) -> Mask:
        mask = np.zeros(shape_hw, bool)
        height, width = self.mask.shape
        mask[self.y : self.y + height, self.x : self.x + width] = self.mask
        return mask


class MotionTeacher:
    """Background model + shape + motion.

    Args:
        window_frames: Frames judged together: the background is theirs alone, and memory is bounded
            by them. Long enough that people leave the place where they stood.
        background_samples: Frames of the window that the median is taken of.
        min_contrast: Least difference from the background, in grey levels of any channel.
    """

    name = "motion"
    needs_fixed_camera = True

    def __init__(
        self, window_frames: int = 240, background_samples: int = 31, min_contrast: int = 22
    ) -> None:
        self._window, self._samples = window_frames, background_samples
        self._min_contrast = min_contrast

    def label(self, path: Path, same_view: Sequence[Path] = ()) -> Iterator[LabelledFrame]:
        """Yield every frame of the clip with people, ball and goal.

        Raises:
            FootageError: If a clip cannot be read.
        """
        count = probe(path).frame_count
        others = self._others(tuple(same_view), path)
        for start in range(0, count, self._window):
            yield from self._label_window(path, start, min(start + self._window, count), others)

    def _others(self, same_view: tuple[Path, ...], path: Path) -> list[Image]:
        """Frames of the clips that share the view, together as many as the clip's own."""
        clips = [other for other in same_view if other != path][:_MOST_COMPANIONS]
        each = -(-self._samples // max(1, len(clips)))
        found = [_spread(other, 0, probe(other).frame_count, each) for other in clips]
        return [frame for frames in found for frame in frames]

    def _label_window(
        self, path: Path, start: int, stop: int, others: list[Image]
    ) -> Iterator[LabelledFrame]:
        samples = [*_spread(path, start, stop, self._samples), *others]
        background = np.median(np.stack(samples), axis=0).astype(np.uint8)
        shape_hw = background.shape[0], background.shape[1]
        goal = find_goal(background)
        people: list[list[_Blob]] = []
        small: list[list[_Blob]] = []
        for frame in iter_frames(path, start=start, stop=stop):
            change = _compare(frame.image, background, self._min_contrast)
            persons = _find_people(change)
            people.append(persons)
            small.append(_find_small(change, persons))
        ball_at = best_path(
            [[_as_spot(blob) for blob in blobs] for blobs in small], reach_px=0.12 * shape_hw[1]
        )
        for offset, persons in enumerate(people):
            parts = [(PERSON, blob.full(shape_hw), blob.xyxy, blob.score) for blob in persons]
            if offset in ball_at:
                ball = small[offset][ball_at[offset]]
                parts.append((BALL, ball.full(shape_hw), ball.xyxy, ball.score))
            if goal is not None:
                parts.append((GOAL, goal.mask, goal.xyxy, goal.score))
            yield LabelledFrame(start + offset, _as_detections(parts, shape_hw))


def _spread(path: Path, start: int, stop: int, count: int) -> Image:
    """Frames spread evenly over [start, stop), at most `count` (N, H, W, 3)."""
    chosen = np.unique(np.linspace(start, stop - 1, count).round().astype(int))
    return sample_frames(path, chosen)


@dataclass(frozen=True)
class _Change:
    """Where one frame differs from the background, shadows left out."""

    difference: NDArray[np.uint8]  # (H, W) grey levels
    strong: Mask
    weak: Mask  # includes strong


def _compare(image: Image, background: Image, min_contrast: int) -> _Change:
    difference = np.asarray(cv2.absdiff(image, background).max(axis=2), np.uint8)
    noise = 1.4826 * float(np.median(difference[::4, ::4]))
    weak = difference > max(min_contrast / 2, 4 * noise)
    # A shadow darkens all channels by about the same factor; an object changes their ratio.
    ratio = (image[weak].astype(np.float32) + 8) / (background[weak].astype(np.float32) + 8)
    mean = ratio.mean(axis=1)
    spread = ratio.max(axis=1) - ratio.min(axis=1)
    weak[weak] = (mean < 0.4) | (mean > 0.95) | (spread > 0.13)
    return _Change(difference, weak & (difference > max(min_contrast, 6 * noise)), weak)


def _find_people(change: _Change) -> list[_Blob]:
    height, width = change.strong.shape
    unit = max(1, round(height / 180))
    # Close more along the height: a belt of grass colour must not cut somebody in two.
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * unit + 1, 6 * unit + 1))
    solid = cv2.morphologyEx(change.strong.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((unit + 1, unit + 1), np.uint8))
    people = []
    for blob in _blobs(np.asarray(solid, np.uint8), change):
        rows, columns = blob.mask.shape
        # Taller than a near ball; wider than tall only where somebody is close or dives.
        tall = rows >= 0.065 * height and rows >= (0.7 if rows > 0.15 * height else 1.25) * columns
        if tall and blob.mask.sum() >= 0.0005 * height * width and blob.mask.mean() > 0.2:
            people.append(blob)
    return people


def _find_small(change: _Change, people: list[_Blob]) -> list[_Blob]:
    """Blobs that may be a ball: small, compact, and no part of a person's outline."""
    height, width = change.weak.shape
    taken = np.zeros(change.weak.shape, np.uint8)
    for person in people:
        x0, y0, x1, y1 = person.xyxy
        taken[y0:y1, x0:x1] |= person.mask
    # Weak differences too, right beside strong ones: half of a small ball is its rim. Farther away
    # they are blocks that the video's compression left behind.
    beside = cv2.dilate(change.strong.astype(np.uint8), np.ones((5, 5), np.uint8))
    rest = np.asarray(change.weak & (beside > 0) & (taken == 0), np.uint8)
    found = []
    for wide in _blobs(rest, change):
        blob = _to_half_height(wide, change)
        rows, columns = blob.mask.shape
        area, side = int(blob.mask.sum()), max(rows, columns)
        small = 3 <= area <= 0.002 * height * width and side <= 0.09 * height
        if small and side <= 3.5 * min(rows, columns) and blob.mask.mean() > 0.45:
            found.append(blob)
    return found


def _to_half_height(blob: _Blob, change: _Change) -> _Blob:
    """Cut a blob at 40 % of its peak: a lens and a codec smear a small ball's rim outwards."""
    x0, y0, x1, y1 = blob.xyxy
    rise = np.where(blob.mask, change.difference[y0:y1, x0:x1], 0)
    core = rise > 0.4 * rise.max()
    rows, columns = core.any(axis=1).nonzero()[0], core.any(axis=0).nonzero()[0]
    cut = core[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _Blob(x0 + int(columns[0]), y0 + int(rows[0]), cut, blob.score)


def _blobs(mask: NDArray[np.uint8], change: _Change) -> Iterator[_Blob]:
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in boxes[number])
        if area < 3:
            continue
        box = slice(y, y + height), slice(x, x + width)
        own = labels[box] == number
        if not (own & change.strong[box]).any():
            continue
        contrast = float(change.difference[box][own].mean())
        yield _Blob(x, y, own, min(1.0, contrast / 90))


def _as_spot(blob: _Blob) -> Spot:
    height, width = blob.mask.shape
    roundness = min(height, width) / max(height, width)
    size = float(np.sqrt(blob.mask.sum()))
    compact = roundness * min(1.0, float(blob.mask.mean()) / 0.785)  # a disc fills π/4 of its box
    seen = min(1.0, size / 4)  # specks of a few pixels are mostly noise
    return Spot(
        x=blob.x + width / 2,
        y=blob.y + height / 2,
        size=size,
        likeness=seen * (0.5 * blob.score + 0.5 * compact),
    )


def _as_detections(
    parts: list[tuple[int, Mask, tuple[int, int, int, int], float]], shape_hw: tuple[int, int]
) -> sv.Detections:
    if not parts:
        return sv.Detections.empty()
    return sv.Detections(
        xyxy=np.array([xyxy for _, _, xyxy, _ in parts], np.float32),
        mask=np.stack([mask for _, mask, _, _ in parts]),
        confidence=np.array([score for *_, score in parts], np.float32),
        class_id=np.array([class_id for class_id, *_ in parts], int),
        data={"class_name": np.array([CLASSES[class_id] for class_id, *_ in parts])},
    )
