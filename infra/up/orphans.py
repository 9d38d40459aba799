"""Processes that outlived a killed owner, such as `up`: recorded in a file, and ended by its watchdog or afterwards."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from infra.up.process_table import running_processes, start_times
from shared.errors import ProcessError
from shared.locks import file_lock

# Seconds: from SIGTERM to SIGKILL, and from SIGKILL to giving up.
TERMINATE_TIMEOUT = 10.0
KILL_TIMEOUT = 10.0


def record_processes(file: Path, owner: int, group_leaders: Iterable[int]) -> None:
    """Write the number of the owner, and number and start time of each running process group leader, to `file`."""
    started = start_times()
    lines = [str(owner), *(f"{pid} {started[pid]}" for pid in group_leaders if pid in started)]
    new_file = file.with_name(f"{file.name}.new")
    new_file.write_text("\n".join(lines))
    new_file.replace(file)


def end_orphans(file: Path, owner: int | None = None, *, terminate_timeout: float = TERMINATE_TIMEOUT) -> int:
    """End the recorded process groups that still run, delete the file, and return the number of ended groups.

    `terminate_timeout` is in seconds, from SIGTERM to SIGKILL. With `owner`, a record of another owner is left alone.
    Raises ProcessError if a process cannot be ended.
    """
    if not file.exists():
        return 0
    # The watchdog of a killed `up` and the next `up` may do this at the same time.
    with file_lock(file.with_name(f"{file.name}.lock"), wait=2 * (TERMINATE_TIMEOUT + KILL_TIMEOUT)):
        recorded_owner, leaders = _read_record(file)
        if owner is not None and owner != recorded_owner:
            return 0
        started = start_times()
        groups = {pid for pid, start in leaders.items() if started.get(pid) == start}
        _end_groups(groups, terminate_timeout)
        file.unlink(missing_ok=True)
    return len(groups)


def _read_record(file: Path) -> tuple[int, dict[int, str]]:
    """Return the owner, and the start time of each group leader. An unreadable record has no processes."""
    with suppress(FileNotFoundError, ValueError):
        owner, *lines = file.read_text().splitlines()
        fields = (line.split(" ", 1) for line in lines)
        return int(owner), {int(pid): started for pid, started in fields}
    return 0, {}


def _end_groups(groups: set[int], terminate_timeout: float) -> None:
    _send(groups, signal.SIGTERM)
    # When a leader has ended, the rest of its group, such as Celery's children, gets no more time.
    _wait_until(lambda: not groups & start_times().keys(), terminate_timeout)
    _send(groups, signal.SIGKILL)
    if not _wait_until(lambda: not groups & {process.group for process in running_processes()}, KILL_TIMEOUT):
        raise ProcessError(f"process groups {', '.join(map(str, sorted(groups)))} do not end, not even by kill -9")


def _send(groups: Iterable[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise ProcessError(f"process group {group} belongs to another user: end it as that user") from error


def _wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds
