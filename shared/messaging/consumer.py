"""What a consumer is: a name, routing patterns, and a handler of batches of events."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.events import StockData
from shared.messaging.messages import Delivery
from shared.messaging.topology import LIVE_PRICES
from shared.settings import Settings

Handler = Callable[[Sequence[Any]], None]
Decode = Callable[[Delivery, datetime], Any]


def decode_stock_data(delivery: Delivery, now: datetime) -> StockData:
    return StockData.decode(delivery.body, now)


@dataclass(frozen=True)
class Consumer:
    """A named consumer, on the queue `stockwire.<name>` bound by `patterns`.

    `open` gives the handler for as long as the process runs: a function of a batch of decoded events, in order of
    arrival, that returns when they are dealt with for good. What it returns from is acknowledged; after a crash it may
    come again, so a handler must not mind seeing an event twice. It raises InvalidEvent to reject an event (a batch is
    then tried event by event), StorageUnavailable or BrokerUnavailable to be called again later, and any other
    StockwireError to stop the process; any other exception is tried 5 times and then dead-letters the event.

    `decode` turns a delivery into what the handler gets, or raises InvalidEvent. `max_batch` is the most that it gets
    at once, where so much is waiting; a stop waits for the batch in work. With `single_active`, one of several
    processes on the queue works and another takes over. A `transient` queue goes with its process.
    """

    name: str
    patterns: tuple[str, ...]
    open: Callable[[Settings], AbstractContextManager[Handler]]
    decode: Decode = decode_stock_data
    max_batch: int = 500
    single_active: bool = False
    transient: bool = False


def consumer(name: str, *patterns: str) -> Callable[[Handler], Consumer]:
    """Make a consumer of a plain function of a batch of STOCK_DATA events; without patterns, of all live prices."""

    def decorate(handler: Handler) -> Consumer:
        @contextmanager
        def opened(_settings: Settings) -> Iterator[Handler]:
            yield handler

        return Consumer(name, patterns or (LIVE_PRICES,), opened)

    return decorate
