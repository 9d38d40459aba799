"""Processes that a killed `up` has left behind: remembered in a file, and ended by the next one.

A process is known by its number and the time it was started, since the number alone may be another's by now. Where
there is no /proc (macOS) nothing is remembered, and nothing ended.
"""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def remember(file: Path, leaders: Iterable[int]) -> None:
    """Write down process group leaders of ours that run now."""
    lines = [f"{pid} {started}" for pid in leaders if (started := _started(pid))]
    file.write_text("\n".join(lines))


def kill_orphans(file: Path) -> int:
    """Kill the process groups that the file names and that still run, forget them, and say how many those were."""
    ended = 0
    with suppress(FileNotFoundError):
        for line in file.read_text().splitlines():
            pid, _, started = line.partition(" ")
            if pid.isdecimal() and started and _started(int(pid)) == started:
                with suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
                ended += 1
        file.unlink()
    return ended


def _started(pid: int) -> str | None:
    """When it was started, in clock ticks since boot: field 22 of /proc/PID/stat, behind a name in parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
