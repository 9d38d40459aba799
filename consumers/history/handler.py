"""The consumer `history`: store prices in batches; a batch is acknowledged after its commit."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from consumers.history.retention import Retention
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database.engine import ReopeningHandler, opened, redact
from shared.database.schema import create_schema
from shared.events import StockData
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.messaging.topology import BACKFILLED_PRICES, LIVE_PRICES
from shared.prices import format_price
from shared.settings import Settings
from shared.times import format_instant

log = logging.getLogger(__name__)

# Seconds between two log lines about stored prices.
_LOG_INTERVAL = 5.0
# The end of a routing key of backfilled prices.
_BACKFILL = BACKFILLED_PRICES.rpartition("*")[2]


class Backfilled(NamedTuple):
    """An event that was fetched later: it is stored, and is no live price."""

    event: StockData


def decode_price(delivery: Delivery, now: datetime) -> StockData | Backfilled:
    """Return the event of a delivery. Raises InvalidEvent."""
    event = StockData.decode(delivery.body, now)
    return Backfilled(event) if delivery.routing_key.endswith(_BACKFILL) else event


@contextmanager
def open_handler(settings: Settings) -> Iterator[Handler]:
    """Yield the handler for the database of `settings`. Raises StorageError if the database cannot be written."""
    with opened(settings.history_url.engine_url) as engine:
        progress = _ProgressLog()

        def open_store() -> Handler:
            create_schema(engine, SCHEMA)
            log.info("storing prices in %s", redact(engine.url))
            retention = Retention(engine, settings.retention) if settings.retention else None
            return HistoryHandler(PriceStore(engine), progress, retention)

        yield ReopeningHandler(engine, open_store)


class HistoryHandler:
    """Stores batches of events, and removes old quotes, if there is a retention, while no event waits."""

    def __init__(self, store: PriceStore, progress: "_ProgressLog", retention: Retention | None = None) -> None:
        self._store = store
        self._progress = progress
        self._retention = retention

    def __call__(self, arrivals: Sequence[StockData | Backfilled]) -> None:
        live = [each for each in arrivals if not isinstance(each, Backfilled)]
        events = [*live, *(each.event for each in arrivals if isinstance(each, Backfilled))]
        self._store.save(events, live=len(live))
        self._progress.add(events)

    def idle(self, count_waiting: Callable[[], int]) -> None:
        """Remove some old quotes if it is time for that, unless events wait in the queue. Raises StorageError."""
        if self._retention and self._retention.is_due() and not count_waiting():
            self._retention.work()


class _ProgressLog:
    """Counts stored prices, and logs the count at most every `_LOG_INTERVAL` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_at = clock() - _LOG_INTERVAL
        self._count = 0

    def add(self, events: Sequence[StockData]) -> None:
        self._count += len(events)
        if self._clock() - self._logged_at < _LOG_INTERVAL:
            return
        last = events[-1]
        price, as_of = format_price(last.price), format_instant(last.as_of)
        log.info("stored %d prices, last %s %s as of %s (%s)", self._count, last.symbol, price, as_of, last.provider)
        self._logged_at, self._count = self._clock(), 0


# Large batches, because the commit takes most of the time when there is a backlog.
history = Consumer("history", (LIVE_PRICES, BACKFILLED_PRICES), open_handler, decode=decode_price, max_batch=2000)
