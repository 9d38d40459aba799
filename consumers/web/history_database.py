"""The history database as the API reads it: connections that are kept, and a version that tells of changes."""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from consumers.history.queries.prices import history_reader
from shared.database.reader import Reader
from shared.database.sqlite.reading import close_without_checkpoint, connect_for_reading
from shared.errors import StorageError
from shared.settings import Settings

# Connections that are kept for the next requests.
_MOST_KEPT = 8

# The device and the number of a file, which stay the same until another file takes its place.
_File = tuple[int, int]
# A file and SQLite's number of its last change.
Version = tuple[_File, int]


class _Kept(NamedTuple):
    file: _File | None
    reader: Reader
    closing: ExitStack


class HistoryDatabase:
    """Readers of the history database. `reading` may be called in any thread, `version` only in one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._path = settings.history_url.sqlite_file
        self._kept: deque[_Kept] = deque()
        self._watching: tuple[_File, sqlite3.Connection] | None = None

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Yield a reader. Raises StorageError if there is no history yet."""
        file = _file_at(self._path)
        kept = self._take(file)
        try:
            yield kept.reader
        except BaseException:
            kept.closing.close()
            raise
        if kept.file is None or len(self._kept) >= _MOST_KEPT:
            kept.closing.close()
        else:
            self._kept.append(kept)

    def version(self) -> Version | None:
        """Return a value that changes with every change of the database, or None if that cannot be known."""
        file = _file_at(self._path)
        if file is None or self._path is None:
            return None
        try:
            if self._watching is None or self._watching[0] != file:
                self._stop_watching()
                self._watching = file, connect_for_reading(self._path)
            return file, self._watching[1].execute("PRAGMA data_version").fetchone()[0]
        except (sqlite3.Error, StorageError):
            self._stop_watching()
            return None

    def close(self) -> None:
        while self._kept:
            self._kept.pop().closing.close()
        self._stop_watching()

    def _take(self, file: _File | None) -> _Kept:
        """Return a kept connection to this file, or a new one."""
        while file is not None:
            try:
                kept = self._kept.pop()
            except IndexError:
                break
            if kept.file == file:
                return kept
            kept.closing.close()
        closing = ExitStack()
        return _Kept(file, closing.enter_context(history_reader(self.settings)), closing)

    def _stop_watching(self) -> None:
        if self._watching is not None:
            close_without_checkpoint(self._watching[1])
        self._watching = None


def _file_at(path: Path | None) -> _File | None:
    """Return the identity of a SQLite file that can be written, or None.

    A file without write permission is read as it was when it was opened, so no connection to it may be kept.
    """
    if path is None or not os.access(path, os.W_OK):
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
