"""The label database: sources and entries, in an SQLite file or on a PostgreSQL server.

The unit is one entry, appended and then kept for good. Threads and processes may share a database;
an entry that `append` has returned is on the disk. Values are checked by `values`, what stands is
worked out by `records`, files are left to `exchange`.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from workbench.labels.database import Database
from workbench.labels.records import (
    Entry,
    Source,
    check_entry,
    check_in_video,
    check_source,
    current,
    in_order,
)
from workbench.labels.schema import create_schema, entry_table, has_schema, source_table
from workbench.labels.values import LabelError, check_kind, check_text

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
                self._database.write(create_schema)
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
            return sum(self._store_as_is(connection, entry) for entry in checked)

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
        self, kind: str, annotator: str | None = None, source_id: str | None = None
    ) -> dict[tuple[str, str], Entry]:
        """Return the value that stands for each (annotator, item id); cleared ones are left out."""
        return current(self.history(kind, annotator=annotator, source_id=source_id))

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _store_source(self, connection: Connection, source: Source) -> None:
        insert = self._insert(source_table).on_conflict_do_nothing()
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
        if not self._database.is_sqlite:
            # One annotator's labels go in one after the other, so that their times are in order.
            name = sa.func.hashtextextended(entry.annotator, 0)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))
        stored = _find(connection, entry.entry_id)
        if stored is None:
            entry = self._link(connection, entry)
            last = connection.scalar(
                sa.select(sa.func.max(entry_table.c.created_at)).where(
                    entry_table.c.annotator == entry.annotator
                )
            )
            if last is not None and entry.created_at <= last:
                # The clock was set back, or labels came from a machine whose clock is ahead. The
                # new label still has to be the one that counts.
                entry = replace(entry, created_at=last + timedelta(microseconds=1))
            stored = self._insert_entry(connection, entry)
        if _said(stored) != _said(entry):
            raise _id_taken(entry)
        return stored

    def _store_as_is(self, connection: Connection, entry: Entry) -> bool:
        stored = _find(connection, entry.entry_id)
        if stored is None:
            self._insert_entry(connection, self._link(connection, entry))
            return True
        if replace(stored, seq=0) != replace(entry, seq=0):
            raise _id_taken(entry)
        return False

    def _insert_entry(self, connection: Connection, entry: Entry) -> Entry:
        """Insert an entry and return it as stored; if another got there first, what that stored."""
        row = asdict(entry)
        del row["seq"]  # the database counts
        statement = self._insert(entry_table).on_conflict_do_nothing(index_elements=["entry_id"])
        seq = connection.scalar(statement.values(row).returning(entry_table.c.seq))
        if seq is not None:
            return replace(entry, seq=seq)
        stored = _find(connection, entry.entry_id)
        assert stored is not None
        return stored

    def _link(self, connection: Connection, entry: Entry) -> Entry:
        """Check what an entry points at; an undo is about the video of what it takes back."""
        if entry.undoes is not None:
            target = _find(connection, entry.undoes)
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
            source = _read_source(connection, entry.source_id)
            check_in_video(entry.kind, entry.value, source)
        return entry

    def _insert(self, table: sa.Table) -> Any:
        # The two databases spell "unless it is there" alike, yet SQLAlchemy offers it per dialect.
        return sqlite.insert(table) if self._database.is_sqlite else postgresql.insert(table)


def _find(connection: Connection, entry_id: str) -> Entry | None:
    query = sa.select(entry_table).where(entry_table.c.entry_id == entry_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else Entry(**row)


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
