"""A Celery worker seen from outside: its results, its processes and the files they have open."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

CELERY = ("python", "-m", "celery", "-A", "producer")


def results(checkout: Path, status: str = "SUCCESS") -> list[dict[str, Any]]:
    """Return the results of all syncs with this status, oldest first."""
    return list(results_by_task(checkout, status).values())


def results_by_task(checkout: Path, status: str = "SUCCESS") -> dict[str, dict[str, Any]]:
    path = checkout / "var" / "celery.db"
    if not path.exists():
        return {}
    query = "SELECT task_id, result FROM celery_taskmeta WHERE name = 'producer.sync' AND status = ? ORDER BY id"
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.OperationalError):
        return {task: json.loads(text) for task, text in database.execute(query, [status])}
    return {}


def children(folder: Path) -> list[str]:
    """Return the numbers of the processes whose current folder this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder:
                found.append(process.name)
    return found


def have_open(path: Path, processes: set[str]) -> bool:
    """Return True if one of these processes has this file open."""
    found = []
    for process in processes:
        with contextlib.suppress(OSError):
            found += [each.resolve() for each in Path(f"/proc/{process}/fd").iterdir()]
    return path in found
