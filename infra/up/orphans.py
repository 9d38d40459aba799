"""Processes that outlived a killed `up`: recorded in a file, and killed by the next `up`.

A process is identified by its number and start time, because the system reuses numbers. Without /proc (on macOS)
nothing is recorded and nothing is killed.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def record_processes(file: Path, group_leaders: Iterable[int]) -> None:
    """Write number and start time of each running process group leader to `file`."""
    lines = [f"{pid} {started}" for pid in group_leaders if (started := _start_time(pid))]
    file.write_text("\n".join(lines))


def kill_orphans(file: Path) -> int:
    """Kill the recorded process groups that still run, delete the file, and return the number of killed groups."""
    killed = 0
    with suppress(FileNotFoundError):
        for line in file.read_text().splitlines():
            pid, _, started = line.partition(" ")
            if pid.isdecimal() and started and _start_time(int(pid)) == started:
                with suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
                killed += 1
        file.unlink()
    return killed


def _start_time(pid: int) -> str | None:
    """Return the start time in clock ticks since boot, or None if there is no such process."""
    try:
        # Field 22, counted from the name in parentheses, which may have spaces in it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
