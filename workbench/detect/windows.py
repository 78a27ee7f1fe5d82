"""Labelling a clip window after window: memory bounded by the window, and work that can be resumed.

The unit is a window, a half-open range of frames. All that one window hands to the next is its
labels, as they are saved. A labelling that was killed therefore goes on with exactly what the
uninterrupted one would have known. Knows nothing about models.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from workbench.detect.annotations import Annotation, Sighting, to_annotations, to_sightings
from workbench.detect.teacher import LabelledFrame, Teacher
from workbench.footage.video_info import probe

FrameLabels = tuple[Annotation, ...]


@dataclass(frozen=True)
class Past:
    """What a window knows of the clip before it."""

    frames: tuple[FrameLabels, ...] = ()  # labels of the window before, by frame
    next_id: int = 1  # the first track id that no object of the clip has had

    def after(self, labels: Sequence[FrameLabels]) -> "Past":
        """The past of the next window, given the labels of this one."""
        ids = [label.get("track_id", 0) for frame in labels for label in frame]
        return Past(tuple(labels), max([self.next_id, *(number + 1 for number in ids)]))

    def tracked(self) -> list[Sighting]:
        """The objects that were followed up to the last frame before the window."""
        last = to_sightings(self.frames[-1]) if self.frames else []
        return [sighting for sighting in last if sighting.track_id is not None]


@runtime_checkable
class WindowedTeacher(Teacher, Protocol):
    """A teacher that labels each window from the frames and the labels before it alone."""

    def windows(self, path: Path) -> list[range]:
        """Frames of each window: together the whole clip, in order."""
        ...

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[LabelledFrame]:
        """Yield every frame of one window with what is seen in it."""
        ...


class EqualWindows(ABC):
    """The base of teachers whose windows are of equal length; says how a window is labelled."""

    name: str
    needs_fixed_camera: bool
    window_frames: int  # labelled, and saved, together

    def label(self, path: Path, same_view: Sequence[Path] = ()) -> Iterator[LabelledFrame]:
        """Yield every frame of the clip with what is seen in it.

        Raises:
            FootageError: If a clip cannot be read.
        """
        return label_in_order(self, path, same_view)

    def windows(self, path: Path) -> list[range]:
        """Frames of each window: together the whole clip, in order."""
        return split_frames(probe(path).frame_count, self.window_frames)

    @abstractmethod
    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[LabelledFrame]:
        """Yield every frame of one window with what is seen in it."""


def split_frames(count: int, size: int) -> list[range]:
    """Cut `count` frames into windows of `size`; the last may be shorter.

    Example:
        >>> split_frames(5, 2)
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def label_in_order(
    teacher: WindowedTeacher, path: Path, same_view: Sequence[Path] = ()
) -> Iterator[LabelledFrame]:
    """`Teacher.label` for teachers that work in windows."""
    past = Past()
    for window in teacher.windows(path):
        labels: list[FrameLabels] = []
        for labelled in teacher.label_window(path, window, past, same_view):
            labels.append(tuple(to_annotations(labelled.detections, teacher.name)))
            yield labelled
        past = past.after(labels)


class LabelReader:
    """Labels of a teacher for any frame of a clip, asked for in growing order.

    Holds the labels of one window of the teacher. A teacher without windows labels the whole clip
    at the first question.
    """

    def __init__(self, teacher: Teacher, path: Path, same_view: Sequence[Path] = ()) -> None:
        self.path = path
        self._teacher, self._same_view = teacher, same_view
        self._window, self._labels = range(0), Past()

    def reaches(self, path: Path, frame: int) -> bool:
        """Whether it can still answer for this frame of this clip."""
        return path == self.path and frame >= self._window.start

    def at(self, frame: int) -> FrameLabels:
        """Labels of one frame.

        Raises:
            FootageError: If the clip cannot be read.
        """
        if frame not in self._window:
            self._read(frame)
        return self._labels.frames[frame - self._window.start]

    def _read(self, frame: int) -> None:
        teacher, past = self._teacher, Past()
        if not isinstance(teacher, WindowedTeacher):
            found = [self._annotate(one) for one in teacher.label(self.path, self._same_view)]
            self._window, self._labels = range(len(found)), past.after(found)
            return
        for window in teacher.windows(self.path):
            if window.stop <= self._window.stop:
                past = self._labels  # labelled before
                continue
            frames = teacher.label_window(self.path, window, past, self._same_view)
            past = past.after([self._annotate(labelled) for labelled in frames])
            self._window, self._labels = window, past
            if frame in window:
                return

    def _annotate(self, labelled: LabelledFrame) -> FrameLabels:
        return tuple(to_annotations(labelled.detections, self._teacher.name))


def match_sightings(
    now: Sequence[Sighting], then: Sequence[Sighting], least_iou: float = 0.5
) -> dict[int, int]:
    """Pair sightings of the same class in two frames, largest overlap first, each used once.

    Returns:
        Place in `now` to place in `then`.
    """
    if not now or not then:
        return {}
    masks, others = [one.segmentation for one in now], [one.segmentation for one in then]
    overlap: NDArray[np.float64] = np.array(rle.iou(masks, others, [0] * len(others)))
    overlap[[[a.class_id != b.class_id for b in then] for a in now]] = -1
    pairs: dict[int, int] = {}
    for place in np.argsort(-overlap, axis=None, kind="stable"):
        row, column = divmod(int(place), len(then))
        if overlap[row, column] < least_iou:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs
