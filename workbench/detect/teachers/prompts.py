"""What a follower is told to follow: boxes, points or masks in single frames.

The unit is a `Prompt` in one frame, from another teacher or from a human's file. Knows nothing
about how objects are followed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from workbench.detect.detections import (
    CLASSES,
    HUMAN,
    Box,
    Detection,
    FrameDetections,
    accepted,
)
from workbench.detect.segmentation import Rle
from workbench.detect.teacher import Teacher, TeacherError
from workbench.detect.teachers.looking import Image, LookingTeacher
from workbench.footage.clips import resolve_names, video_name
from workbench.saving import reading
from workbench.training.weights import weights_identity

PROMPTS_FORMAT = "workbench-prompts/1"

Point = tuple[float, float, int]  # x, y in pixels; 1 on the object, 0 beside it


@dataclass(frozen=True)
class Prompt:
    """One object to follow: its box or points, as prompters mark them, or the mask it has had."""

    class_name: str
    source: str  # who prompts, and by which words
    score: float | None = None
    box: Box | None = None  # left, top, right, bottom
    points: tuple[Point, ...] = ()
    mask: Rle | None = None


class Prompter(Protocol):
    """Says what to follow on key frames."""

    needs_fixed_camera: bool
    settings: Mapping[str, Any]  # everything that decides its prompts

    def key_frames(self, path: Path, window: range) -> list[int]:
        """Frames of the window that it wants to prompt on."""

    def prompts(
        self, path: Path, frame: int, image: Image, same_view: Sequence[Path]
    ) -> list[Prompt]:
        """What is to be followed from this frame on."""


class TeacherPrompter:
    """Boxes that a teacher finds, every so many frames.

    Args:
        teacher: Who finds the objects. One that looks at single frames sees the key frames alone;
            another labels all frames on the way to a key frame.
        every: Frames from one key frame to the next.
        min_score: Finds below are not worth following.
    """

    def __init__(self, teacher: Teacher, every: int = 16, min_score: float = 0.3) -> None:
        self.needs_fixed_camera = teacher.needs_fixed_camera
        self.settings: Mapping[str, Any] = {
            "teacher": teacher.name, "every": every, "min_score": min_score, **teacher.settings
        }  # fmt: skip
        self._teacher, self._every, self._min_score = teacher, every, min_score
        self._path, self._next = Path(), 0  # what the teacher labels, and from which frame on
        self._labels: Iterator[FrameDetections] = iter(())

    def key_frames(self, path: Path, window: range) -> list[int]:
        """The first frame of the window and every so many after it."""
        return list(window)[:: self._every]

    def prompts(
        self, path: Path, frame: int, image: Image, same_view: Sequence[Path]
    ) -> list[Prompt]:
        """Boxes of what is found in this frame."""
        found: Sequence[Detection]
        if isinstance(self._teacher, LookingTeacher):
            found = self._teacher.look(image)
        else:
            if path != self._path or frame < self._next:
                self._path, self._next = path, 0
                self._labels = self._teacher.label(path, same_view)
            coming = islice(self._labels, frame - self._next, None)
            self._next = frame + 1
            found = next(coming)
        return [
            Prompt(
                one.class_name,
                source=f"{one.found_by}: {one.prompt or one.class_name}",
                score=one.score,
                box=one.xyxy,
            )
            for one in accepted(found, self._min_score)
        ]


class FilePrompter:
    """A human's prompts from a JSON file.

    The file holds, per clip and frame, boxes and points. A clip is named by its video, with or
    without suffix, from any folder on: `cam1/shot_001` where `shot_001` would be two::

        {"format": "workbench-prompts/1",
         "clips": {"shot_001": {"0": [{"class": "ball", "box": [310, 200, 318, 208]},
                                      {"class": "person", "points": [[120, 180, 1]]}]}}}

    Boxes are left, top, right, bottom in pixels; a point is x, y and 1 on the object or 0 beside.

    Raises:
        TeacherError: If the file is absent or says something else; when asked for a clip, if it is
            named twice, or its name is also that of a clip asked for before.
    """

    needs_fixed_camera = False

    def __init__(self, path: Path) -> None:
        self._file = path
        self._clip_to_frames = _read_prompts(path)
        self._name_to_video: dict[str, Path] = {}  # asked for so far
        self.settings: Mapping[str, Any] = {"teacher": HUMAN, "prompts": weights_identity(path)}

    def key_frames(self, path: Path, window: range) -> list[int]:
        """The frames of the window that the human prompted on."""
        return [frame for frame in self._frames_of(path) if frame in window]

    def prompts(
        self, path: Path, frame: int, image: Image, same_view: Sequence[Path]
    ) -> list[Prompt]:
        """What the human marked in this frame."""
        return list(self._frames_of(path)[frame])

    def _frames_of(self, path: Path) -> dict[int, list[Prompt]]:
        video = path.absolute()
        names = list(resolve_names(self._clip_to_frames, [(video_name(str(video)), "it")]))
        if len(names) > 1:
            problem = f"{self._file}: {names[0]!r} and {names[1]!r} are both {path}"
            raise TeacherError(problem, "keep one of them")
        if not names:
            return {}
        other = self._name_to_video.setdefault(names[0], video)
        if other != video:
            problem = f"{self._file}: {names[0]!r} may be {other} or {video}"
            raise TeacherError(problem, "write its path from a folder on that tells them apart")
        return self._clip_to_frames[names[0]]


def _read_prompts(path: Path) -> dict[str, dict[int, list[Prompt]]]:
    with reading(path, "a prompts file", f"write it as {PROMPTS_FORMAT}", TeacherError) as content:
        if content["format"] != PROMPTS_FORMAT:
            raise ValueError(f"format is {content['format']!r}")
        return {
            clip: {
                int(frame): [_to_prompt(row) for row in rows]
                for frame, rows in sorted(frames.items(), key=lambda item: int(item[0]))
            }
            for clip, frames in content["clips"].items()
        }


def _to_prompt(row: Mapping[str, Any]) -> Prompt:
    class_name = row["class"]
    if class_name not in CLASSES:
        raise ValueError(f"no class is called {class_name!r}: {row}")
    if ("box" in row) == ("points" in row):
        raise ValueError(f"give a box or points: {row}")
    if "points" in row:
        points = tuple((float(x), float(y), int(on)) for x, y, on in row["points"])
        if not all(math.isfinite(value) for point in points for value in point):
            raise ValueError(f"a point that is nowhere: {row}")
        if not any(on for *_, on in points):
            raise ValueError(f"no point on the object: {row}")
        return Prompt(class_name, HUMAN, points=points)
    left, top, right, bottom = (float(value) for value in row["box"])
    if not (-math.inf < left < right < math.inf and -math.inf < top < bottom < math.inf):
        raise ValueError(f"a box without area: {row}")
    return Prompt(class_name, HUMAN, box=(left, top, right, bottom))
