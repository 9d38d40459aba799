"""Replacement of a file as a whole, so that a failure never leaves half a file."""

import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from shared.errors import OutputError
from shared.file_errors import explain_file_error

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield the path of a new file beside `path`, which replaces the file at `path` at the end of the block.

    A link stays a link, and a replaced file keeps its permissions. A pipe or a device, such as /dev/stdout, is written
    directly. After an error, and after SIGTERM or SIGHUP, the new file is deleted. Raises OutputError.
    """
    try:
        target = Path(os.path.realpath(path))
        if not _is_special(target):
            with _ending_on_signals(), _beside(target) as new_file:
                yield new_file
            return
        yield target
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {explain_file_error(error)}") from error


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    new_file = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        # The permissions are those of any new file of this user.
        new_file.touch(exist_ok=False)
        if target.exists():
            shutil.copymode(target, new_file)
        yield new_file
        _flush_to_disk(new_file)
        new_file.replace(target)
    finally:
        new_file.unlink(missing_ok=True)


def _is_special(target: Path) -> bool:
    """Return True for a pipe or a device. Raises OutputError for a folder, and for a file in no folder."""
    if not target.parent.is_dir():
        raise OutputError(f"{target} cannot be written: there is no folder {target.parent}; create it first")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise OutputError(f"{target} is a folder: name a file in it")
    if not os.access(target, os.W_OK):
        raise OutputError(f"{target} cannot be written: this user has no write permission on the file")
    return not stat.S_ISREG(mode)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Exit through every `finally`. Only the main thread can handle signals."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    handled = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in handled:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
