"""Checks of a SQLite file that another program has changed, each on a connection of its own.

A check of the whole file takes time in proportion to its size: about 2 s for 100 MiB. So a large file is checked
only if the last batch of this process cannot be read from it.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from shared.database.sqlite.errors import (
    BUSY_TIMEOUT,
    DAMAGE,
    explain_sqlite_error,
    first_line,
    is_transient,
    primary_code,
)
from shared.database.sqlite.reading import close_without_checkpoint, connect_for_reading

# Returns True if the rows of a batch are in the database, or newer rows in their place.
ReadBack = Callable[[Connection], bool]

# Bytes. The check of a whole file of this size takes a quarter of a second, and finds damage in every page.
SMALL = 16 * 2**20

# Instructions of SQLite between two looks at the clock.
_INSTRUCTIONS = 10_000
_TRIES = 3
# Seconds between two tries.
_PAUSE = 0.2


def reads_back(path: Path, database: str, read_back: ReadBack) -> bool:
    """Return True if a fresh connection finds the batch. Raises StorageError if the database cannot be read for now."""
    with _connected(path) as connection:
        engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: connection)
        try:
            with engine.connect() as fresh:
                # Reads the schema, even if there is no last batch.
                fresh.exec_driver_sql("SELECT count(*) FROM sqlite_master")
                return read_back(fresh)
        except DBAPIError as error:
            if isinstance(error.orig, sqlite3.Error) and is_transient(error.orig):
                raise explain_sqlite_error(error.orig, database) from error
            # A damaged page, or no such table.
            return False


def find_damage_of_file(path: Path, database: str, *, without_wal: bool) -> str | None:
    """Return the first damage of the file and its WAL, or None. Raises StorageError.

    `without_wal` also finds the damage that the WAL hides for now: a checkpoint does not copy the same rows twice.
    """
    with _connected(path) as connection:
        problem = find_damage(connection, database)
    return problem or (_find_damage_without_wal(path, database) if without_wal else None)


def find_damage(connection: sqlite3.Connection, database: str) -> str | None:
    """Return the first damage that SQLite finds in the whole database, or None. Raises StorageError."""
    try:
        verdict = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        if primary_code(error) not in DAMAGE:
            raise explain_sqlite_error(error, database) from error
        return first_line(error)
    return None if verdict == "ok" else " ".join(verdict.split())


def find_damage_quickly(path: Path, database: str, timeout: float) -> str | None:
    """Return the first damage of a database, which is only read, or None. The indexes are not compared with the tables.

    Raises TimeoutError after `timeout` seconds, and StorageError.
    """
    deadline = time.monotonic() + timeout
    try:
        connection = connect_for_reading(path)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS)
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            close_without_checkpoint(connection)
    except sqlite3.Error as error:
        if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
            raise TimeoutError from error
        raise explain_sqlite_error(error, database) from error
    return None if verdict == "ok" else " ".join(verdict.split())


def _find_damage_without_wal(path: Path, database: str) -> str | None:
    for _ in range(_TRIES):
        with _connected(path, "?immutable=1") as connection:
            problem = find_damage(connection, database)
        if problem is None:
            return None
        # A checkpoint of another process may be at work.
        time.sleep(_PAUSE)
    return problem


@contextmanager
def _connected(path: Path, query: str = "") -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}{query}", uri=True, timeout=BUSY_TIMEOUT)
    try:
        yield connection
    finally:
        close_without_checkpoint(connection)
