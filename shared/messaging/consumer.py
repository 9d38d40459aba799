"""The definition of a consumer: a name, routing patterns, and a handler of batches of events."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.events import StockData
from shared.messaging.messages import Delivery
from shared.messaging.permissions import Permissions, consumer_permissions, publisher_permissions
from shared.messaging.topology import LIVE_PRICES, QueueSpec, check_pattern, check_queue_name, queue_name
from shared.settings import Settings

Handler = Callable[[Sequence[Any]], None]
Decode = Callable[[Delivery, datetime], Any]


def decode_stock_data(delivery: Delivery, now: datetime) -> StockData:
    return StockData.decode(delivery.body, now)


@dataclass(frozen=True)
class Consumer:
    """A consumer of the queue `stockwire.<name>`, which is bound by `patterns`.

    `open` is a context manager that yields the handler and stays open until the process stops. A handler is a function
    of a batch of decoded events in order of arrival. When the handler returns, the batch is acknowledged. After a crash
    events may be delivered again, so the handler must accept an event twice. The handler may raise:

    - InvalidEvent to dead-letter an event; a batch of several events is then handled event by event
    - StorageUnavailable or BrokerUnavailable to be called again later with the same batch
    - another StockwireError to stop the process
    - any other exception, after which each event is tried 5 times and then dead-lettered

    A handler may have a method `check`, which is called every 2 seconds and may raise the same errors, and a method
    `idle`, which is called as often, but only while no event arrives. Its argument is a function that asks RabbitMQ for
    the number of events that wait in the queue: there are some if another process on the queue is to take them.

    `decode` returns the value that the handler gets for a delivery, or raises InvalidEvent. `max_batch` limits a batch;
    a stop request waits for the current batch. With `single_active`, RabbitMQ delivers to one of several processes
    on the queue, and to another if that process ends. A `transient` queue is deleted with its process. `publishes` are
    the routing patterns of the messages that the handler publishes.
    """

    name: str
    patterns: tuple[str, ...]
    open: Callable[[Settings], AbstractContextManager[Handler]]
    decode: Decode = decode_stock_data
    max_batch: int = 500
    single_active: bool = False
    transient: bool = False
    publishes: tuple[str, ...] = ()

    def queue_spec(self, queue: str | None = None, patterns: Sequence[str] = ()) -> QueueSpec:
        """Return the declaration of the consumer's queue; `queue` and `patterns` replace those of the consumer.

        Raises SettingsError for a name or pattern that AMQP does not allow.
        """
        own = f"{queue_name(self.name)}.{uuid.uuid4().hex[:8]}" if self.transient else queue_name(self.name)
        return QueueSpec(
            name=check_queue_name(own if queue is None else queue),
            patterns=tuple(map(check_pattern, patterns or self.patterns)),
            unwanted_patterns=tuple(pattern for pattern in self.patterns if patterns and pattern not in patterns),
            single_active=self.single_active,
            transient=self.transient,
        )

    def permissions(self, spec: QueueSpec) -> Permissions:
        """Return the permissions that the consumer of this queue needs."""
        needed = consumer_permissions(spec)
        return needed | publisher_permissions(*self.publishes) if self.publishes else needed


def consumer(name: str, *patterns: str) -> Callable[[Handler], Consumer]:
    """Turn a handler of STOCK_DATA events into a Consumer. Without patterns, it receives all live prices."""

    def decorate(handler: Handler) -> Consumer:
        @contextmanager
        def opened(_settings: Settings) -> Iterator[Handler]:
            yield handler

        return Consumer(name, patterns or (LIVE_PRICES,), opened)

    return decorate
