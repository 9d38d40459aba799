"""Engines on SQLite (or what a URL names) set up so that what is committed survives a power loss."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from shared.backoff import Backoff
from shared.errors import StorageError, StorageUnavailable
from shared.sqlite import BUSY_TIMEOUT, explain_sqlite_error, first_line, primary_code


def open_engine(url: URL) -> Engine:
    """An engine for readers and writers. Raises StorageError where the database cannot be opened.

    On SQLite: WAL, so that readers never block the writer nor it them; `synchronous=FULL`, without which a power loss
    takes back what was committed; and `BEGIN IMMEDIATE`, since a transaction that reads first fails when it writes.
    On PostgreSQL no statement waits longer for a lock than it does there.
    """
    try:
        if url.get_backend_name() != "sqlite":
            engine = create_engine(url, pool_pre_ping=True)
            if engine.dialect.name == "postgresql":
                event.listen(engine, "connect", _set_up_postgresql)
            return engine
        _make_folder(url)
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT})
    except (NoSuchModuleError, ImportError) as error:
        raise StorageError(
            f"no driver for {redact(url)}: {error} (for PostgreSQL: pip install psycopg[binary])"
        ) from error
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


@contextmanager
def opened(url: URL) -> Iterator[Engine]:
    """An engine for one block, whose connections are closed behind it. Raises StorageError."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def redact(url: URL) -> str:
    """A database URL for people, without its password."""
    return url.render_as_string(hide_password=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits at the end of the block.

    Raises StorageUnavailable for what passes (locked, full, away) and StorageError for what does not.
    """
    with translated(engine.url), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is at its first statement, and takes no lock a writer would feel."""
    with translated(engine.url), engine.connect() as connection:
        yield connection.execution_options(stockwire_reading=True)


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """SQLAlchemy's errors as ours, at the edge."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error, url) from error
    except SQLAlchemyError as error:
        raise StorageError(f"database {redact(url)}: {error}") from error


def _make_folder(url: URL) -> None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return
    folder = Path(url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"folder {folder} cannot be made: {error.strerror}") from error


def _set_up_postgresql(connection: Any, _record: object) -> None:
    # By itself it would wait for ever, and hear nothing of a request to stop.
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{BUSY_TIMEOUT:g}s'")
    connection.commit()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # SQLAlchemy begins transactions itself, by the event below; sqlite3 must not do so too.
    connection.isolation_level = None
    try:
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        # SQLAlchemy does not know of it yet, and would leave it open.
        connection.close()
        raise


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait by itself where several processes switch the same new file at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    backoff = Backoff(first=0.01, cap=0.1)
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(backoff.next_delay())
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    reads = connection.get_execution_options().get("stockwire_reading")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _explain(error: DBAPIError, url: URL) -> StorageError:
    if isinstance(error.orig, sqlite3.Error):
        return explain_sqlite_error(error.orig, redact(url))
    reason = first_line(error.orig)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return StorageUnavailable(f"database {redact(url)} does not answer: {reason}")
    return StorageError(f"database {redact(url)}: {reason}")
