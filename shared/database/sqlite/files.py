"""The files of an open SQLite database: a check that they are still the files at its path, and undamaged.

SQLite goes on with the files that it opened. It does not notice if they are removed, moved, replaced or overwritten,
and commits rows to files that nobody will find. The check costs a few system calls and reads no page.

Nothing here opens a database's file: closing any descriptor of a file drops all locks of the process on that file, also
those of SQLite. Contents are read through SQLite's own descriptors. Source: https://www.sqlite.org/howtocorrupt.html
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Literal

from shared.database.sqlite.headers import HEADER_SIZE, FileHeader, WalIndexHeader, wal_salt
from shared.database.sqlite.open_files import FileId, OpenFiles, file_id

# Positions in the tuples of files.
_DATABASE, _WAL, _WAL_INDEX = range(3)


class Change(StrEnum):
    """A change of the files by another program, as the rest of the sentence "database X ..."."""

    REMOVED = "was removed or moved while in use"
    REPLACED = "was replaced by another file while in use"
    OVERWRITTEN = "was overwritten while in use"
    # Its header is as SQLite leaves it, so that perhaps only its time of change is another.
    WRITTEN = "was written to by another program than SQLite while in use"
    WAL_REMOVED = "lost its -wal or -shm file while in use"
    WAL_OVERWRITTEN = "has a -wal file that was overwritten while in use"


class SqliteFiles:
    """The files of one database, as this process opened them. `path` is the path that the setting names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._paths = _paths(path)
        self._ids: tuple[FileId | None, ...] = ()
        # Empty if their contents cannot be read.
        self._open_files = OpenFiles({})
        self._content = (0, 0)
        self._change_counter = 0
        self._wal_index: WalIndexHeader | None = None

    @property
    def wal(self) -> Path:
        return Path(self._paths[_WAL])

    @property
    def wal_index(self) -> Path:
        return Path(self._paths[_WAL_INDEX])

    def remember(self, *, has_wal: bool) -> bool:
        """Remember the files that SQLite has just opened. Return False if they are not the files at the path.

        Without a WAL, which some network file systems do not support, only the database's identity is checked.
        """
        if not self._ids:
            self._paths = _paths(self.path)
        stats = self._stats() if has_wal else (_stat(self._paths[_DATABASE]), None, None)
        ids = tuple(map(file_id, stats))
        open_files = OpenFiles.find()
        if None in (ids if has_wal else ids[:1]):
            return False
        if open_files and not all(each in open_files for each in ids if each):
            return False
        if self._ids:
            return ids == self._ids
        self._ids = ids
        if open_files and has_wal:
            self._open_files = open_files
            self._wal_index = WalIndexHeader.parse(self._read(_WAL_INDEX))
            self._change_counter = FileHeader.parse(self._read(_DATABASE)).change_counter
        # After the index, in which a checkpoint is before it writes to the file.
        self._content = _content(_stat(self._paths[_DATABASE]))
        return True

    def forget(self) -> None:
        """Forget the files, after all connections to them are closed."""
        self._ids = ()
        self._open_files = OpenFiles({})

    def find_change(self) -> Change | None:
        """Return the change by another program since the files were opened; None if nothing is open."""
        if not self._ids:
            return None
        before = self._wal_index
        if self._open_files:
            # Before the file's time, as in `remember`.
            self._wal_index = WalIndexHeader.parse(self._read(_WAL_INDEX))
        stats = self._stats()
        database, wal, wal_index = map(file_id, stats)
        if database != self._ids[_DATABASE]:
            return Change.REPLACED if database else Change.REMOVED
        if self._open_files and (change := self._find_change_of_content(stats[_DATABASE], before)):
            return change
        if self._ids[_WAL] and (wal, wal_index) != self._ids[1:]:
            return Change.WAL_REMOVED
        return Change.WAL_OVERWRITTEN if self._open_files and self._is_wal_overwritten(stats[_WAL]) else None

    def owns_wal(self) -> bool:
        """Return True if the -wal file at the path is the opened one."""
        return bool(self._ids) and file_id(_stat(self._paths[_WAL])) == self._ids[_WAL]

    def is_alone_with_wal(self) -> bool:
        """Return True if no other process can have written through other -wal and -shm files than the opened ones."""
        _, wal, wal_index = self._stats()
        if self.owns_wal():
            return file_id(wal_index) in (None, self._ids[_WAL_INDEX])
        return wal is None or wal.st_size == 0

    def _find_change_of_content(
        self, stat: os.stat_result | None, before: WalIndexHeader | None
    ) -> Literal[Change.OVERWRITTEN, Change.WRITTEN] | None:
        """Return the change if the database's content has changed and no checkpoint explains it.

        In WAL mode, SQLite writes to the database only in a checkpoint, which the header of the WAL index records.
        `before` is that header from before the last look at the content.
        """
        content = _content(stat)
        if content == self._content:
            return None
        self._content = content
        header = FileHeader.parse(self._read(_DATABASE))
        last_counter, self._change_counter = self._change_counter, header.change_counter
        index = WalIndexHeader.parse(self._read(_WAL_INDEX))
        is_cut = content[0] < header.size and not index.is_checkpoint_running
        if not header.is_sqlite or header.change_counter < last_counter or is_cut:
            return Change.OVERWRITTEN
        is_explained = before is None or index.has_checkpoint_since(before)
        return None if is_explained else Change.WRITTEN

    def _is_wal_overwritten(self, stat: os.stat_result | None) -> bool:
        index = self._wal_index
        if stat is None or index is None or not index.frames:
            return False
        if stat.st_size >= index.wal_size and wal_salt(self._read(_WAL)) == index.salt:
            return False
        # Another process may have begun the WAL anew since the index was read.
        return index == WalIndexHeader.parse(self._read(_WAL_INDEX))

    def _read(self, number: int) -> bytes:
        return self._open_files.read(self._ids[number], HEADER_SIZE)

    def _stats(self) -> tuple[os.stat_result | None, ...]:
        return tuple(map(_stat, self._paths))


def _paths(path: Path) -> tuple[str, str, str]:
    """Return the paths of the database, of its WAL, and of the index of the WAL."""
    # SQLite follows a symbolic link, and keeps the other files beside the file that the link names.
    real_path = os.path.realpath(path)
    return str(path), f"{real_path}-wal", f"{real_path}-shm"


# Text, not a Path: a check before and after each commit must take microseconds.
def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


def _content(stat: os.stat_result | None) -> tuple[int, int]:
    """Return size and time of change. The time of the inode's change would also tell of a new hard link or mode."""
    return (stat.st_size, stat.st_mtime_ns) if stat else (0, 0)
