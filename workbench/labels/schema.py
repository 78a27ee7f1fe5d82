"""The tables of the label database, the same on SQLite and PostgreSQL.

The videos that frame numbers count in, the entries, and which of them stand, which follows from the
entries. Triggers in the database refuse to change or delete an entry, whichever program tries.
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator

from workbench.labels.values import LONGEST_TEXT, LabelError

# 1 had the kinds of label in a constraint, so that a new one met a wall; 2 no table of what stands
SCHEMA_VERSION = 3
_SCHEMA_LOCK = 0x776F726B  # any number; all openers of one PostgreSQL database wait for the same


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC to the microsecond; SQLite keeps it, without the zone, as text that sorts."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

schema_table = sa.Table(
    "workbench_schema", metadata, sa.Column("version", sa.Integer, primary_key=True)
)

source_table = sa.Table(
    "sources",
    metadata,
    sa.Column("source_id", sa.String(LONGEST_TEXT), primary_key=True),
    sa.Column("name", sa.String(LONGEST_TEXT), nullable=False),
    sa.Column("fps", sa.String(40), nullable=False),  # a fraction: 30000/1001
    sa.Column("frame_count", sa.BigInteger, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("duration_s", sa.Double, nullable=False),
)

entry_table = sa.Table(
    "entries",
    metadata,
    # SQLite numbers rows by itself only where the column's type is INTEGER, to the letter.
    sa.Column(
        "seq",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        sa.Identity(always=True),
        primary_key=True,
    ),
    sa.Column("entry_id", sa.String(36), nullable=False, unique=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("item_id", sa.String(LONGEST_TEXT), nullable=False),
    sa.Column("source_id", sa.ForeignKey("sources.source_id")),
    sa.Column("annotator", sa.String(LONGEST_TEXT), nullable=False),
    sa.Column("value", sa.JSON(none_as_null=True)),
    sa.Column("undoes", sa.ForeignKey("entries.entry_id")),
    sa.Column("tool", sa.String(LONGEST_TEXT), nullable=False),
    sa.Column("tool_version", sa.String(LONGEST_TEXT), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Index("entries_by_annotator", "annotator", "created_at"),
    sa.Index("entries_by_item", "kind", "item_id"),
    sqlite_autoincrement=True,  # a number is never given twice
)

standing_table = sa.Table(
    "standing",
    metadata,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("annotator", sa.String(LONGEST_TEXT), primary_key=True),
    sa.Column("item_id", sa.String(LONGEST_TEXT), primary_key=True),
    sa.Column("source_id", sa.ForeignKey("sources.source_id")),
    sa.Column("seq", sa.ForeignKey("entries.seq"), nullable=False),
    sa.Index("standing_by_item", "kind", "item_id"),
    sa.Index("standing_by_source", "source_id", "kind"),
)

_REFUSAL = "labels are appended, never changed or deleted"
_KEEP_ENTRIES = {
    "sqlite": [
        f"CREATE TRIGGER entries_keep_{action.lower()} BEFORE {action} ON entries "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for action in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION entries_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
        "CREATE TRIGGER entries_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION entries_refuse()",
    ],
}


def has_schema(connection: Connection) -> bool:
    """Return whether the tables are there, and of this version.

    Raises:
        LabelError: If the database was made by a newer version.
    """
    version = _version(connection)
    if version > SCHEMA_VERSION:
        problem = f"the label database has schema {version}, this workbench knows {SCHEMA_VERSION}"
        raise LabelError(problem, "update workbench")
    return version == SCHEMA_VERSION


def create_schema(connection: Connection) -> bool:
    """Create the tables where they are absent, or bring older ones up to date, labels and all.

    Of several that try at once, one does it, and is told so: what stands is still to be worked out.
    The transaction of `connection` must have taken SQLite's write lock.
    """
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    if has_schema(connection):
        return False
    version = _version(connection)
    if version == 1:
        _from_version_1(connection)
    metadata.create_all(connection)
    if not version:
        _keep_entries(connection)
    connection.execute(schema_table.insert().values(version=SCHEMA_VERSION))
    return True


def insert_into(connection: Connection, table: sa.Table) -> Any:
    """Return an insertion that can say what to do where the row is there already."""
    # The two databases spell it alike, yet SQLAlchemy offers it per dialect.
    is_sqlite = connection.dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def _version(connection: Connection) -> int:
    """The newest version that the tables were brought to; 0 where there are none."""
    if not sa.inspect(connection).has_table(schema_table.name):
        return 0
    return connection.scalar(sa.select(sa.func.max(schema_table.c.version))) or 0


def _from_version_1(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        name = "entries_kind_check"
        connection.exec_driver_sql(f"ALTER TABLE entries DROP CONSTRAINT IF EXISTS {name}")
        return
    # SQLite cannot drop a constraint: the table is made anew, and takes over every row as it is.
    for index in entry_table.indexes:
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {index.name}")
    connection.exec_driver_sql("ALTER TABLE entries RENAME TO entries_1")
    entry_table.create(connection)
    names = ", ".join(column.name for column in entry_table.columns)
    connection.exec_driver_sql(
        f"INSERT INTO entries ({names}) SELECT {names} FROM entries_1 ORDER BY seq"
    )
    connection.exec_driver_sql("DROP TABLE entries_1")  # its triggers go with it
    _keep_entries(connection)


def _keep_entries(connection: Connection) -> None:
    for statement in _KEEP_ENTRIES[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def to_json(value: Any) -> str:
    """Write a value so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
