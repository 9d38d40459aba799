"""The events that RabbitMQ routes while `up` runs, for its view."""

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from shared.cli.output import error_line, print_lines
from shared.errors import BrokerError
from shared.events import Event, decode_event
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.messages import Delivery
from shared.messaging.runner import run_consumer
from shared.messaging.topology import EVERYTHING
from shared.settings import Settings
from shared.signals import Stop

# Events that wait for the view. A terminal that is stopped (Ctrl-S) must not fill the memory of `up`: the other events
# wait in RabbitMQ, whose queue for them has limits.
MAX_WAITING = 10_000
_CHECK_INTERVAL = 0.1  # seconds


@contextmanager
def event_feed(settings: Settings) -> Iterator["queue.SimpleQueue[Event]"]:
    """Yield a queue that receives every event while the block runs, through a transient RabbitMQ queue."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    stop = Stop()

    @contextmanager
    def opened(_settings: Settings) -> Iterator[Handler]:
        def handle(batch: Sequence[Event]) -> None:
            for event in batch:
                events.put(event)
            while events.qsize() > MAX_WAITING and not stop.wait(_CHECK_INTERVAL):
                pass

        yield handle

    def decode(delivery: Delivery, now: datetime) -> Event:
        return decode_event(delivery.body, now)

    consumer = Consumer("up", (EVERYTHING,), opened, decode=decode, transient=True)
    thread = threading.Thread(target=_consume, args=(consumer, settings, stop), name="event-feed", daemon=True)
    thread.start()
    try:
        yield events
    finally:
        stop.request()
        thread.join(10)


def _consume(consumer: Consumer, settings: Settings, stop: Stop) -> None:
    try:
        run_consumer(consumer, settings, stop)
    except BrokerError as error:
        print_lines(error_line(f"the live view ends: {error}"), error=True)
