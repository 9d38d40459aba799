"""A guard that keeps an engine on the SQLite file that its URL names, whatever other programs do to the file.

Before and after each writing transaction the guard compares the files with those that SQLite has open. After a change
it closes the connections, so that the next one opens the file that is there now, and raises an error: the last commit
may be in no file of that name.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, event

from shared.database.sqlite.errors import BUSY_TIMEOUT, DAMAGE, damaged, explain_sqlite_error, first_line, primary_code
from shared.database.sqlite.files import Change, SqliteFiles
from shared.database.sqlite.reading import close_without_checkpoint
from shared.errors import StorageError, StorageReopened, StorageUnavailable

_DAMAGED_WAL_SUFFIX = ".damaged-wal"
_TRIES = 3
# Seconds between two tries.
_PAUSE = 0.2


class SqliteGuard:
    """The guard of one engine. `database` is its name in messages."""

    def __init__(self, path: Path, database: str) -> None:
        self._files = SqliteFiles(path)
        self._database = database
        self._connections: list[sqlite3.Connection] = []
        self._unchecked: Change | None = None
        # Called before StorageReopened is raised, such as to create tables.
        self.after_reopening: Callable[[], None] = lambda: None

    def watch(self, engine: Engine) -> None:
        """Watch the files of the engine's connections, each of which must be in WAL mode."""
        self._engine = engine
        event.listen(engine, "connect", self._add)
        event.listen(engine, "close", self._remove)

    def check(self) -> None:
        """Raise StorageReopened after a change of the files, and StorageDamaged if the file there is damaged."""
        try:
            # If the file could not be checked, such as because it was locked, that is still to be done.
            change = self._unchecked or self._files.find_change()
            if change is None:
                return
            if self._unchecked is None:
                self._release(change)
                self._unchecked = change
            problem = self._find_damage_of_file(change)
        except OSError as error:
            raise StorageError(f"database {self._database}: its files cannot be checked: {error}") from error
        self._unchecked = None
        if problem:
            raise damaged(self._database, f"{change}, and is damaged ({problem})")
        self.after_reopening()
        raise StorageReopened(f"database {self._database} {change}: opened the file that is there now")

    def _add(self, connection: sqlite3.Connection, _record: object) -> None:
        # The first read of a connection makes SQLite open all its files.
        connection.execute("PRAGMA user_version").fetchone()
        has_wal = connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        self._connections.append(connection)
        if not self._files.remember(has_wal=has_wal):
            self._close_all()
            raise StorageUnavailable(f"database {self._database} was removed or replaced while it was opened")
        if self._damaged_wal.exists() and (problem := self._find_damage(connection)):
            self._close_all()
            raise damaged(self._database, f"is damaged ({problem})")

    def _remove(self, connection: sqlite3.Connection, _record: object) -> None:
        with suppress(ValueError):
            self._connections.remove(connection)
        if not self._connections:
            self._files.forget()

    @property
    def _damaged_wal(self) -> Path:
        """The file to which the WAL of a damaged database is moved. While it is there, the database is checked first.

        SQLite would otherwise apply the WAL to the copy that is put back.
        """
        return self._files.wal.with_name(self._files.path.name + _DAMAGED_WAL_SUFFIX)

    def _release(self, change: Change) -> None:
        """Close all connections, and take care that rows of the opened WAL reach their own database and no other."""
        is_moved = change in (Change.REMOVED, Change.REPLACED)
        if is_moved or (change is Change.WAL_REMOVED and self._files.is_alone_with_wal()):
            is_copied = self._checkpoint()
        else:
            is_copied = False
        owns_wal = self._files.owns_wal()
        self._close_all()
        if owns_wal and (is_moved or is_copied):
            self._discard_wal(keep=not is_copied)
        elif change is Change.WAL_OVERWRITTEN:
            self._discard_wal(keep=True)
        self._files.path.parent.mkdir(parents=True, exist_ok=True)

    def _close_all(self) -> None:
        for connection in list(self._connections):
            close_without_checkpoint(connection)
        self._engine.dispose()
        self._connections.clear()
        self._files.forget()

    def _checkpoint(self) -> bool:
        """Copy the rows of the opened WAL to the opened database. Return True if all are copied."""
        for connection in self._connections:
            with suppress(sqlite3.Error):
                is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
                return not is_busy
        return False

    def _discard_wal(self, *, keep: bool) -> None:
        if keep:
            with suppress(FileNotFoundError):
                self._files.wal.replace(self._damaged_wal)
        self._files.wal.unlink(missing_ok=True)
        self._files.wal_index.unlink(missing_ok=True)

    def _find_damage_of_file(self, change: Change) -> str | None:
        """Return the first damage of the file at the path, or None. Moves the WAL of a damaged file out of the way."""
        is_overwritten = change is Change.OVERWRITTEN
        problem = "it is empty" if is_overwritten else None
        if self._files.path.exists() and self._files.path.stat().st_size:
            problem = self._find_damage_at_path() or (self._find_damage_without_wal() if is_overwritten else None)
        if problem:
            self._discard_wal(keep=True)
            self._damaged_wal.touch()
        return problem

    def _find_damage_without_wal(self) -> str | None:
        """Return the damage that the WAL hides for now: a checkpoint does not copy the same rows twice."""
        for _ in range(_TRIES):
            problem = self._find_damage_at_path("?immutable=1")
            if problem is None:
                return None
            # A checkpoint of another process may be at work.
            time.sleep(_PAUSE)
        return problem

    def _find_damage_at_path(self, query: str = "") -> str | None:
        uri = f"{self._files.path.absolute().as_uri()}{query}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)
        try:
            return self._find_damage(connection)
        finally:
            close_without_checkpoint(connection)

    def _find_damage(self, connection: sqlite3.Connection) -> str | None:
        """Return the first damage that SQLite finds in the whole database, or None. Raises StorageError."""
        try:
            verdict = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            if primary_code(error) not in DAMAGE:
                raise explain_sqlite_error(error, self._database) from error
            return first_line(error)
        return None if verdict == "ok" else " ".join(verdict.split())
