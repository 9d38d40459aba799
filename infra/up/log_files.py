"""Log files that stay bounded while processes append to them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

# Bytes of a log file, after which it is copied to `<name>.1` and emptied.
MAX_LOG_SIZE = 10 * 2**20

_CHUNK = 2**20


def rotate_logs(logs: Iterable[Path]) -> list[str]:
    """Rotate the logs that have grown over MAX_LOG_SIZE, and return a notice for each that could not be copied."""
    return [notice for log in logs if _size(log) > MAX_LOG_SIZE and (notice := _rotate(log))]


def previous_log(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _rotate(log: Path) -> str:
    """Copy the log and empty it. Its process has it open, and goes on at the start of the emptied file.

    Renaming it instead would leave the process with the renamed file.
    """
    with log.open("r+b") as file:
        try:
            with previous_log(log).open("wb") as copy:
                shutil.copyfileobj(file, copy, _CHUNK)
        except OSError as error:
            # A log that cannot be copied must not fill the disk either.
            previous_log(log).unlink(missing_ok=True)
            file.truncate(0)
            return f"{log} was emptied without a copy: {error.strerror}"
        file.truncate(0)
    return ""


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
