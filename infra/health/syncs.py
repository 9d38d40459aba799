"""The newest syncs in Celery's table of results, and what became of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import DateTime, LargeBinary, String, column, inspect, select, table

from consumers.web.health import FailedSymbols, SyncHealth
from infra.up.sync_monitor import TASK, describe_result
from shared.database.engine import opened_for_reading, reading
from shared.database.sqlite.reading import database_exists
from shared.database.url import DatabaseUrl
from shared.times import format_instant

# Results that are read to find the last delivery of each provider.
_MOST = 200

_results = table(
    "celery_taskmeta",
    column("id"),
    column("name", String),
    column("status", String),
    column("result", LargeBinary),
    column("date_done", DateTime),
)


@dataclass(frozen=True)
class StoredSync:
    """A row of the results. `content` is the JSON of `result`, or empty if there is none."""

    status: str
    done_at: datetime | None
    result: bytes | None
    content: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The problems of the sync in words; empty without any."""
        return describe_result(self.status, self.result)

    @property
    def at(self) -> str | None:
        """The instant of the sync; of one that failed, the time at which it was stored."""
        at = self.content.get("at")
        if at is not None:
            return str(at)
        return None if self.done_at is None else format_instant(self.done_at)

    @property
    def is_skipped(self) -> bool:
        """Return True if the sync did nothing, because the one before was still running."""
        return bool(self.content.get("skipped"))

    @property
    def providers(self) -> Sequence[str]:
        """The providers that delivered a price."""
        return [name for name in str(self.content.get("provider") or "").split(",") if name]


def read_syncs(url: DatabaseUrl) -> list[StoredSync]:
    """Return the newest syncs, newest first. Creates no file. Raises StorageError."""
    if url.sqlite_file and not database_exists(url.sqlite_file):
        return []
    with opened_for_reading(url.engine_url) as engine, reading(engine) as connection:
        if not inspect(connection).has_table(_results.name):
            return []
        query = select(_results).where(_results.c.name == TASK).order_by(_results.c.id.desc()).limit(_MOST)
        return [_sync(row) for row in connection.execute(query)]


def describe_sync(sync: StoredSync) -> SyncHealth:
    """Return a sync with its failures by reason."""
    published = int(sync.content.get("published") or 0)
    return SyncHealth(sync.at, _state(sync, published), published, list(_failures(sync)), sync.text)


def last_delivery(syncs: Sequence[StoredSync], provider: str) -> str | None:
    """Return the instant of the newest sync in which a provider delivered a price."""
    return next((sync.at for sync in syncs if provider in sync.providers), None)


def rejected_key(syncs: Sequence[StoredSync], provider: str) -> str | None:
    """Return the provider's words if it rejected its key in the newest sync."""
    newest = next((sync for sync in syncs if not sync.is_skipped), None)
    found = None if newest is None else newest.content.get("rejected_keys")
    return found.get(provider) if isinstance(found, dict) else None


def _state(sync: StoredSync, published: int) -> Literal["success", "partial", "failed", "retried"]:
    if sync.status == "RETRY":
        return "retried"
    if sync.status != "SUCCESS":
        return "failed"
    if sync.content.get("failed"):
        return "partial" if published else "failed"
    return "success"


def _failures(sync: StoredSync) -> Iterator[FailedSymbols]:
    by_reason: dict[str, list[str]] = {}
    for symbol, reason in (sync.content.get("failed") or {}).items():
        by_reason.setdefault(str(reason), []).append(str(symbol))
    return (FailedSymbols(reason, symbols) for reason, symbols in by_reason.items())


def _sync(row: Any) -> StoredSync:
    try:
        content: Any = json.loads(row.result or b"null")
    except ValueError:
        content = None
    done_at = None if row.date_done is None else row.date_done.replace(tzinfo=UTC)
    return StoredSync(row.status, done_at, row.result, content if isinstance(content, dict) else {})
