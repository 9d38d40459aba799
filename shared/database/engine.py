"""SQLAlchemy engines on SQLite and PostgreSQL, set up so that committed rows survive a power loss."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from shared.backoff import Backoff
from shared.database.driver_statement import driver_connection
from shared.database.sqlite.damage import ReadBack
from shared.database.sqlite.errors import BUSY_TIMEOUT, explain_sqlite_error, primary_code, read_only
from shared.database.sqlite.guard import SqliteGuard
from shared.database.sqlite.reading import connect_for_reading
from shared.database.url import INSTALL_POSTGRESQL, sqlite_url
from shared.errors import StorageError, StorageReopened
from shared.file_errors import explain_file_error

POSTGRESQL = "postgresql"

# The name of the execution option that holds an engine's guard.
_GUARD = "stockwire_guard"

T = TypeVar("T")


def open_engine(url: URL) -> Engine:
    """Return an engine for readers and writers. Raises StorageError if the database cannot be opened.

    SQLite is set to WAL, so that readers and the writer do not block each other; to `synchronous=FULL`, without which a
    power loss undoes commits; and to `BEGIN IMMEDIATE`, because a transaction that reads before it writes can fail as
    locked. On PostgreSQL a statement waits for a lock as long as on SQLite, and a connection is lost if its server does
    not answer. No error shows the values of a statement, which may be secret.
    """
    try:
        if url.get_backend_name() != "sqlite":
            return _open_server(url)
        _make_folder(url)
        _check_writable(url)
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT}, hide_parameters=True)
    except (NoSuchModuleError, ImportError) as error:
        raise StorageError(f"no driver for {redact(url)}: {error} (for PostgreSQL: {INSTALL_POSTGRESQL})") from error
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    if _is_file(url):
        guard = SqliteGuard(Path(str(url.database)), redact(url))
        guard.watch(engine)
        engine.update_execution_options(**{_GUARD: guard})
    return engine


def _open_server(url: URL) -> Engine:
    if url.get_backend_name() != POSTGRESQL:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    # Few processes need it.
    from shared.database.postgresql import connect_arguments, limit_waits_for_locks

    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=connect_arguments(url))
    event.listen(engine, "connect", lambda connection, _record: limit_waits_for_locks(connection, BUSY_TIMEOUT))
    return engine


@contextmanager
def opened(url: URL) -> Iterator[Engine]:
    """Yield an engine, and close its connections at the end of the block. Raises StorageError."""
    engine = open_engine(url)
    try:
        yield engine
    finally:
        # SQLite would copy the rows of its WAL to a file that was put in the place of its own.
        with suppress(StorageReopened):
            check_files(engine)
        engine.dispose()


@contextmanager
def opened_for_reading(url: URL) -> Iterator[Engine]:
    """Yield an engine for `reading` an existing database, for which a SQLite file needs no write permission."""
    if url.get_backend_name() == "sqlite" and _is_file(url):
        path = Path(str(url.database))
        engine = create_engine(url, creator=lambda: connect_for_reading(path), hide_parameters=True)
        event.listen(engine, "begin", _begin_immediate)
        event.listen(engine, "close", lambda connection, _record: connection.interrupt())
    else:
        engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def redact(url: URL) -> str:
    """Return the text of a database URL without its password. The path of a SQLite file is shown as people write it."""
    if url.drivername == "sqlite" and _is_file(url) and not url.query:
        return sqlite_url(str(url.database))
    return url.render_as_string(hide_password=True)


@contextmanager
def writing(engine: Engine, read_back: ReadBack | None = None) -> Iterator[Connection]:
    """Yield a connection in a transaction that commits at the end of the block.

    `read_back` finds what the transaction has stored. It is called if another program then changes the SQLite file.

    Raises StorageUnavailable if the database is locked, full or not reachable, and StorageError for other errors.
    Raises StorageReopened if the SQLite file is no longer the opened one, before the transaction or after its commit:
    the next call works on the file that is there now, which may need its schema and have none of the rows.
    """
    with translate_errors(engine.url):
        check_files(engine)
        with engine.begin() as connection:
            yield connection
        if read_back:
            read_back_by(engine, read_back)
        check_files(engine)


def check_files(engine: Engine) -> None:
    """Raise StorageReopened or StorageDamaged after a change of a SQLite file by another program."""
    guard: SqliteGuard | None = engine.get_execution_options().get(_GUARD)
    if guard:
        guard.check()


def read_back_by(engine: Engine, read_back: ReadBack) -> None:
    """Have the last batch found by `read_back` after a change of a SQLite file by another program."""
    guard: SqliteGuard | None = engine.get_execution_options().get(_GUARD)
    if guard:
        guard.read_back = read_back


def after_reopening(engine: Engine, prepare: Callable[[], None]) -> None:
    """Call `prepare` for each file that is opened in the place of another, before StorageReopened is raised."""
    guard: SqliteGuard | None = engine.get_execution_options().get(_GUARD)
    if guard:
        guard.after_reopening = prepare


class ReopeningHandler(Generic[T]):
    """A handler that is opened now, and again after StorageReopened.

    Another file needs a schema of its own, and does not have the rows that the handler remembers.
    """

    def __init__(self, engine: Engine, open_handler: Callable[[], Callable[[T], None]]) -> None:
        self._engine = engine
        self._open_handler = open_handler
        self._handler: Callable[[T], None] | None = self._open()

    def __call__(self, batch: T) -> None:
        with self._reopening() as handler:
            handler(batch)

    def check(self) -> None:
        """Find a change of the files without a batch. Raises StorageReopened and StorageDamaged."""
        with self._reopening():
            check_files(self._engine)

    def idle(self, count_waiting: Callable[[], int]) -> None:
        """Let the handler work while no batch waits, if it can. Raises its errors."""
        with self._reopening() as handler:
            idle = getattr(handler, "idle", None)
            if idle:
                idle(count_waiting)

    def _open(self) -> Callable[[T], None]:
        handler = self._open_handler()
        # There is no last batch yet.
        read_back_by(self._engine, lambda _connection: True)
        return handler

    @contextmanager
    def _reopening(self) -> Iterator[Callable[[T], None]]:
        if self._handler is None:
            self._handler = self._open()
        try:
            yield self._handler
        except StorageReopened:
            self._handler = None
            raise


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees the database as of its first statement, and never blocks a writer."""
    with translate_errors(engine.url), engine.connect() as connection:
        if engine.dialect.name == POSTGRESQL:
            from shared.database.postgresql import reading_options

            connection.execution_options(**reading_options())
        yield connection.execution_options(stockwire_reading=True)


@contextmanager
def translate_errors(url: URL) -> Iterator[None]:
    """Raise StorageError in place of the errors of SQLAlchemy and sqlite3."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error, url) from error
    except sqlite3.Error as error:
        raise explain_sqlite_error(error, redact(url)) from error
    except SQLAlchemyError as error:
        raise StorageError(f"database {redact(url)}: {error}") from error


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database, or None for PostgreSQL and for a database in memory."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" and _is_file(url) else None


def _is_file(url: URL) -> bool:
    return bool(url.database) and url.database != ":memory:" and not str(url.database).startswith("file:")


def _make_folder(url: URL) -> None:
    if not _is_file(url):
        return
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"folder {folder} cannot be created: {explain_file_error(error)}") from error


def _check_writable(url: URL) -> None:
    """Raise StorageError if this user may not write to the file.

    SQLite says so only at the first write: BEGIN IMMEDIATE on a read-only database begins a transaction that reads.
    """
    if not _is_file(url):
        return
    path = Path(str(url.database))
    needed = [path] if path.exists() else [path.parent]
    if not path.with_name(f"{path.name}-wal").exists():
        needed.append(path.parent)
    if not all(os.access(each, os.W_OK) for each in needed):
        raise read_only(redact(url))


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # SQLAlchemy begins transactions in the event `begin`. sqlite3 must not begin them too.
    connection.isolation_level = None
    try:
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        # SQLAlchemy does not know this connection yet, and would not close it.
        connection.close()
        raise


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL, with retries: SQLite does not wait if several processes switch one new file at once."""
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
    driver_connection(connection).execute("BEGIN" if reads else "BEGIN IMMEDIATE")


def _explain(error: DBAPIError, url: URL) -> StorageError:
    if isinstance(error.orig, sqlite3.Error):
        return explain_sqlite_error(error.orig, redact(url))
    from shared.database.postgresql import explain_postgresql_error

    return explain_postgresql_error(error, redact(url))
