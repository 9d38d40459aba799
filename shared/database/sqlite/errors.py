"""SQLite's errors as storage errors, for readers through sqlite3 and through SQLAlchemy alike."""

import sqlite3

from shared.errors import StorageDamaged, StorageError, StorageLocked, StorageUnavailable

# Seconds that a statement waits for another process's transaction.
BUSY_TIMEOUT = 5.0

# The primary result codes of errors that pass by themselves. Source: https://www.sqlite.org/rescode.html
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_TRANSIENT = {*_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_PRIMARY_CODE = 0xFF
# The primary result codes of a damaged database.
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def primary_code(error: sqlite3.Error) -> int:
    """Return the error's primary result code, or 0 if the error comes from the module sqlite3, not from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE


def is_transient(error: sqlite3.Error) -> bool:
    """Return True if the error passes by itself, such as a lock of another process."""
    return primary_code(error) in _TRANSIENT


def explain_sqlite_error(error: sqlite3.Error, database: str) -> StorageError:
    """Return the storage error that tells a user what is wrong with `database`, and what to do."""
    code = primary_code(error)
    reason = first_line(error)
    if is_transient(error):
        kind = StorageLocked if code in _LOCKED else StorageUnavailable
        return kind(f"database {database} cannot be written for now: {reason}")
    if code == sqlite3.SQLITE_READONLY:
        return read_only(database)
    if code in DAMAGE:
        return damaged(database, f"is damaged or not a SQLite file ({reason})")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageError(f"database {database} cannot be opened: check the permissions of file and folder")
    return StorageError(f"database {database}: {reason}")


def read_only(database: str) -> StorageError:
    """Return the error of a database whose file or folder this user may not write to."""
    return StorageError(f"database {database} is read-only: give this user write permission on file and folder")


def damaged(database: str, problem: str) -> StorageDamaged:
    """Return the error of a database that has to be replaced. The consumers must not write while it is."""
    return StorageDamaged(f"database {database} {problem}: stop the consumers, then put back a copy of it")


def first_line(error: BaseException | None) -> str:
    """Return the first line of an error's message, or the name of its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
