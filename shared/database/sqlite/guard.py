"""A guard that keeps an engine on the SQLite file that its URL names, whatever other programs do to the file.

Before and after each writing transaction the guard compares the files with those that SQLite has open. After a change
it closes the connections, so that the next one opens the file that is there now, and reads the last batch back from
that file. If the batch is there, the guard only logs the change. Otherwise it raises an error, because the last commit
may be in no file of that name, and checks the whole file first.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, event

from shared.database.sqlite.damage import SMALL, ReadBack, find_damage, find_damage_of_file, reads_back
from shared.database.sqlite.errors import damaged
from shared.database.sqlite.files import Change, SqliteFiles
from shared.database.sqlite.reading import close_without_checkpoint
from shared.errors import StorageError, StorageReopened, StorageUnavailable

log = logging.getLogger(__name__)

_DAMAGED_WAL_SUFFIX = ".damaged-wal"
# Changes after which the database is another one, whose tables and rows its user does not know.
_MOVES = (Change.REMOVED, Change.REPLACED)


class SqliteGuard:
    """The guard of one engine. `database` is its name in messages."""

    def __init__(self, path: Path, database: str) -> None:
        self._files = SqliteFiles(path)
        self._database = database
        self._connections: list[sqlite3.Connection] = []
        self._unchecked: Change | None = None
        # Finds the last batch of this process; None if that cannot be found.
        self.read_back: ReadBack | None = None
        # Called before StorageReopened is raised, such as to create tables.
        self.after_reopening: Callable[[], None] = lambda: None

    def watch(self, engine: Engine) -> None:
        """Watch the files of the engine's connections, each of which must be in WAL mode."""
        self._engine = engine
        event.listen(engine, "connect", self._add)
        event.listen(engine, "close", self._remove)

    def check(self) -> None:
        """Raise StorageReopened if the last batch may be lost, and StorageDamaged if the file there is damaged."""
        try:
            # If the file could not be checked, such as because it was locked, that is still to be done.
            change = self._unchecked or self._files.find_change()
            if change is None:
                return
            if self._unchecked is None:
                self._release(change)
                self._unchecked = change
            is_stored = self._reads_back(change)
            is_whole_checked = not is_stored or self._files.path.stat().st_size <= SMALL
            problem = self._find_damage_of_file(change) if is_whole_checked else None
        except OSError as error:
            raise StorageError(f"database {self._database}: its files cannot be checked: {error}") from error
        self._unchecked = None
        if problem:
            raise damaged(self._database, f"{change}, and is damaged ({problem})")
        reopened = f"database {self._database} {change}: opened the file that is there now"
        if is_stored and change not in _MOVES:
            log.warning("%s; what was stored last is in it", reopened)
            return
        self.after_reopening()
        raise StorageReopened(reopened)

    def _add(self, connection: sqlite3.Connection, _record: object) -> None:
        # The first read of a connection makes SQLite open all its files.
        connection.execute("PRAGMA user_version").fetchone()
        has_wal = connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        self._connections.append(connection)
        if not self._files.remember(has_wal=has_wal):
            self._close_all()
            raise StorageUnavailable(f"database {self._database} was removed or replaced while it was opened")
        if self._damaged_wal.exists() and (problem := find_damage(connection, self._database)):
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
        is_moved = change in _MOVES
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

    def _reads_back(self, change: Change) -> bool:
        """Return True if the last batch is in the file at the path. An overwritten file is not asked."""
        if self.read_back is None or change is Change.OVERWRITTEN or not self._files.path.exists():
            return False
        return reads_back(self._files.path, self._database, self.read_back)

    def _find_damage_of_file(self, change: Change) -> str | None:
        """Return the first damage of the file at the path, or None. Moves the WAL of a damaged file out of the way."""
        is_overwritten = change in (Change.OVERWRITTEN, Change.WRITTEN)
        problem = "it is empty" if is_overwritten else None
        path = self._files.path
        if path.exists() and path.stat().st_size:
            problem = find_damage_of_file(path, self._database, without_wal=is_overwritten)
        if problem:
            self._discard_wal(keep=True)
            self._damaged_wal.touch()
        return problem
