"""Storage written by hand for one purpose, with json.loads and sqlite3, and without validation.

The table and its durability (WAL, synchronous=FULL) are those of the history consumer.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.side_process import Job
from consumers.history.tables import SCHEMA
from shared.database.engine import opened
from shared.database.schema import create_schema
from shared.times import to_micros

_INSERT = "INSERT INTO quote VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_INSERT_SERIES = "INSERT INTO series (symbol, provider) VALUES (?, ?) RETURNING id"


class UncheckedStore:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._series: dict[tuple[str, str], int] = {}

    def save(self, bodies: Iterable[bytes]) -> None:
        """Commit the events in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(_INSERT, [self._row(json.loads(body)) for body in bodies])
        self._connection.execute("COMMIT")

    def _row(self, event: dict[str, Any]) -> tuple[Any, ...]:
        data = event["data"]
        as_of = to_micros(datetime.fromisoformat(data["as_of"]))
        lag = to_micros(datetime.fromisoformat(event["time"])) - as_of
        series = self._series_id(data["symbol"], data["provider"])
        return series, as_of, float(data["price"]), data["currency"], data["volume"], lag

    def _series_id(self, symbol: str, provider: str) -> int:
        key = symbol, provider
        if key not in self._series:
            self._series[key] = self._connection.execute(_INSERT_SERIES, key).fetchone()[0]
        return self._series[key]


class Batches:
    """Collects bodies, and commits them in batches of `size`. The last of `events` commits a smaller batch."""

    def __init__(self, store: UncheckedStore, events: int, size: int) -> None:
        self._store = store
        self._left = events
        self._size = size
        self._bodies: list[bytes] = []

    def add(self, body: bytes) -> bool:
        """Return True if this body and all before it are committed."""
        self._bodies.append(body)
        self._left -= 1
        if len(self._bodies) < self._size and self._left:
            return False
        self._store.save(self._bodies)
        self._bodies.clear()
        return True

    @property
    def complete(self) -> bool:
        return not self._left


@contextmanager
def unchecked_batches(job: Job, size: int) -> Iterator[Batches]:
    with opened(make_url(f"sqlite:///{job.database}")) as engine:
        create_schema(engine, SCHEMA)
    connection = sqlite3.connect(job.database, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    try:
        yield Batches(UncheckedStore(connection), job.events, size)
    finally:
        connection.close()
