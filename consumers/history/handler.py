"""The consumer `history`: batches of prices into the database, acknowledged once they are there for good."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA
from shared.database import opened, redact
from shared.events import StockData
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.topology import BACKFILLED_PRICES, LIVE_PRICES
from shared.prices import format_price
from shared.schema import create_schema
from shared.settings import Settings
from shared.times import format_instant

log = logging.getLogger(__name__)

_SAY_EVERY = 5.0


@contextmanager
def open_history(settings: Settings) -> Iterator[Handler]:
    """The handler on the database of `settings`. Raises StorageError where it cannot be written."""
    with opened(settings.history_url) as engine:
        create_schema(engine, SCHEMA)
        store = PriceStore(engine)
        log.info("storing prices in %s", redact(engine.url))
        say = _teller()

        def handle(events: Sequence[StockData]) -> None:
            store.save(events)
            say(events)

        yield handle


def _teller(clock: Callable[[], float] = time.monotonic) -> Handler:
    """Says now and then, in one line, what has been stored since it last did."""
    said = clock() - _SAY_EVERY
    count = 0

    def say(events: Sequence[StockData]) -> None:
        nonlocal said, count
        count += len(events)
        if clock() - said >= _SAY_EVERY:
            last = events[-1]
            price, as_of = format_price(last.price), format_instant(last.as_of)
            log.info("stored %d prices, the last %s %s as of %s (%s)", count, last.symbol, price, as_of, last.provider)
            said, count = clock(), 0

    return say


# Large batches where there is a backlog: it is the commit that takes the time.
history = Consumer("history", (LIVE_PRICES, BACKFILLED_PRICES), open_history, max_batch=2000)
