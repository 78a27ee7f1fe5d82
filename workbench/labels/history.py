"""What a history of labels comes to: undo, redo, and the value that stands.

The unit is one entry: one annotator said one thing about one item, once. Entries are only ever
appended; an undo is an entry that takes another back, and a redo takes back the undo. Knows nothing
about where entries are kept.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from workbench.labels.values import Kind, LabelError, Value, check_kind, check_text, check_value


@dataclass(frozen=True)
class Entry:
    """One appended label."""

    entry_id: str  # UUID, made by whoever appends: sending it twice stores it once
    seq: int  # the order in which this database received it
    kind: Kind
    item_id: str  # the clip rated or judged, the cut's own id, the event's own id
    source_id: str | None  # the video that frame numbers count in
    annotator: str
    value: Value | None  # None clears the item; an undo has none either
    undoes: str | None  # the entry that this one takes back
    tool: str  # what the annotator used
    tool_version: str
    created_at: datetime  # UTC; never runs backwards for one annotator


@dataclass(frozen=True)
class Undoable:
    """What an annotator may undo and redo, most recent last.

    To undo, append an entry that undoes the last of `done`; to redo, one that undoes the last of
    `undone`.
    """

    done: list[Entry]  # labels that stand, replaced ones among them
    undone: list[Entry]  # undo entries, none of which was followed by a new label


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries oldest first: the order in which they count, whatever database they met in."""
    return sorted(entries, key=lambda entry: (entry.created_at, entry.entry_id))


def current(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    """Return the value that stands for every annotator and item; cleared items are left out.

    Args:
        entries: Of one kind, oldest first; with every undo, also the entry that it takes back.
    """
    standing = _Standing(entries)
    latest: dict[tuple[str, str], Entry] = {}
    for label in standing.labels:
        if standing.is_standing[label.entry_id]:
            latest[label.annotator, label.item_id] = label
    return {key: label for key, label in latest.items() if label.value is not None}


def undoable(entries: Iterable[Entry]) -> Undoable:
    """Return what can be undone and redone after a history, as an editor would have it.

    A new label after an undo ends what could be redone. The history alone decides, so that undo
    goes on working after a tool was restarted.

    Args:
        entries: Of one annotator, oldest first.
    """
    standing = _Standing(())
    done: list[Entry] = []
    undone: list[tuple[Entry, Entry]] = []  # (label, the undo that took it back)
    for entry in entries:
        label, stands = standing.add(entry)
        done = [other for other in done if other.entry_id != label.entry_id]
        undone = [pair for pair in undone if pair[0].entry_id != label.entry_id]
        if stands:
            done.append(label)
        else:
            undone.append((label, entry))
        if entry.undoes is None:
            undone = []
    return Undoable(done, [undo for _, undo in undone])


def _check_id(entry_id: str) -> str:
    try:
        return str(uuid.UUID(entry_id))
    except (ValueError, AttributeError, TypeError):
        raise LabelError(f"entry id {entry_id!r} is no UUID", "give a UUID") from None


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


def _value_of(entry: Entry) -> Value | None:
    if entry.value is None:
        return None
    if entry.undoes is not None:
        raise LabelError("an undo has a value of its own", "undo first, then append the new value")
    return check_value(entry.kind, entry.value)


class _Standing:
    """Follows chains of undo and redo down to the label at their end.

    The last word on a label decides: of two undos of one label, a redo of either brings it back.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.labels: list[Entry] = []
        self.is_standing: dict[str, bool] = {}
        # every entry to the label at the end of its chain, and whether it keeps that
        self._chain: dict[str, tuple[Entry, bool]] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> tuple[Entry, bool]:
        """Count one more entry; return the label it is about, and whether that stands now."""
        if entry.undoes is None:
            label, keeps = entry, True
            self.labels.append(entry)
        else:
            try:
                label, kept = self._chain[entry.undoes]
            except KeyError:
                raise LabelError(
                    f"entry {entry.entry_id} takes back {entry.undoes}, which is not before it",
                    "give the whole history, oldest first",
                ) from None
            keeps = not kept
        self._chain[entry.entry_id] = label, keeps
        self.is_standing[label.entry_id] = keeps
        return label, keeps
