"""The permissions of the files of a SQLite database that holds secrets."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from shared.errors import StorageError

_PRIVATE = stat.S_IRUSR | stat.S_IWUSR


def make_private(path: Path) -> None:
    """Let only their owner read and write the files of a database; create the file if it is missing.

    SQLite gives a new -wal or -shm file the permissions of the database. Raises StorageError.
    """
    # SQLite follows a symbolic link, and keeps the other files beside the file that the link names.
    path = path.resolve()
    try:
        # No open file is touched: closing it would drop the locks of this process on the database.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))
        for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            with suppress(FileNotFoundError):
                _restrict(each)
    except OSError as error:
        raise StorageError(
            f"database sqlite:///{path} must be readable by its owner alone, because it holds secrets:"
            f" {error.strerror}; run chmod 600 on it"
        ) from error


def _restrict(path: Path) -> None:
    found = path.stat()
    # A file of another user, such as in a shared folder of containers, is that user's affair.
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & ~_PRIVATE:
        path.chmod(stat.S_IMODE(found.st_mode) & _PRIVATE)
