"""Records of the label database: source videos, entries, and the values that stand.

The unit is one entry: one annotator said one thing about one item, once. Entries are only ever
appended; an undo is an entry that takes another back, and a redo takes back the undo. Frame numbers
count in a source: one video, known by its content wherever it lies and whatever it is called. Knows
nothing about where records are kept.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from workbench import __version__
from workbench.footage.clips import read_fraction
from workbench.labels.values import (
    Kind,
    LabelError,
    Value,
    check_kind,
    check_text,
    check_value,
    frames_and_places,
)


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
        return cls(**{**row, "fps": read_fraction(row["fps"])})


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


@dataclass(frozen=True)
class Entry:
    """One appended label; made now, under an id of its own, where nothing else is given."""

    kind: Kind
    item_id: str  # the clip rated or judged, the cut's own id, the event's own id
    value: Value | None  # as `values` describes; None clears the item; an undo has none either
    _: KW_ONLY
    annotator: str
    tool: str  # what the annotator used
    tool_version: str = __version__
    source_id: str | None = None  # the video that frame numbers count in, known to the database
    # The entry that this one takes back, of the same annotator and item; a redo takes back an undo
    undoes: str | None = None
    # A UUID, made by whoever appends: sending it twice stores it once
    entry_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seq: int = 0  # the order in which this database received it
    # UTC; never runs backwards for one annotator
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_row(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        created_at = self.created_at.astimezone(UTC).isoformat(timespec="microseconds")
        return {**asdict(self), "created_at": created_at}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Entry":
        """Undo `to_row`; `seq` may be absent."""
        strangers = {one.name for one in fields(cls)} ^ {"seq", *row}
        if strangers:
            raise ValueError(f"fields {sorted(strangers)}")
        return cls(**{**row, "created_at": datetime.fromisoformat(row["created_at"])})


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries oldest first: the order in which they count, whatever database they met in."""
    return sorted(entries, key=lambda entry: (entry.created_at, entry.entry_id))


def current(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    """Return the value that stands for every annotator and item; cleared items are left out.

    The last word on a label decides: of two undos of one label, a redo of either brings it back.

    Args:
        entries: Of one kind, oldest first; with every undo, also the entry that it takes back.

    Raises:
        LabelError: If an undo comes before what it takes back.
    """
    labels: list[Entry] = []
    stands: dict[str, bool] = {}  # by the label's entry id
    # Of every entry: the label at the end of its chain of undo and redo, and whether it keeps that.
    chain: dict[str, tuple[Entry, bool]] = {}
    for entry in entries:
        label, keeps = entry, True
        if entry.undoes is None:
            labels.append(entry)
        elif entry.undoes in chain:
            label, kept = chain[entry.undoes]
            keeps = not kept
        else:
            raise LabelError(
                f"entry {entry.entry_id} takes back {entry.undoes}, which is not before it",
                "give the whole history, oldest first",
            )
        chain[entry.entry_id] = label, keeps
        stands[label.entry_id] = keeps
    latest = {(label.annotator, label.item_id): label for label in labels if stands[label.entry_id]}
    return {key: label for key, label in latest.items() if label.value is not None}


def check_entry(entry: Entry) -> Entry:
    """Return an entry in the form it is stored in.

    Raises:
        LabelError: If a field is not what it should be.
    """
    if entry.created_at.tzinfo is None:
        raise LabelError(f"entry {entry.entry_id} has a time without zone", "write times in UTC")
    if not 1970 < entry.created_at.year < 9000:  # so that there is a time after, in every zone
        raise LabelError(f"entry {entry.entry_id} is of {entry.created_at}", "say when it was made")
    return replace(
        entry,
        entry_id=_check_id(entry.entry_id),
        kind=check_kind(entry.kind),
        item_id=check_text(entry.item_id, "the item id"),
        source_id=None if entry.source_id is None else check_text(entry.source_id, "the source id"),
        annotator=check_text(entry.annotator, "the annotator's name"),
        value=_value_of(entry),
        undoes=None if entry.undoes is None else _check_id(entry.undoes),
        tool=check_text(entry.tool, "the tool's name"),
        tool_version=check_text(entry.tool_version, "the tool's version"),
        created_at=entry.created_at.astimezone(UTC),
    )


def _check_id(entry_id: str) -> str:
    try:
        return str(uuid.UUID(entry_id))
    except (ValueError, AttributeError, TypeError):
        raise LabelError(f"entry id {entry_id!r} is no UUID", "give a UUID") from None


def _value_of(entry: Entry) -> Value | None:
    if entry.value is None:
        return None
    if entry.undoes is not None:
        raise LabelError("an undo has a value of its own", "undo first, then append the new value")
    return check_value(entry.kind, entry.value)


def check_source(source: Source) -> Source:
    """Return a source with its names composed.

    Raises:
        LabelError: If it has no frames, size, rate or duration.
    """
    counts = (source.frame_count, source.width, source.height)
    plays = (
        all(isinstance(count, int) and 0 < count < 2**31 for count in counts)
        and isinstance(source.duration_s, int | float)
        and 0 < source.duration_s < 2**31
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


def check_in_video(kind: Kind, value: Value | None, source: Source) -> None:
    """Check that the frames and places a label names are in its video.

    Raises:
        LabelError: If one is not.
    """
    for what, frame, place in frames_and_places(kind, value or {}):
        named = what if frame is None else f"{what} {(value or {}).get(what, frame)}"
        if frame is not None and frame >= source.frame_count:
            raise LabelError(
                f"{named} is beyond the end of {source.name} ({source.frame_count} frames)",
                "label a frame of the video",
            )
        size = (source.width, source.height)
        if place and not all(0 <= at <= side for at, side in zip(place, size, strict=True)):
            shown = ", ".join(f"{at:g}" for at in place)
            raise LabelError(
                f"{named} ({shown}) is outside the picture of {source.name} "
                f"({source.width} x {source.height})",
                "give pixels of the whole video, not of a smaller picture of it",
            )
