"""The running processes of this machine, from /proc or, on a system without /proc such as macOS, from ps."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class RunningProcess(NamedTuple):
    """A process. The system reuses numbers, so only number and start time together identify a process."""

    pid: int
    group: int
    started: str


def running_processes() -> Iterator[RunningProcess]:
    """Yield each process that has not ended. A zombie has ended."""
    if (_PROC / "self" / "stat").exists():
        yield from _read_proc()
    else:
        yield from _run_ps()


def start_times() -> dict[int, str]:
    """Return the start time of each running process by its number."""
    return {process.pid: process.started for process in running_processes()}


def _read_proc() -> Iterator[RunningProcess]:
    for folder in _PROC.glob("[0-9]*"):
        try:
            # The fields after the name in parentheses, which may have spaces and parentheses in it.
            state, _, group, *others = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # it has just ended
        if state not in "ZX":
            yield RunningProcess(int(folder.name), int(group), others[16])


def _run_ps() -> Iterator[RunningProcess]:
    command = ["ps", "-A", "-o", "pid=,pgid=,stat=,lstart="]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C"})
    for line in listed.stdout.splitlines():
        pid, group, state, started = line.split(None, 3)
        if not state.startswith("Z"):
            yield RunningProcess(int(pid), int(group), started.strip())
