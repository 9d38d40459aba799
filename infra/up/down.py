"""The command `stockwire down`: end a running `up`, and what a killed `up` left running."""

import os
import signal
import time
from contextlib import suppress

from infra.up.folders import PROCESS_FILES, UP_PID
from infra.up.orphans import end_orphans
from shared.cli.output import print_lines
from shared.errors import ProcessError
from shared.locks import file_lock, is_locked
from shared.settings import UP_LOCK, UP_SETTINGS

# Seconds.
_STOP_TIMEOUT = 90


def down() -> None:
    """End a running `up`, and whatever an earlier `up` left running."""
    if is_locked(UP_LOCK):
        _stop_up()
        print_lines("stockwire: ended the running ./stockwire up")
    with file_lock(UP_LOCK, wait=1) as locked:
        if not locked:
            raise ProcessError("another ./stockwire up has just started: run ./stockwire down again")
        ended = sum(end_orphans(file) for file in PROCESS_FILES)
        UP_SETTINGS.unlink(missing_ok=True)
        UP_PID.unlink(missing_ok=True)
    if ended:
        print_lines(f"stockwire: ended {ended} {'process' if ended == 1 else 'processes'} of an earlier ./stockwire up")
    else:
        print_lines("stockwire: nothing else runs that an earlier ./stockwire up started")


def _stop_up() -> None:
    """Ask the running `up` to end, and wait for its end. Raises ProcessError."""
    try:
        pid = int(UP_PID.read_text())
    except (OSError, ValueError) as error:
        raise ProcessError(f"./stockwire up runs in this folder, but {UP_PID} does not say which: stop it") from error
    try:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        raise ProcessError(f"./stockwire up (process {pid}) belongs to another user: end it as that user") from error
    deadline = time.monotonic() + _STOP_TIMEOUT
    while is_locked(UP_LOCK):
        if time.monotonic() > deadline:
            raise ProcessError(f"./stockwire up does not end: kill -9 {pid}, then run ./stockwire down again")
        time.sleep(0.1)
