"""Connections and transactions of a label database, on SQLite or PostgreSQL.

The unit is one transaction, retried where a later try can succeed. Knows nothing about labels.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL, Connection, Engine, make_url

from workbench.labels import DATABASE_VARIABLE
from workbench.labels.schema import to_json
from workbench.labels.values import LabelError

DEFAULT_PATH = Path("data") / "labels.sqlite"
WAIT_S = 30.0  # for other writers
ATTEMPTS = 3  # at work that a lost connection or a locked file has stopped
CONNECTIONS = 40  # at most; more threads than this take turns

_Result = TypeVar("_Result")
_URL_FORMS = "write sqlite:///path/labels.sqlite or postgresql://user@host/database"


class LabelStoreError(LabelError):
    """The label database cannot be reached or written now.

    The same entry may be appended again later: its id keeps it from being stored twice.
    """


class Database:
    """An SQLite file or a PostgreSQL database; safe to share between threads, not across a fork.

    Args:
        url: `sqlite:///…`, `postgresql://…`, or the path of an SQLite file. Default: what the
            environment variable WORKBENCH_DB says, else `data/labels.sqlite` where one stands.
        create: Whether an SQLite file that is absent is made.

    Raises:
        LabelError: If that is no such place.
    """

    def __init__(self, url: str | Path | None = None, *, create: bool = True) -> None:
        given = url if url is not None else os.environ.get(DATABASE_VARIABLE) or DEFAULT_PATH
        parsed = _parse_url(given)
        self.is_sqlite = parsed.drivername == "sqlite"
        if self.is_sqlite:
            _check_file(Path(parsed.database or ""), create)
        self._engine = _sqlite_engine(parsed) if self.is_sqlite else _postgresql_engine(parsed)
        self.url = self._engine.url.render_as_string(hide_password=True)
        self._writing = self._engine.execution_options(writes=True)
        self._lock = threading.Lock()

    def read(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do `work`, which changes nothing, in one transaction.

        Raises:
            LabelStoreError: If the database cannot be used now.
        """
        return self._attempt(work, self._engine)

    def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do `work` in one transaction; what it has written is on the disk when this returns.

        `work` must bear repetition: a commit whose answer is lost may have happened.

        Raises:
            LabelStoreError: If the database cannot be used now.
        """
        if not self.is_sqlite:
            return self._attempt(work, self._writing)
        # SQLite takes one writer at a time; the others sleep and try again, in no order. Within a
        # process a lock passes the turn on at once.
        if not self._lock.acquire(timeout=WAIT_S):
            problem = f"the label database {self.url} has been busy for {WAIT_S:.0f} s"
            raise LabelStoreError(problem, "see which program holds it, then try again")
        try:
            return self._attempt(work, self._writing)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _attempt(self, work: Callable[[Connection], _Result], engine: Engine) -> _Result:
        deadline = time.monotonic() + WAIT_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except exc.DBAPIError as error:
                is_last = attempt == ATTEMPTS or time.monotonic() > deadline
                if is_last or not _may_pass(error):
                    raise self._explain(error) from error
            except exc.TimeoutError as error:
                raise self._explain(error) from error
            time.sleep(0.1 * attempt)
        raise AssertionError("unreachable")

    def _explain(self, error: exc.SQLAlchemyError) -> LabelStoreError:
        cause = getattr(error, "orig", None) or error
        said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        if self.is_sqlite:
            remedy = "check that the file is a label database, writable, and its disk not full"
        else:
            remedy = f"check that the server runs and {DATABASE_VARIABLE} names it"
        return LabelStoreError(f"the label database {self.url} cannot be used ({said})", remedy)


def _parse_url(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(Path(url).absolute()))
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        # Not quoted: it may hold a password.
        raise LabelError("the address of the label database cannot be read", _URL_FORMS) from None
    name = parsed.drivername.partition("+")[0]
    if name == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise LabelError("a label database in memory forgets its labels", "name a file")
        return parsed.set(drivername="sqlite", database=str(Path(parsed.database).absolute()))
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql")
    raise LabelError(f"labels cannot be kept in a {name} database", _URL_FORMS)


def _check_file(path: Path, create: bool) -> None:
    if not create and not path.is_file():
        remedy = f"name the database by --db or {DATABASE_VARIABLE}"
        raise LabelStoreError(f"there is no label database {path}", remedy)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabelStoreError(
            f"{path.parent} cannot be made ({error.strerror})", "name another place for the labels"
        ) from None


def _engine(url: URL, **options: Any) -> Engine:
    return sa.create_engine(
        url,
        json_serializer=to_json,
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=WAIT_S,
        **options,
    )


def _sqlite_engine(url: URL) -> Engine:
    engine = _engine(url, connect_args={"timeout": WAIT_S, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says so
        for pragma in (
            # A write-ahead log needs memory shared between processes, which network drives lack.
            "journal_mode = DELETE",
            # Also after a power cut an acknowledged label is there.
            "synchronous = EXTRA",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock before it reads: two that read first would deadlock.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    return _engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,  # after a restart of the server, old connections are replaced
        connect_args={"connect_timeout": 10},
    )


def _may_pass(error: exc.DBAPIError) -> bool:
    """Whether the same work may succeed a little later."""
    deadlock = getattr(error.orig, "sqlstate", None) in ("40001", "40P01")
    return error.connection_invalidated or deadlock or "database is locked" in str(error.orig)
