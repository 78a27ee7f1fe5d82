"""Entries of the label history, and the values that stand after undo and redo.

The unit is one entry: one annotator said one thing about one item, once. Entries are only ever
appended; an undo is an entry that takes another back, and a redo takes back the undo. Knows nothing
about where entries are kept.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from workbench import __version__
from workbench.labels.values import Kind, LabelError, Value, check_kind, check_text, check_value


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One appended label; made now, under an id of its own, where nothing else is given."""

    # A UUID, made by whoever appends: sending it twice stores it once
    entry_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seq: int = 0  # the order in which this database received it
    kind: Kind
    item_id: str  # the clip rated or judged, the cut's own id, the event's own id
    source_id: str | None = None  # the video that frame numbers count in
    annotator: str
    value: Value | None  # None clears the item; an undo has none either
    undoes: str | None = None  # the entry that this one takes back
    tool: str  # what the annotator used
    tool_version: str = __version__
    # UTC; never runs backwards for one annotator
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


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
