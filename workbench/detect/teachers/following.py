"""The windowed loop of a teacher that follows prompted objects through a clip.

Per window: objects that ran up to its first frame are followed on; a prompter marks objects on key
frames; what overlaps a running object is that object, and only what is new is added and followed
both ways in time; masks are cleaned and copies dropped. Memory is bounded by the window, whatever
the length of the clip. Knows nothing about the model that follows, which is a `Follower`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from workbench.detect.detections import (
    Box,
    Detection,
    FrameDetections,
    Mask,
    encode_box,
    encode_mask,
    xywh_of,
)
from workbench.detect.segmentation import Rle
from workbench.detect.teacher import Past, Teacher
from workbench.detect.teachers.cleanup import clean_mask, one_per_object
from workbench.detect.teachers.prompts import Prompt, Prompter
from workbench.footage.frames import iter_frames

_LEAST_SIDE = 8.0  # px: smaller boxes are grown to it before they are compared


@dataclass(frozen=True)
class Followed:
    """One object in one frame, as a follower sees it."""

    track_id: int
    mask: Mask  # (H, W), empty where the object is out of sight
    presence: float  # 0–1, how sure the follower is that the object is there


class Follower(Protocol):
    """Follows prompted objects through the images of one window after the other."""

    name: str
    settings: Mapping[str, Any]  # everything that decides what it sees

    def open(self, images: NDArray[np.uint8]) -> Any:
        """Make the images (N, H, W, 3), RGB, of a window ready; returns what `follow` takes."""

    def follow(
        self, opened: Any, prompts: Mapping[int, Prompt], place: int
    ) -> Iterator[tuple[int, list[Followed]]]:
        """Follow objects from one frame to both ends of an opened window.

        Args:
            opened: By `open`; it may be followed through as often as needed.
            prompts: Track id to what to follow.
            place: Which image of the window they are prompted on.

        Yields:
            Place and what is there; every place once.
        """


class FollowingTeacher(Teacher):
    """A prompter that says what to follow, and a follower that does.

    Args:
        window_frames: Frames that are held, followed and saved together.
        match_iou: Overlap of boxes from which a prompt means an object that already runs.
        max_objects: Objects followed at a time; the surest first. Bounds time and memory.
    """

    def __init__(
        self,
        follower: Follower,
        prompter: Prompter,
        window_frames: int = 32,
        match_iou: float = 0.5,
        max_objects: int = 32,
    ) -> None:
        self.name, self.needs_fixed_camera = follower.name, prompter.needs_fixed_camera
        self.settings = {
            **follower.settings,
            "prompter": dict(prompter.settings),
            "window_frames": window_frames,
            "match_iou": match_iou,
            "max_objects": max_objects,
        }
        self._follower, self._prompter = follower, prompter
        self.window_frames, self._match_iou, self._most = window_frames, match_iou, max_objects

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what is followed in every frame of one window."""
        running = {
            one.track_id: Prompt(one.class_name, one.prompt or "", one.score, mask=one.mask)
            for one in past.tracked()
            if one.track_id is not None
        }
        keys = self._prompter.key_frames(path, window)
        # One frame of overlap: the masks that running objects had there are their prompts here.
        first = window.start - bool(running)
        shot = _Shot(self._follower, path, range(first, window.stop))
        if running:
            shot.follow(running, 0)
        next_id = past.next_id
        for frame in keys:
            place = frame - first
            asked = self._prompter.prompts(path, frame, shot.images[place], same_view)
            room = self._most - len(shot.prompts)
            fresh = shot.match(asked, place, self._match_iou)[: max(0, room)]
            if fresh:
                shot.follow({next_id + order: prompt for order, prompt in enumerate(fresh)}, place)
                next_id += len(fresh)
        for frame in window:
            yield tuple(shot.found(frame - first, self._follower.name))


class _Shot:
    """What is known of one window while it is worked on; masks as run lengths."""

    def __init__(self, follower: Follower, path: Path, frames: range) -> None:
        shown = iter_frames(path, start=frames.start, stop=frames.stop)
        self.images = np.stack([frame.image for frame in shown])
        self.prompts: dict[int, Prompt] = {}  # by track id
        self._follower = follower
        self._seen: list[dict[int, tuple[Rle, float]]] = [{} for _ in self.images]
        self._opened: Any = None

    def follow(self, prompts: Mapping[int, Prompt], place: int) -> None:
        self.prompts.update(prompts)
        if self._opened is None:  # where nothing is prompted, nothing is made ready either
            self._opened = self._follower.open(self.images)
        for where, found in self._follower.follow(self._opened, prompts, place):
            for one in found:
                if one.mask.any():
                    mask = encode_mask(clean_mask(one.mask))
                    self._seen[where][one.track_id] = mask, one.presence

    def match(self, asked: Sequence[Prompt], place: int, least_iou: float) -> list[Prompt]:
        """Renew the scores of running objects that are prompted again; return what is new.

        Surest first, and two prompts of one object give one.
        """
        fresh: list[Prompt] = []
        for prompt in sorted(asked, key=lambda p: -1.0 if p.score is None else -p.score):
            meant = [
                number
                for number, (mask, _) in self._seen[place].items()
                if self.prompts[number].class_name == prompt.class_name
                and _means(prompt, mask, least_iou)
            ]
            for number in meant:
                own = self.prompts[number]
                if own.score is not None and prompt.score is not None:
                    self.prompts[number] = replace(own, score=max(own.score, prompt.score))
            height, width = self.images.shape[1:3]
            again = any(
                one.class_name == prompt.class_name
                and one.box is not None
                and (mask := encode_box(one.box, (height, width)))
                and _means(prompt, mask, least_iou)
                for one in fresh
            )
            if not meant and not again:
                fresh.append(prompt)
        return fresh

    def found(self, place: int, teacher: str) -> list[Detection]:
        """Objects in one frame; of copies of one class the one that ran first."""
        found = []
        for number, (mask, presence) in sorted(self._seen[place].items()):
            prompt = self.prompts[number]
            # At most the prompt's score: a product would fade from window to window.
            score = presence if prompt.score is None else min(presence, prompt.score)
            found.append(
                Detection.of_mask(
                    prompt.class_name,
                    mask,
                    score=score,
                    track_id=number,
                    found_by=teacher,
                    prompt=prompt.source,
                )
            )
        return one_per_object(found)


def _means(prompt: Prompt, mask: Rle, least_iou: float) -> bool:
    """Whether a box or points are about the object with this mask."""
    if prompt.box is None:
        pixels = rle.decode(mask)
        height, width = pixels.shape
        on = [(round(y), round(x)) for x, y, label in prompt.points if label]
        return any(0 <= y < height and 0 <= x < width and pixels[y, x] for y, x in on)
    left, top, right, bottom = prompt.box
    box = left, top, right - left, bottom - top
    (overlap,) = rle.iou([_grown(box)], [_grown(xywh_of(mask))], [0])[0]
    return bool(overlap >= least_iou)


def _grown(xywh: Box) -> list[float]:
    """Box with sides so long that a pixel more or less is little."""
    x, y, width, height = xywh
    wide, high = max(width, _LEAST_SIDE), max(height, _LEAST_SIDE)
    return [x + (width - wide) / 2, y + (height - high) / 2, wide, high]
