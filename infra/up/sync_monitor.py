"""Notices about failed syncs, read from Celery's table of results, for the view of `up`."""

import json
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, column, func, inspect, select, table

from shared.database.engine import opened, reading
from shared.database.url import DatabaseUrl
from shared.errors import RateLimited, StorageError
from shared.symbols import join_names

TASK = "producer.sync"

# Seconds between two queries.
_POLL_INTERVAL = 1.0

_results = table("celery_taskmeta", column("id"), column("name"), column("status"), column("result"))


class SyncMonitor:
    """Reads the results of syncs that ended, or wait for a retry, since the monitor was created."""

    def __init__(self, url: DatabaseUrl) -> None:
        """Remember the newest result at `url`. Raises StorageError if the results cannot be read."""
        self._url = url
        self._polled = 0.0
        self._last_notice = ""
        with opened(url.engine_url) as engine, reading(engine) as connection:
            newest = connection.scalar(select(func.max(_results.c.id))) if _has_results(connection) else None
        self._last_id = (newest or 0) + 1

    def poll(self) -> list[str]:
        """Return a notice per new problem, without immediate repetitions. Queries at most once per second."""
        if time.monotonic() - self._polled < _POLL_INTERVAL:
            return []
        self._polled = time.monotonic()
        try:
            rows = self._rows()
        except StorageError as error:
            return self._new_notice(f"the results of syncs cannot be read: {error}")
        notices = []
        for row in rows:
            self._last_id = row.id
            notices += self._new_notice(describe_result(row.status, row.result))
        return notices

    def _rows(self) -> Sequence[Row[Any]]:
        """Return the new rows, and the newest known row, whose state may have changed."""
        with opened(self._url.engine_url) as engine, reading(engine) as connection:
            if not _has_results(connection):
                return ()
            query = select(_results).where(_results.c.name == TASK, _results.c.id >= self._last_id)
            return connection.execute(query.order_by(_results.c.id)).all()

    def _new_notice(self, notice: str) -> list[str]:
        new = [notice] if notice and notice != self._last_notice else []
        self._last_notice = notice
        return new


def _has_results(connection: Connection) -> bool:
    return inspect(connection).has_table(_results.name)


def describe_result(status: str, result: bytes | None) -> str:
    """Return the problems of a sync by its Celery status and JSON result, or an empty string if there are none."""
    try:
        found: Any = json.loads(result or b"null")
    except ValueError:
        found = None
    if status == "SUCCESS" and isinstance(found, dict):
        failed = found.get("failed") or {}
        problems = [f"{join_names(failed)} failed: {next(iter(failed.values()))}"] if failed else []
        problems += [] if failed else (found.get("rejected_keys") or {}).values()
        return "; ".join([*problems, *(found.get("remarks") or ())])
    if status in ("FAILURE", "RETRY") and isinstance(found, dict):
        words = found.get("exc_message")
        reason = " ".join(map(str, words)) if isinstance(words, list | tuple) else str(words)
        if found.get("exc_type") == RateLimited.__name__:
            return f"the sync waits for its quota: {reason}" if status == "RETRY" else f"the sync ends: {reason}"
        return f"the sync failed: {reason}" if status == "FAILURE" else f"the sync is retried: {reason}"
    return ""
