"""What a teacher is: who labels the frames of a clip so that a fast model can learn from it.

The unit is one frame's `supervision.Detections`: boxes, masks, scores, class ids, track ids, and in
`data` the teacher and the prompt of each. Which labels are good enough is decided later, at export.
Knows nothing about any particular method.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import supervision as sv

from workbench.errors import WorkbenchError

CLASSES = ("person", "ball", "goal")  # class_id is the place in this tuple
PERSON, BALL, GOAL = range(len(CLASSES))


def plural(name: str) -> str:
    """Return the word for several objects of a class."""
    return "people" if name == "person" else f"{name}s"


class TeacherError(WorkbenchError):
    """A teacher that does not exist, lacks its weights, or cannot label this footage."""


@dataclass(frozen=True)
class LabelledFrame:
    """What a teacher saw in one frame."""

    frame: int  # index within the clip, presentation order
    detections: (
        sv.Detections
    )  # with mask, confidence, class_id; tracker_id where objects are followed


class Teacher(Protocol):
    """Labels clips frame by frame, in order, in bounded memory."""

    name: str
    needs_fixed_camera: bool

    def label(self, path: Path, same_view: Sequence[Path] = ()) -> Iterator[LabelledFrame]:
        """Yield every frame of the clip with what is seen in it.

        Args:
            path: The clip.
            same_view: Clips of the same session, which a fixed camera filmed from the same place.
        """
        ...


def settings_of(teacher: Teacher) -> dict[str, Any]:
    """Everything besides name and video that decides a teacher's labels, as plain JSON values.

    A teacher tells it in its attribute `settings` (options, weights); one without has no choices.
    """
    return dict(getattr(teacher, "settings", {}))
