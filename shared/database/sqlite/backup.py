"""Copies of SQLite databases by SQLite's online backup, while other processes read and write them.

Source: https://www.sqlite.org/backup.html
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from shared.database.sqlite.damage import find_damage
from shared.database.sqlite.errors import DAMAGE, damaged, explain_sqlite_error, first_line, primary_code
from shared.database.sqlite.reading import close_without_checkpoint, connect_for_reading
from shared.errors import StorageError
from shared.file_errors import explain_file_error

# Pages of a database that are copied at once.
_PAGES = 1000
# Bytes. With less, a disk is full.
_ROOM = 2**16
_PRIVATE = 0o600
_PERMISSIONS = 0o777


def back_up(source: Path, target: Path, on_progress: Callable[[float], None]) -> int:
    """Copy a database to a file, which is replaced if it exists, and return the size of the copy in bytes.

    The copy has everything that was committed when it began. It has the permissions of the database, is checked as a
    whole and is on the disk before it gets its name. `on_progress` gets the part that is done, from 0 to 1. Raises
    StorageError; the target then is as it was.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _new_file(target) as (part, descriptor):
            _copy(source, part, target, on_progress)
            os.fchmod(descriptor, source.stat().st_mode & _PERMISSIONS)
            os.fsync(descriptor)
            size = os.fstat(descriptor).st_size
            part.replace(target)
        _synchronize(target.parent)
    except OSError as error:
        raise StorageError(f"backup {target} cannot be written: {explain_file_error(error)}") from error
    return size


def check_target(source: Path, target: Path, *, replaces: bool) -> None:
    """Raise StorageError if the copy must not have this name."""
    if target.is_dir():
        raise StorageError(f"backup {target} is a folder: give the name of a file")
    if target.exists() and target.samefile(source):
        raise StorageError(f"backup {target} is the database itself: give another name")
    for log in (Path(f"{target}-wal"), Path(f"{target}-journal")):
        if log.exists():
            raise StorageError(
                f"backup {target} would be a file that is in use or was not closed ({log.name} is beside it):"
                " give another name"
            )
    if target.exists() and not replaces:
        raise StorageError(f"backup {target} exists: give another name, or --force to replace it")


@contextmanager
def _new_file(target: Path) -> Iterator[tuple[Path, int]]:
    """Yield the path and the descriptor of a new file beside the target, which is removed unless it is renamed.

    The file of a backup that was killed is used again. Raises StorageError if another backup is writing it.
    """
    part = target.with_name(f".{target.name}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, _PRIVATE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"backup {target} is being written by another process: wait for its end") from error
        if not _is_open_at(part, descriptor):
            # The other backup has ended since, and the file has its final name.
            raise StorageError(f"backup {target} was just written by another process")
        os.ftruncate(descriptor, 0)
        try:
            yield part, descriptor
        finally:
            # After its renaming, the next backup may have begun another file of this name.
            if _is_open_at(part, descriptor):
                for each in (part, Path(f"{part}-wal"), Path(f"{part}-shm"), Path(f"{part}-journal")):
                    with suppress(FileNotFoundError):
                        each.unlink()
    finally:
        os.close(descriptor)


def _is_open_at(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))


def _copy(source: Path, part: Path, target: Path, on_progress: Callable[[float], None]) -> None:
    database = f"sqlite:///{source}"
    try:
        reader = connect_for_reading(source)
    except sqlite3.Error as error:
        raise explain_sqlite_error(error, database) from error
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            _copy_pages(reader, copy, on_progress)
            # The copy has no use for a WAL, which would be a second file of it.
            copy.execute("PRAGMA journal_mode=DELETE")
            problem = find_damage(copy, str(target))
    except sqlite3.Error as error:
        if primary_code(error) in DAMAGE:
            raise damaged(database, f"is damaged ({first_line(error)}), and no copy was made") from error
        raise StorageError(f"backup {target} cannot be written: {_explain(error, target.parent)}") from error
    finally:
        close_without_checkpoint(reader)
    if problem:
        raise damaged(database, f"is damaged ({problem}), and no copy was made")


def _explain(error: sqlite3.Error, folder: Path) -> str:
    """Return the reason of an error. SQLite may call a full disk an I/O error."""
    is_full = primary_code(error) == sqlite3.SQLITE_FULL or shutil.disk_usage(folder).free < _ROOM
    return "the disk is full: make room on it" if is_full else first_line(error)


def _copy_pages(reader: sqlite3.Connection, copy: sqlite3.Connection, on_progress: Callable[[float], None]) -> None:
    # A backup that fails leaves no file, so that nothing has to be undone.
    copy.execute("PRAGMA journal_mode=OFF")
    copy.execute("PRAGMA synchronous=OFF")
    # All steps of the copy see the database as of now. Without a transaction, SQLite begins again after each commit.
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def on_step(_status: int, remaining: int, total: int) -> None:
        on_progress(1 - remaining / max(total, 1))

    reader.backup(copy, pages=_PAGES, progress=on_step)


def _synchronize(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
