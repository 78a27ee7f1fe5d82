"""Teachers that look at one frame at a time, and the phrases they are asked by.

Objects of neighbouring frames that overlap share a track id. Models answer in their own words ("a
soccer ball"), which are read back into a class here. Knows nothing about the models that look.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import (
    CLASSES,
    Box,
    Detection,
    FrameDetections,
    encode_box,
    match_detections,
)
from workbench.detect.teacher import Past, Teacher, TeacherError
from workbench.detect.teachers.cleanup import one_per_object
from workbench.footage.frames import iter_frames

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Phrases = Mapping[str, Sequence[str]]  # class name to what it is asked for by

_LEAST_IOU = 0.3  # overlap from which objects of neighbouring frames are one
DEFAULT_PHRASES: Phrases = {"person": ("person",), "ball": ("ball",), "goal": ("goal post",)}


@dataclass(frozen=True)
class NamedBox:
    """A box as a model answers it: its own words for what is inside."""

    words: str
    xyxy: Box
    score: float | None  # 0–1; None where the model gives none


class LookingTeacher(Teacher):
    """Looks at every frame by itself.

    Args:
        settings: Everything that decides what is seen in an image.
        window_frames: Frames that are labelled, and saved, together.
    """

    def __init__(self, settings: Mapping[str, Any], window_frames: int = 64) -> None:
        self.settings = {**settings, "window_frames": window_frames, "least_iou": _LEAST_IOU}
        self.window_frames = window_frames

    @abstractmethod
    def look(self, image: Image) -> list[Detection]:
        """What is in an image (H, W, 3), RGB, without track ids."""

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what is seen in every frame of one window."""
        before, new_ids = past.tracked(), count(past.next_id)
        for frame in iter_frames(path, start=window.start, stop=window.stop):
            found = self.look(frame.image)
            pairs = match_detections(found, before, _LEAST_IOU)
            before = [
                replace(one, track_id=before[pairs[n]].track_id if n in pairs else next(new_ids))
                for n, one in enumerate(found)
            ]
            yield tuple(before)


def box_detections(
    boxes: Iterable[NamedBox], phrases: Phrases, shape_hw: tuple[int, int], found_by: str
) -> list[Detection]:
    """Filled boxes of our classes, cut to the image, each object once, the surest first."""
    seen: list[Detection] = []
    for box in sorted(boxes, key=lambda box: -1.0 if box.score is None else -box.score):
        name, mask = class_of(box.words, phrases), encode_box(box.xyxy, shape_hw)
        if name is not None and mask is not None:
            fields = {"score": box.score, "found_by": found_by, "prompt": box.words}
            seen.append(Detection.of_mask(name, mask, **fields))
    return one_per_object(seen, least_iou=0.7)


def checked_phrases(phrases: Phrases) -> dict[str, tuple[str, ...]]:
    """Phrases per class in one spelling: lower case, single spaces.

    Raises:
        TeacherError: If a class is not ours, or a phrase is empty or stands for two classes.
    """
    clean: dict[str, tuple[str, ...]] = {}
    for name, own in phrases.items():
        if name not in CLASSES:
            raise TeacherError(f"no class is called {name!r}", f"choose from {', '.join(CLASSES)}")
        clean[name] = tuple(_plain(phrase) for phrase in own)
    every = [phrase for own in clean.values() for phrase in own]
    if not every or "" in every or len(set(every)) < len(every):
        raise TeacherError(
            f"the phrases {every} cannot be told apart", "give each class words of its own"
        )
    return clean


def class_of(answer: str, phrases: Phrases) -> str | None:
    """The class that a model's words mean; None if they name none of ours, or two of them.

    Example:
        >>> class_of("Soccer balls", DEFAULT_PHRASES)
        'ball'
    """
    words = _plain(answer)
    for name, own in phrases.items():
        if words in own:
            return name
    matches = {name for name, own in phrases.items() for phrase in own if _says(words, phrase)}
    return matches.pop() if len(matches) == 1 else None


def _says(said: str, phrase: str) -> bool:
    singular = " ".join(word.removesuffix("s") for word in said.split())
    return any(f" {phrase} " in f" {words} " for words in (said, singular))


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(".", " ").split())
