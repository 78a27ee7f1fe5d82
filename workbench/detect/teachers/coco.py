"""The teacher `coco`: people and balls by a pretrained detector, on any camera.

Any detector that knows COCO's classes, or ours, will do (`detectors`). It sees the whole frame and
tiles of it, where a far ball is large enough to be seen; several frames go through it together. It
labels every ball there is; which one is in play is decided where several finders are joined.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
import supervision as sv

from workbench.detect.detections import (
    BALL,
    CLASSES,
    GOAL,
    PERSON,
    FrameDetections,
    from_supervision,
)
from workbench.detect.detectors import DEFAULT_DETECTOR, load_detector, named_detector
from workbench.detect.teacher import Past, Teacher, TeacherError
from workbench.detect.tiles import Image, detect_tiled
from workbench.detect.tracking import Tracker
from workbench.footage.frames import iter_frames
from workbench.footage.video_info import probe

# What detectors call our classes.
COCO_WORDS: Mapping[str, Sequence[str]] = {
    PERSON: ("person",),
    BALL: ("sports ball", "ball"),
    GOAL: ("goal",),
}
_METHOD = 1  # raise when the same settings would give other labels
_TILES = 3
_OVERLAP = 0.2  # of neighbouring tiles, as a share of one
_REACH = 0.05  # of the frame's width: how far off its expected place an object may turn up
_RECALLED_FRAMES = 30  # of the window before, for a tracker to know who moves where


class CocoTeacher(Teacher):
    """A pretrained detector on whole frames and tiles.

    Args:
        detector: Its name or path (`load_detector`); by default what WORKBENCH_DETECTOR names, else
            RF-DETR nano.
        weights: A local file in place of the published weights of a detector by name.
        words: What the detector calls each of our classes; others are left out.
        class_names: Of an ONNX file whose classes are not COCO's.
        tiles: Along the long side of the frame; 1 looks at whole frames only. By default 3, and 1
            for a detector that takes seconds a frame on a CPU.
        min_score: What is less sure is left out.
        batch: Frames that are seen together.
        window_frames: Frames that are labelled, and saved, together.
        device: auto, cpu, cuda.

    Raises:
        WeightsError: If the detector is not there or cannot be had.
        TeacherError: If it knows none of the words, or a class is not ours.
    """

    name = "coco"

    def __init__(
        self,
        detector: str | None = None,
        weights: str | None = None,
        words: Mapping[str, Sequence[str]] = COCO_WORDS,
        class_names: Sequence[str] | None = None,
        tiles: int | None = None,
        min_score: float = 0.1,
        batch: int = 4,
        window_frames: int = 240,
        device: str = "auto",
    ) -> None:
        for option, value in (("tiles", tiles), ("batch", batch), ("window_frames", window_frames)):
            if value is not None and value < 1:
                raise TeacherError(f"{option} is {value}", "give 1 or more")
        for name in words:
            if name not in CLASSES:
                raise TeacherError(
                    f"no class is called {name!r}", f"choose from {', '.join(CLASSES)}"
                )
        chosen = detector or named_detector() or DEFAULT_DETECTOR
        self.detector = load_detector(chosen, weights, class_names, device)
        if tiles is None:
            tiles = 1 if self.detector.is_slow else _TILES
        theirs = {word: name for name, own in words.items() for word in own}
        self._ours = [theirs.get(name) for name in self.detector.classes]
        if not any(self._ours):
            raise TeacherError(
                f"{self.detector.name} knows {', '.join(self.detector.classes)[:80]}, "
                f"none of {', '.join(theirs)}",
                "say in words what it calls them",
            )
        self._tiles, self._min_score, self._batch = tiles, min_score, batch
        self.window_frames = window_frames
        self.settings = {
            "method": _METHOD,
            "detector": self.detector.identity,
            "words": {name: list(own) for name, own in words.items()},
            "class_names": list(class_names or ()),
            "tiles": tiles,
            "min_score": min_score,
            "window_frames": window_frames,
        }

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield people and balls of every frame of one window; who was seen before keeps its id."""
        return follow(path, self.look(path, window), past)

    def look(self, path: Path, window: range) -> Iterator[FrameDetections]:
        """Yield what is in every frame of a window, each seen by itself."""
        frames = iter_frames(path, start=window.start, stop=window.stop)
        while images := [frame.image for frame in islice(frames, self._batch)]:
            height, width = images[0].shape[:2]
            # Square, as inputs are: along the short side there are fewer.
            side = ceil(max(width, height) / (self._tiles - (self._tiles - 1) * _OVERLAP))
            answers = detect_tiled(images, self._see, tile_wh=(side, side))
            for answer in answers:
                found = from_supervision(answer, self.name, [name or "" for name in self._ours])
                yield tuple(replace(one, prompt=self.detector.name) for one in found)

    def _see(self, images: Sequence[Image]) -> list[sv.Detections]:
        return [self._ours_of(one) for one in self.detector.see(images, self._min_score)]

    def _ours_of(self, answer: sv.Detections) -> sv.Detections:
        assert answer.class_id is not None
        ours = [self._ours[place] is not None for place in answer.class_id.tolist()]
        return answer.select(np.array(ours, bool))


def follow(path: Path, frames: Iterable[FrameDetections], past: Past) -> Iterator[FrameDetections]:
    """Yield frames with track ids; who was seen in the window before keeps its own."""
    tracker = Tracker(_REACH * probe(path).width, first_id=past.next_id)
    for found in past.frames[-_RECALLED_FRAMES:]:
        tracker.recall([one for one in found if one.track_id is not None])
    for found in frames:
        yield tracker.update(found)
