"""The base of all teachers: who finds people, ball and goal slowly, for a fast model to learn from.

A teacher works window after window, half-open ranges of frames, so that memory is bounded by the
window and work can be resumed. All that one window hands to the next is what was found, as it is
saved: a labelling that was killed goes on with exactly what the uninterrupted one would have known.
Which detections are good enough is decided later, at export. Knows nothing about any method.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

from workbench.detect.detections import Detection, FrameDetections
from workbench.detect.teacher_names import TeacherError as TeacherError
from workbench.footage.clips import Clip
from workbench.footage.steadyview import SteadyView
from workbench.footage.video_info import probe


@dataclass(frozen=True)
class Seen:
    """What a teacher says of one frame, and what else may be the ball there."""

    found: FrameDetections
    candidates: FrameDetections = ()  # the chosen ball is one of them; scores as probabilities


@dataclass(frozen=True)
class Past:
    """What a window knows of its clip: what was found before it, and how the camera moves."""

    frames: tuple[FrameDetections, ...] = ()  # of the window before
    next_id: int = 1  # the first track id that no object of the clip has had
    view: SteadyView | None = None  # where the camera moves and somebody needs it steady

    def after(self, frames: Sequence[FrameDetections]) -> "Past":
        """The past of the next window, given what was found in this one."""
        ids = [one.track_id or 0 for found in frames for one in found]
        return Past(tuple(frames), max([self.next_id, *(number + 1 for number in ids)]), self.view)

    def tracked(self) -> list[Detection]:
        """The objects that were followed up to the last frame before the window."""
        last = self.frames[-1] if self.frames else ()
        return [one for one in last if one.track_id is not None]


class Teacher(ABC):
    """Finds objects in the windows of a clip, each from its frames and the window before alone."""

    name: str
    needs_fixed_camera: bool = False  # or a `Past.view` in which the picture is steady
    window_frames: int  # worked on, and saved, together
    settings: Mapping[str, Any] = {}  # what, besides name and video, decides what it finds; as JSON
    # How another process makes it again, once: networks do not travel.
    recipe: tuple[Callable[[bytes], "Teacher"], bytes] | None = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.recipe is None:
            return super().__reduce_ex__(protocol)
        make, told = self.recipe
        return make, (told,)

    def for_clip(self, clip: Clip) -> "Teacher":
        """Who labels a clip: itself, unless that depends on the camera."""
        return self

    def to_search(self, clip: Clip) -> "Teacher":
        """Who looks through long footage for balls: quicker than labelling, where that can be."""
        return self.for_clip(clip)

    def can_label(self, clip: Clip) -> bool:
        """Whether the picture of a clip is, or can be made, as steady as this teacher needs."""
        return clip.is_steadiable or not self.for_clip(clip).needs_fixed_camera

    def about(self, clips: Sequence[Clip]) -> str:
        """Who labels clips, and why; a sentence or two for the report."""
        return f"Labelled by the teacher {self.name}."

    @abstractmethod
    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what is found in every frame of one window of a clip, in order.

        `same_view` are clips of its session, which a fixed camera filmed from the same place.

        Raises:
            FootageError: If a clip cannot be read.
        """

    def look_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[Seen]:
        """Yield the same as `label_window` with all that may be the ball, where a teacher knows.

        Which of several balls is kicked is told by what happens later: whoever analyses a shot
        chooses anew.
        """
        yield from map(Seen, self.label_window(path, window, past, same_view))

    def windows(self, path: Path) -> list[range]:
        """Frames of each window: together the whole clip, in order."""
        return split_frames(probe(path).frame_count, self.window_frames)

    def label(self, path: Path, same_view: Sequence[Path] = ()) -> Iterator[FrameDetections]:
        """Yield what is found in every frame of the clip, in order.

        Raises:
            FootageError: If a clip cannot be read.
        """
        past = Past()
        for window in self.windows(path):
            frames = list(self.label_window(path, window, past, same_view))
            yield from frames
            past = past.after(frames)


def split_frames(count: int, size: int) -> list[range]:
    """Cut `count` frames into windows of `size`; the last may be shorter.

    Example:
        >>> split_frames(5, 2)
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(start, min(start + size, count)) for start in range(0, count, size)]
