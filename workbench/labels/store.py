"""The label database: sources and entries, in an SQLite file or on a PostgreSQL server.

The unit is one entry, appended and then kept for good. Threads and processes may share a database;
an entry that `append` has returned is on the disk. Values are checked by `values`, what stands is
worked out by `records`, files are left to `exchange`.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.labels.database import Database
from workbench.labels.records import (
    Entry,
    Source,
    check_entry,
    check_in_video,
    check_source,
    in_order,
)
from workbench.labels.schema import (
    create_schema,
    entry_table,
    has_schema,
    insert_into,
    source_table,
)
from workbench.labels.standing import fill, in_batches, renew, select_standing
from workbench.labels.values import LabelError, Value, check_kind, check_text

_subject = attrgetter("kind", "item_id", "annotator")
_said = attrgetter("kind", "item_id", "annotator", "value", "undoes")


class LabelStore(AbstractContextManager["LabelStore"]):
    """An open label database; safe to share between threads. A forked process opens its own.

    Opens the database at `url`, see `Database`, and makes its tables if need be.

    Raises:
        LabelError: If it cannot be opened.

    Example:
        >>> with LabelStore("data/labels.sqlite") as store:  # doctest: +SKIP
        ...     rating = Entry("rating", "clip_007", {"stars": 4}, annotator="ann", tool="rater")
        ...     store.append(rating)
        ...     store.current("rating")["ann", "clip_007"].value
        {'stars': 4}
    """

    def __init__(self, url: str | Path | None = None, *, create: bool = True) -> None:
        self._database = Database(url, create=create)
        self.url = self._database.url  # without the password
        try:
            if not self._database.read(has_schema):  # whoever may only read can open it too
                self._database.write(_prepare)
        except BaseException:
            self.close()
            raise

    def add_source(self, source: Source) -> str:
        """Make a video known, and return its id. Adding it again changes nothing.

        Raises:
            LabelError: If it is not a video, or known with other frames: labels count in those.
        """
        source = check_source(source)
        self._database.write(lambda connection: self._store_source(connection, source))
        return source.source_id

    def sources(self) -> dict[str, Source]:
        """Return all known videos by id."""
        query = sa.select(source_table).order_by(source_table.c.source_id)
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return {row["source_id"]: Source.from_row(row) for row in rows}

    def append(self, entry: Entry) -> Entry:
        """Store a label that is said now, for good, and return it as stored.

        The same entry may safely be sent again. Its video is made known by `add_source`.

        Raises:
            LabelError: If the label is not one; it was not stored.
            LabelStoreError: If the database cannot be written now.
        """
        checked = check_entry(replace(entry, created_at=datetime.now(UTC)))
        return self._database.write(lambda connection: self._store(connection, checked))

    def add_all(self, sources: Iterable[Source], entries: Iterable[Entry]) -> int:
        """Take in videos and entries of another database: all of them, or on an error none.

        Entries keep their id, time and tool; those that are known already are passed over.

        Returns:
            How many entries were new.

        Raises:
            LabelError: If an entry is not one, or its id is known with other content.
        """
        checked_sources = [check_source(source) for source in sources]
        checked = in_order(check_entry(entry) for entry in entries)

        def add(connection: Connection) -> int:
            for source in checked_sources:
                self._store_source(connection, source)
            for annotator in sorted({entry.annotator for entry in checked}):
                self._take_turn(connection, annotator)
            new = [one for some in in_batches(checked) for one in _store_as_is(connection, some)]
            renew(connection, {(one.kind, one.annotator, one.item_id) for one in new})
            return len(new)

        return self._database.write(add)

    def history(
        self,
        kind: str | None = None,
        item_id: str | None = None,
        annotator: str | None = None,
        source_id: str | None = None,
    ) -> list[Entry]:
        """Return every entry that fits, oldest first, undone and replaced ones among them."""
        columns = entry_table.c
        query = sa.select(entry_table).order_by(columns.created_at, columns.entry_id)
        if kind is not None:
            query = query.where(columns.kind == check_kind(kind))
        for column, text, what in (
            (columns.item_id, item_id, "the item id"),
            (columns.annotator, annotator, "the annotator's name"),
            (columns.source_id, source_id, "the source id"),
        ):
            if text is not None:
                query = query.where(column == check_text(text, what))
        rows = self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [Entry(**row) for row in rows]

    def current(
        self,
        kind: str,
        annotator: str | None = None,
        source_id: str | Collection[str] | None = None,
        items: Collection[str] | None = None,
    ) -> dict[tuple[str, str], Entry]:
        """Return the value that stands for each (annotator, item id); cleared ones are left out.

        Reads what stands, not the history, and of that only what is asked for.

        Args:
            kind: Of the labels.
            annotator: Whose; None for everybody's.
            source_id: In which video, or videos.
            items: Of which items.
        """
        rows = self._standing(entry_table.c, kind, annotator, source_id, items)
        entries = in_order(Entry(**row._mapping) for row in rows)
        return {(entry.annotator, entry.item_id): entry for entry in entries}

    def values(
        self, kind: str, items: Collection[str] | None = None
    ) -> dict[tuple[str, str], Value]:
        """Return what stands as `current` does, values alone: for many at a time."""
        of = entry_table.c
        rows = self._standing((of.annotator, of.item_id, of.value), kind, None, None, items)
        return {(row.annotator, row.item_id): row.value for row in rows}

    def digest(self) -> str:
        """Return what changes with every label that is added, on a server; reads ids alone."""
        hashed = sa.func.hashtextextended(entry_table.c.entry_id, 0)
        query = sa.select(sa.func.count(), sa.func.sum(hashed)).select_from(entry_table)
        count, total = self._database.read(lambda connection: connection.execute(query).one())
        return f"{count} labels, {total or 0}"

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _store_source(self, connection: Connection, source: Source) -> None:
        insert = insert_into(connection, source_table).on_conflict_do_nothing()
        connection.execute(insert, source.to_row())
        known = _read_source(connection, source.source_id)
        for what in ("fps", "frame_count", "width", "height"):
            if getattr(known, what) != getattr(source, what):
                raise LabelError(
                    f"{source.name}: {what} is {getattr(source, what)}, but was "
                    f"{getattr(known, what)} when it was first labelled, as {known.name}",
                    "read the video as then, or use a new label database",
                )

    def _store(self, connection: Connection, entry: Entry) -> Entry:
        """Append an entry that is said now; one that is stored already is returned as it is."""
        self._take_turn(connection, entry.annotator)
        stored = _find(connection, [entry.entry_id]).get(entry.entry_id)
        if stored is None:
            entry = _link(connection, entry, _targets(connection, [entry]), {})
            last = connection.scalar(
                sa.select(sa.func.max(entry_table.c.created_at)).where(
                    entry_table.c.annotator == entry.annotator
                )
            )
            if last is not None and entry.created_at <= last:
                # The clock was set back, or labels came from a machine whose clock is ahead. The
                # new label still has to be the one that counts.
                entry = replace(entry, created_at=last + timedelta(microseconds=1))
            stored = _insert(connection, [entry])[0]
            renew(connection, [(stored.kind, stored.annotator, stored.item_id)])
        if _said(stored) != _said(entry):
            raise _id_taken(entry)
        return stored

    def _take_turn(self, connection: Connection, annotator: str) -> None:
        """Let one annotator's labels go in one after the other: their times are in order then."""
        if not self._database.is_sqlite:  # which has one writer anyway
            name = sa.func.hashtextextended(annotator, 0)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))

    def _standing(
        self,
        columns: Iterable[Any],
        kind: str,
        annotator: str | None,
        source_id: str | Collection[str] | None,
        items: Collection[str] | None,
    ) -> list[sa.Row[Any]]:
        if annotator is not None:
            annotator = check_text(annotator, "the annotator's name")
        if isinstance(source_id, str):
            source_id = {check_text(source_id, "the source id")}
        asked = check_kind(kind), annotator, source_id, items
        queries = list(select_standing(list(columns), *asked))  # may be tried again
        return self._database.read(
            lambda connection: [row for query in queries for row in connection.execute(query)]
        )


def _prepare(connection: Connection) -> None:
    if create_schema(connection):
        fill(connection)


def _store_as_is(connection: Connection, entries: list[Entry]) -> list[Entry]:
    """Append entries of another database, in their order; return those that are new."""
    known = _find(connection, (entry.entry_id for entry in entries))
    targets = _targets(connection, entries)
    sources: dict[str, Source] = {}
    new: dict[str, Entry] = {}
    for entry in entries:
        stored = known.get(entry.entry_id) or new.get(entry.entry_id)
        if stored is None:
            linked = _link(connection, entry, targets, sources)
            new[entry.entry_id] = targets[entry.entry_id] = linked
        elif replace(stored, seq=0) != replace(entry, seq=0):
            raise _id_taken(entry)
    stored_now = _insert(connection, list(new.values()))
    for entry, stored in zip(new.values(), stored_now, strict=True):
        if replace(stored, seq=0) != replace(entry, seq=0):
            raise _id_taken(entry)
    return stored_now


def _insert(connection: Connection, entries: list[Entry]) -> list[Entry]:
    """Insert entries and return them as stored; if another got there first, what that stored."""
    if not entries:
        return []
    of = entry_table.c
    statement = insert_into(connection, entry_table)
    statement = statement.on_conflict_do_nothing(index_elements=["entry_id"])
    names = [column.name for column in of if column.name != "seq"]  # the database counts
    rows = [{name: getattr(one, name) for name in names} for one in entries]
    made = connection.execute(statement.returning(of.entry_id, of.seq), rows)
    seqs = dict(made.tuples().all())
    others = _find(connection, (one.entry_id for one in entries if one.entry_id not in seqs))
    return [
        replace(one, seq=seqs[one.entry_id]) if one.entry_id in seqs else others[one.entry_id]
        for one in entries
    ]


def _targets(connection: Connection, entries: Iterable[Entry]) -> dict[str, Entry]:
    """The stored entries that these take back, by id."""
    return _find(connection, (entry.undoes for entry in entries if entry.undoes is not None))


def _link(
    connection: Connection,
    entry: Entry,
    targets: Mapping[str, Entry],
    sources: dict[str, Source],
) -> Entry:
    """Check what an entry points at; an undo is about the video of what it takes back.

    `sources` takes the videos that were looked up, so that each is once.
    """
    if entry.undoes is not None:
        target = targets.get(entry.undoes)
        if target is None:
            raise LabelError(f"entry {entry.undoes} is not known", "undo a stored label")
        if _subject(target) != _subject(entry):
            problem = (
                f"an undo of {entry.annotator} on {entry.kind} {entry.item_id} names an entry "
                f"of {target.annotator} on {target.kind} {target.item_id}"
            )
            raise LabelError(problem, "undo a label of the same annotator and item")
        return replace(entry, source_id=target.source_id)
    if entry.source_id is not None:
        if entry.source_id not in sources:
            sources[entry.source_id] = _read_source(connection, entry.source_id)
        check_in_video(entry.kind, entry.value, sources[entry.source_id])
    return entry


def _find(connection: Connection, entry_ids: Iterable[str]) -> dict[str, Entry]:
    """Return the stored entries among these ids."""
    found: dict[str, Entry] = {}
    for some in in_batches(entry_ids):
        query = sa.select(entry_table).where(entry_table.c.entry_id.in_(some))
        rows = connection.execute(query).mappings()
        found |= {row["entry_id"]: Entry(**row) for row in rows}
    return found


def _read_source(connection: Connection, source_id: str) -> Source:
    query = sa.select(source_table).where(source_table.c.source_id == source_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise LabelError(f"the video {source_id} is not known", "add it with add_source first")
    return Source.from_row(row)


def _id_taken(entry: Entry) -> LabelError:
    return LabelError(
        f"entry id {entry.entry_id} belongs to another label", "give every label its own id"
    )
