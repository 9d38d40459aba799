"""Events as RabbitMQ delivers them: a sign that the databases have something new, or will have in a moment."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec

from consumers.history.queries.rows import PriceRow
from shared.backoff import Backoff
from shared.errors import BrokerError
from shared.events import Event, StockData, decode_event
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.messaging.runner import run_consumer
from shared.messaging.topology import ALERTS, LIVE_PRICES
from shared.settings import Settings
from shared.signals import Stop

log = logging.getLogger(__name__)

# Bodies that are kept: a stored price lacks some fields, such as the previous close.
_MOST_BODIES = 20_000
# Seconds in which the history usually commits a price that has arrived.
EXPECTED_WITHIN = 5.0

# Symbol, provider, interval and `as_of`: the history has one price for each.
_Key = tuple[str, str, str | None, datetime]


class Arrivals:
    """The events that arrive, which `wake` is told of. Several threads use it."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self.wake = wake
        self._lock = threading.Lock()
        self._bodies: OrderedDict[_Key, tuple[datetime, bytes]] = OrderedDict()
        self._expected: dict[_Key, float] = {}

    def take(self, events: Sequence[Event]) -> None:
        """Take events that RabbitMQ has delivered."""
        now = time.monotonic()
        with self._lock:
            for event in events:
                if isinstance(event, StockData):
                    key = _key(event)
                    self._bodies[key] = event.observed_at, event.encode()
                    self._bodies.move_to_end(key)
                    self._expected[key] = now
            while len(self._bodies) > _MOST_BODIES:
                self._bodies.popitem(last=False)
        self.wake()

    def body(self, event: StockData) -> bytes | None:
        """Return the whole body with which a stored price arrived, if it is known."""
        with self._lock:
            self._expected.pop(_key(event), None)
            observed_at, body = self._bodies.get(_key(event), (None, None))
        return body if observed_at == event.observed_at else None

    def previous_close(self, price: PriceRow) -> str | None:
        """Return the previous close that the provider told with a stored price, if it is known."""
        with self._lock:
            _, body = self._bodies.get((price.symbol, price.provider, price.interval, price.as_of), (None, None))
        if body is None:
            return None
        told: str | None = msgspec.json.decode(body)["data"].get("previous_close")
        return told

    def are_expected(self) -> bool:
        """Return True if the history will probably commit a price in a moment."""
        oldest = time.monotonic() - EXPECTED_WITHIN
        with self._lock:
            for key in [key for key, since in self._expected.items() if since < oldest]:
                del self._expected[key]
            return bool(self._expected)

    def listen(self, settings: Settings, stop: Stop) -> None:
        """Take events from RabbitMQ until `stop` is requested. Without it, the databases are still looked at."""
        consumer = web_consumer(self.take)
        backoff = Backoff()
        told = ""
        while not stop.requested:
            try:
                run_consumer(consumer, settings, stop)
            except BrokerError as error:
                if told != str(error):
                    log.warning("%s; live events come up to half a second later until it answers", error)
                told = str(error)
                stop.wait(backoff.next_delay())


def web_consumer(take: Callable[[Sequence[Event]], None]) -> Consumer:
    """Return the consumer with a queue of its own, which RabbitMQ deletes with the connection."""

    @contextmanager
    def opened(_settings: Settings) -> Iterator[Handler]:
        yield take

    return Consumer("web", (LIVE_PRICES, ALERTS), opened, decode=_decode, transient=True)


def _decode(delivery: Delivery, now: datetime) -> Event:
    return decode_event(delivery.body, now)


def _key(event: StockData) -> _Key:
    return event.symbol, event.provider, event.interval, event.as_of
