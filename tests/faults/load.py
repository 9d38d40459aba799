"""The load of a fault test: prices that go up and down, published from a thread until each is confirmed."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Protocol, Self

from shared.errors import BrokerError, PublishError
from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Message, price_message
from shared.messaging.publisher import Publisher
from tests.event_factories import stock_data
from tests.faults.ledger import Ledger

SYMBOLS = ("AAPL", "MSFT", "BRK.B", "TSLA", "EURUSD=X")
START = datetime(2024, 11, 20, tzinfo=UTC)


class Publishing(Protocol):
    def publish(self, messages: Iterable[Message]) -> int: ...


OpenPublisher = Callable[[BrokerAddress], AbstractContextManager[Publishing]]


def confirmed_publisher(address: BrokerAddress) -> Publisher:
    return Publisher(address, "load")


def prices(count: int, seed: int = 0, symbols: Sequence[str] = SYMBOLS) -> Iterator[StockData]:
    """Yield `count` events, the symbols in turn: one second apart per symbol, with steps of at most 3 around 100."""
    walk = random.Random(seed)
    last = dict.fromkeys(symbols, 100)
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        last[symbol] = min(max(last[symbol] + walk.randint(-3, 3), 80), 120)
        yield stock_data(symbol, Decimal(last[symbol]), START + timedelta(seconds=number // len(symbols)))


class Load:
    """A publisher of events in order, each until it is confirmed. `ledger` has the attempted and confirmed events.

    Unconfirmed events are published again under the same ids until they are confirmed. `rate` is in events per second,
    `gap` the longest time in seconds that passed between two confirmed batches.
    """

    def __init__(
        self,
        address: BrokerAddress,
        events: Iterable[StockData],
        *,
        batch: int = 200,
        rate: float | None = None,
        publisher: OpenPublisher = confirmed_publisher,
    ) -> None:
        self.ledger = Ledger()
        self.retried = 0
        self.gap = 0.0
        self._address = address
        self._events = iter(events)
        self._batch = batch
        self._rate = rate
        self._open = publisher
        self._error: BaseException | None = None
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def confirmed(self) -> int:
        return len(self.ledger.confirmed)

    def finish(self, timeout: float = 300) -> Ledger:
        """Wait until all events are confirmed."""
        self._thread.join(timeout)
        assert not self.running, f"{self.confirmed} of {len(self.ledger.attempted)} confirmed after {timeout:g} s"
        if self._error is not None:
            raise self._error
        return self.ledger

    def stop(self, timeout: float = 120) -> Ledger:
        """Begin no new batch, and wait until the current batch is confirmed."""
        self._enough.set()
        return self.finish(timeout)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(120)

    def _run(self) -> None:
        try:
            with self._open(self._address) as publisher:
                self._publish_all(publisher)
        except BaseException as error:  # noqa: BLE001 - raised again where the thread is waited for
            self._error = error

    def _publish_all(self, publisher: Publishing) -> None:
        begun = last = time.monotonic()
        while not self._enough.is_set() and (left := list(islice(self._events, self._batch))):
            while left:
                failed = self._publish(publisher, left)
                self.ledger.confirmed.update(event.id for event in left if event.id not in failed)
                self.retried += len(failed)
                left = [event for event in left if event.id in failed]
                if left and self._enough.wait(0.1):
                    return
            now = time.monotonic()
            self.gap = max(self.gap, now - last)
            if self._rate is not None:
                self._enough.wait(max(0.0, begun + len(self.ledger.attempted) / self._rate - now))
            last = time.monotonic()

    def _publish(self, publisher: Publishing, events: Sequence[StockData]) -> set[str]:
        """Publish the events once, and return the ids of those that were not confirmed."""
        taken: set[str] = set()

        def messages() -> Iterator[Message]:
            for event in events:
                taken.add(event.id)
                self.ledger.attempted[event.id] = event
                yield price_message(event)

        try:
            publisher.publish(messages())
        except PublishError as error:
            return error.failures.keys() | ({event.id for event in events} - taken)
        except BrokerError:
            return {event.id for event in events}
        return set()
