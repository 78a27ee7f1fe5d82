"""Teachers that know objects by their colour: exact, quick, and with a log of their work."""

import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from workbench.detect.detections import BALL, PERSON, Detection, FrameDetections, encode_mask
from workbench.detect.teacher import Past, Teacher
from workbench.detect.teachers.following import Followed
from workbench.detect.teachers.looking import LookingTeacher
from workbench.detect.teachers.prompts import Prompt
from workbench.footage.writer import VideoWriter

RED, BLUE = (220, 30, 30), (30, 30, 220)
HW = (96, 160)


def red_box(frame: int) -> tuple[float, float, float, float]:
    return 10 + frame, 30, 34 + frame, 80


def blue_box(frame: int) -> tuple[float, float, float, float]:
    return 140 - frame, 10, 152 - frame, 22


def write_clip(path: Path, frames: int, blue_from: int = 0) -> Path:
    """A red person on his way to the right, and from some frame on a blue ball to the left."""
    with VideoWriter(path, HW[::-1], Fraction(30), crf=10) as video:
        for frame in range(frames):
            image = np.full((*HW, 3), (70, 140, 70), np.uint8)
            for box, colour in ((red_box(frame), RED), (blue_box(frame), BLUE)):
                if colour is RED or frame >= blue_from:
                    left, top, right, bottom = (int(side) for side in box)
                    image[top:bottom, max(left, 0) : right] = colour
            video.write(image)
    return path


def coloured(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where an image (H, W, 3) is nearly of that colour."""
    near: np.ndarray = np.abs(image.astype(int) - colour).max(axis=-1) < 70
    return near


class ColourLooker(LookingTeacher):
    """Finds the person and the ball in single frames; every look is a line in a log."""

    name = "colour"

    def __init__(self, log: Path | None = None, min_area: int = 4, window_frames: int = 64) -> None:
        super().__init__({"min_area": min_area}, window_frames)
        self._log, self._min_area = log, min_area

    def look(self, image: np.ndarray) -> list[Detection]:
        if self._log is not None:
            with self._log.open("a") as out:  # one write: whole or not at all
                out.write("look\n")
                os.fsync(out.fileno())
        masks = {PERSON: coloured(image, RED), BALL: coloured(image, BLUE)}
        return [
            Detection.of_mask(name, encode_mask(mask), score=0.9, found_by=self.name)
            for name, mask in masks.items()
            if mask.sum() >= self._min_area
        ]


class ColourWindows(Teacher):
    """The same, as a teacher that is asked for whole windows only."""

    name = "colour"

    def __init__(self, window_frames: int) -> None:
        self._looker, self.window_frames = ColourLooker(), window_frames

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        return self._looker.label_window(path, window, past, same_view)


class ColourFollower:
    """Follows whatever has the colour that was prompted."""

    name = "follower"
    settings: Mapping[str, object] = {}

    def open(self, images: np.ndarray) -> np.ndarray:
        return images

    def follow(
        self, opened: np.ndarray, prompts: Mapping[int, Prompt], place: int
    ) -> Iterator[tuple[int, list[Followed]]]:
        for where, image in enumerate(opened):
            masks = {n: coloured(image, _colour(opened[place], p)) for n, p in prompts.items()}
            yield where, [Followed(number, mask, 0.95) for number, mask in masks.items()]


def _colour(image: np.ndarray, prompt: Prompt) -> tuple[int, int, int]:
    """Of what is prompted in an image."""
    from pycocotools import mask as rle

    if prompt.mask is not None:
        rows, columns = rle.decode(prompt.mask).nonzero()
        x, y = columns.mean(), rows.mean()
    elif prompt.box is not None:
        x, y = (prompt.box[0] + prompt.box[2]) / 2, (prompt.box[1] + prompt.box[3]) / 2
    else:
        x, y, _ = prompt.points[0]
    pixel = image[int(y), int(x)]
    return RED if pixel[0] > pixel[2] else BLUE
