"""SQLite connections for reading, which need no write permission and never write to the database."""

import os
import sqlite3
from pathlib import Path

from shared.database.sqlite.errors import BUSY_TIMEOUT
from shared.errors import StorageError


def database_exists(path: Path) -> bool:
    """Return True if there is a file. Raises StorageError if the user may not look into its folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(f"database sqlite:///{path} cannot be read: {error.strerror}") from error
    return True


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing database. Close it with `close_without_checkpoint`. Raises sqlite3.Error and StorageError.

    SQLite needs the WAL and its index to read a database. A user without write permission reads them if they are there.
    Such a user must not create them: the consumer could not write to them.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _connect(f"{path.absolute().as_uri()}?mode=rw")
    wal, wal_index = Path(f"{path}-wal"), Path(f"{path}-shm")
    if wal_index.exists():
        return _connect(f"{path.absolute().as_uri()}?mode=ro&readonly_shm=1")
    if wal.exists() and wal.stat().st_size:
        raise StorageError(
            f"database sqlite:///{path} was not closed, and cannot be read without write permission: start its consumer"
        )
    # No process has the database open, so nothing changes while it is read.
    return _connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1")


def close_without_checkpoint(connection: sqlite3.Connection) -> None:
    """Close a connection, and leave a WAL with rows as it is even if this is the last connection.

    SQLite would copy the rows to the database, which may no longer be the database that the rows belong to.
    """
    connection.interrupt()
    connection.close()


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, check_same_thread=False, isolation_level=None)
