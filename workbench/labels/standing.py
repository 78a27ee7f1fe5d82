"""The table of what stands: for each kind, annotator and item, the entry that counts.

It follows from the entries and is renewed in the transaction that appends to them, so that asking
what stands reads no history. The unit is a subject: kind, annotator and item.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.labels.records import Entry, current
from workbench.labels.schema import entry_table, insert_into, standing_table

Subject = tuple[str, str, str]  # kind, annotator, item id
MOST_NAMES = 5_000  # in one query; SQLite takes 32,766


def fill(connection: Connection) -> None:
    """Work out what stands from all entries, where the table has just been made."""
    kinds = connection.scalars(sa.select(entry_table.c.kind).distinct()).all()
    for kind in kinds:
        _put(connection, current(read_entries(connection, entry_table.c.kind == kind)).values())


def renew(connection: Connection, subjects: Iterable[Subject]) -> None:
    """Work out anew what stands for these subjects, from their histories."""
    of_kind: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for kind, annotator, item in subjects:
        of_kind[kind][item].add(annotator)
    for kind, item_to_annotators in of_kind.items():
        for items in in_batches(sorted(item_to_annotators), MOST_NAMES // 5):
            # Others' subjects among these names come to what they were.
            annotators = set().union(*(item_to_annotators[item] for item in items))
            standing, said = (
                (table.c.kind == kind)
                & table.c.item_id.in_(items)
                & table.c.annotator.in_(sorted(annotators))
                for table in (standing_table, entry_table)
            )
            connection.execute(standing_table.delete().where(standing))
            _put(connection, current(read_entries(connection, said)).values())


def select_standing(
    columns: Sequence[Any],
    kind: str,
    annotator: str | None,
    sources: Collection[str] | None,
    items: Collection[str] | None,
) -> Iterator[sa.Select[Any]]:
    """Yield queries for columns of the entries that stand and fit; one, but for very many names.

    They come in no order: a server would sort very many on its disk.
    """
    of = standing_table.c
    query = (
        sa.select(*columns).join(standing_table, of.seq == entry_table.c.seq).where(of.kind == kind)
    )
    if annotator is not None:
        query = query.where(of.annotator == annotator)
    if sources is not None:
        query = query.where(of.source_id.in_(sorted(sources)))
    if items is None:
        yield query
    else:
        for some in in_batches(sorted(items)):
            yield query.where(of.item_id.in_(some))


def read_entries(connection: Connection, where: sa.ColumnElement[bool]) -> Iterator[Entry]:
    """Yield the entries that fit, oldest first."""
    columns = entry_table.c
    query = sa.select(entry_table).where(where).order_by(columns.created_at, columns.entry_id)
    yield from (Entry(**row) for row in connection.execute(query).mappings())


def in_batches(names: Iterable[Any], size: int = MOST_NAMES) -> Iterator[list[Any]]:
    """Yield names in lists of so many."""
    left = iter(names)
    while some := list(islice(left, size)):
        yield some


def _put(connection: Connection, entries: Iterable[Entry]) -> None:
    names = [column.name for column in standing_table.c]
    rows = sa.select(*(entry_table.c[name] for name in names))
    insert = insert_into(connection, standing_table)
    for some in in_batches(entries):
        of_them = rows.where(entry_table.c.seq.in_([entry.seq for entry in some]))
        statement = insert.from_select(names, of_them).on_conflict_do_update(
            index_elements=["kind", "annotator", "item_id"],
            set_={name: insert.excluded[name] for name in ("seq", "source_id")},
        )
        connection.execute(statement)
