"""What went wrong with syncs, as Celery's table of results tells: for who watches the pipeline and no log."""

import json
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, column, func, inspect, select, table

from shared.database import opened, reading
from shared.database_url import DatabaseUrl
from shared.errors import RateLimited, StorageError
from shared.symbols import join_names

TASK = "producer.sync"

_LOOK_EVERY = 1.0

_results = table("celery_taskmeta", column("id"), column("name"), column("status"), column("result"))


class SyncMonitor:
    """Looks at the results of syncs that have ended, or wait for another try, since this was made."""

    def __init__(self, url: DatabaseUrl) -> None:
        """`url` is that of the results. Raises StorageError where they cannot be read."""
        self._url = url
        self._looked = 0.0
        self._said = ""
        with opened(url.engine_url) as engine, reading(engine) as connection:
            newest = connection.scalar(select(func.max(_results.c.id))) if _is_there(connection) else None
        self._last = (newest or 0) + 1

    def look(self) -> list[str]:
        """A line for each new trouble, at most once a second; the same one is not told twice in a row.

        That the results cannot be read is such a trouble.
        """
        if time.monotonic() - self._looked < _LOOK_EVERY:
            return []
        self._looked = time.monotonic()
        try:
            rows = self._rows()
        except StorageError as error:
            return self._tell(f"what becomes of the syncs is not known for now: {error}")
        notices = []
        for row in rows:
            self._last = row.id
            notices += self._tell(describe_result(row.status, row.result))
        return notices

    def _rows(self) -> Sequence[Row[Any]]:
        """Those that are new, and the newest before them, whose state may have changed."""
        with opened(self._url.engine_url) as engine, reading(engine) as connection:
            if not _is_there(connection):
                return ()
            query = select(_results).where(_results.c.name == TASK, _results.c.id >= self._last)
            return connection.execute(query.order_by(_results.c.id)).all()

    def _tell(self, trouble: str) -> list[str]:
        news = [trouble] if trouble and trouble != self._said else []
        self._said = trouble
        return news


def _is_there(connection: Connection) -> bool:
    return inspect(connection).has_table(_results.name)


def describe_result(status: str, result: bytes | None) -> str:
    """What is wrong with a sync by its state and result, both as Celery keeps them; nothing where nothing is."""
    try:
        found: Any = json.loads(result or b"null")
    except ValueError:
        found = None
    if status == "SUCCESS" and isinstance(found, dict):
        failed = found.get("failed") or {}
        if failed:
            return f"{join_names(failed)} failed: {next(iter(failed.values()))}"
        return "; ".join((found.get("rejected_keys") or {}).values())
    if status in ("FAILURE", "RETRY") and isinstance(found, dict):
        words = found.get("exc_message")
        reason = " ".join(map(str, words)) if isinstance(words, list | tuple) else str(words)
        if found.get("exc_type") == RateLimited.__name__:
            return f"the sync goes on when there is room: {reason}" if status == "RETRY" else f"the sync ends: {reason}"
        return f"the sync failed: {reason}" if status == "FAILURE" else f"the sync is tried again: {reason}"
    return ""
