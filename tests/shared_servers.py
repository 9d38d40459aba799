"""Servers that all workers of a run of pytest share, each started by the first worker that needs it.

A server belongs to the run, not to the worker that started it: a watchdog ends it if pytest is killed.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.up.watchdog import Watchdog
from shared.locks import file_lock

# A Popen object that is collected while its process runs gives a ResourceWarning.
_keep_alive: list[object] = []


def started_once(record: Path, start: Callable[[], dict[str, Any]], timeout: float) -> dict[str, Any]:
    """Return what `start` has told of the server that it started: in this worker, or before in another one.

    `record` is the file that keeps it, and `timeout` the seconds that a start takes at the longest.
    """
    with file_lock(record.with_suffix(".lock"), wait=2 * timeout) as locked:
        assert locked, f"another worker of pytest did not write {record} in time"
        if not record.exists():
            record.write_text(json.dumps(start()))
        told: dict[str, Any] = json.loads(record.read_text())
        return told


def keep_until_end_of(owner: int, server: object, process_file: Path) -> None:
    """Let a server run until the process with the number `owner` ends, which is the end of the run."""
    watchdog = Watchdog([process_file], process_file.with_name("watchdog.log"), owner)
    watchdog.start()
    _keep_alive.extend([server, watchdog])
