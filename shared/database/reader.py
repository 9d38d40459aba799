"""SQL for reading, run by sqlite3 on a SQLite file, because importing SQLAlchemy takes longer than most queries."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from shared.database.revisions import earlier_version, is_latest
from shared.database.sqlite.errors import explain_sqlite_error
from shared.database.sqlite.reading import close_without_checkpoint, connect_for_reading
from shared.database.url import DatabaseUrl

Parameters = Mapping[str, Any]

_FETCH = 10_000


class Reader(Protocol):
    """Runs queries in SQL that SQLite and PostgreSQL share. Parameters are named `:like_this`."""

    @property
    def database(self) -> str:
        """The URL of the database, without a password."""

    def select(self, sql: str, parameters: Parameters | None = None) -> Iterator[tuple[Any, ...]]:
        """Return the rows, read as they are needed. Raises StorageError."""

    def has_table(self, name: str) -> bool:
        """Return True if there is a table or view of this name. Raises StorageError."""


@contextmanager
def open_reader(url: DatabaseUrl) -> Iterator[Reader]:
    """Open a database for reading. A SQLite file must exist, and needs no write permission. Raises StorageError."""
    if url.sqlite_file:
        with _translate_errors(url):
            connection = connect_for_reading(url.sqlite_file)
        try:
            yield _SqliteReader(connection, url)
        finally:
            close_without_checkpoint(connection)
    else:
        from shared.database.engine import opened_for_reading

        with opened_for_reading(url.engine_url) as engine:
            yield _EngineReader(engine, url)


def check_revision(reader: Reader, schema: str, latest: str, migrating_command: str) -> None:
    """Raise StorageError, with the command that migrates the database, unless its schema has the latest revision."""
    versions = f"alembic_version_{schema}"
    sql = f"SELECT version_num FROM {versions}"  # noqa: S608 - a name of ours
    found = list(reader.select(sql)) if reader.has_table(versions) else []
    if not is_latest(found[0][0] if found else None, latest, reader.database):
        raise earlier_version(reader.database, migrating_command)


class _SqliteReader:
    def __init__(self, connection: sqlite3.Connection, url: DatabaseUrl) -> None:
        self._connection = connection
        self._url = url
        self.database = str(url)

    def select(self, sql: str, parameters: Parameters | None = None) -> Iterator[tuple[Any, ...]]:
        with _translate_errors(self._url):
            yield from self._connection.execute(sql, parameters or {})

    def has_table(self, name: str) -> bool:
        return bool(list(self.select("SELECT 1 FROM sqlite_master WHERE name = :name", {"name": name})))


class _EngineReader:
    def __init__(self, engine: Any, url: DatabaseUrl) -> None:
        self._engine = engine
        self.database = str(url)

    def select(self, sql: str, parameters: Parameters | None = None) -> Iterator[tuple[Any, ...]]:
        from sqlalchemy import text

        from shared.database.engine import reading

        with reading(self._engine) as connection:
            for row in connection.execution_options(yield_per=_FETCH).execute(text(sql), parameters or {}):
                yield tuple(row)

    def has_table(self, name: str) -> bool:
        from sqlalchemy import inspect

        from shared.database.engine import reading

        with reading(self._engine) as connection:
            return inspect(connection).has_table(name)


@contextmanager
def _translate_errors(url: DatabaseUrl) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain_sqlite_error(error, str(url)) from error
