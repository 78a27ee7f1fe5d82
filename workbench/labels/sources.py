"""Source videos: what the frame numbers of a label refer to.

The unit is one video, known by its content wherever it lies and whatever it is called. Looking into
the file is left to `workbench.footage`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from workbench.labels.values import Kind, LabelError, Value, check_text

_FRAME_FIELDS: dict[Kind, tuple[tuple[str, int], ...]] = {
    "cut": (("start_frame", 0), ("end_frame", 1)),  # the end is exclusive
    "rating": (),
    "verdict": (("event_frame", 0),),
    "event": (("frame", 0),),
}


@dataclass(frozen=True)
class Source:
    """A video that frame numbers count in, known by its content."""

    source_id: str  # `workbench.footage.video_info.content_digest` of the file
    name: str  # what people call it
    fps: Fraction
    frame_count: int
    width: int  # as shown, after rotation
    height: int
    duration_s: float

    def to_row(self) -> dict[str, Any]:
        """The fields as JSON and databases hold them."""
        return {**asdict(self), "fps": str(self.fps)}

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> "Source":
        """Undo `to_row`."""
        return cls(**{**row, "fps": Fraction(row["fps"])})


def read_source(path: Path | str) -> Source:
    """Look into a video file for what labels need to know about it.

    Raises:
        FootageError: If it is no video that can be read.

    Example:
        >>> store.add_source(read_source("match.mp4"))  # doctest: +SKIP
    """
    from workbench.footage.video_info import content_digest, probe

    info = probe(path)
    return Source(
        source_id=content_digest(path),
        name=info.path.name,
        fps=info.fps,
        frame_count=info.frame_count,
        width=info.width,
        height=info.height,
        duration_s=info.duration_s,
    )


def check_source(source: Source) -> Source:
    """Return a source with its names composed.

    Raises:
        LabelError: If it has no frames, size, rate or duration.
    """
    counts = (source.frame_count, source.width, source.height)
    plays = (
        all(isinstance(count, int) and 0 < count < 2**31 for count in counts)
        and isinstance(source.duration_s, int | float)
        and 0 < source.duration_s < float("inf")
        and source.fps > 0
    )
    if not plays:
        raise LabelError(f"{source.name} has no frames, size or rate", "give a video that plays")
    return replace(
        source,
        source_id=check_text(source.source_id, "the source id"),
        name=check_text(source.name, "the name of a video"),
        fps=Fraction(source.fps),
    )


def check_frames(kind: Kind, value: Value | None, source: Source) -> None:
    """Check that the frames a label names are in its video.

    Raises:
        LabelError: If one is not.
    """
    for name, beyond in _FRAME_FIELDS[kind]:
        frame = (value or {}).get(name)
        if frame is not None and frame >= source.frame_count + beyond:
            raise LabelError(
                f"{name} {frame} is beyond the end of {source.name} ({source.frame_count} frames)",
                "label a frame of the video",
            )
