"""Questions about RabbitMQ that are answered in bounded time, over one connection that is kept between them."""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass

from consumers.web.health import BrokerHealth, QueueHealth
from shared.errors import BrokerError, BrokerUnavailable
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import Connection, connect
from shared.messaging.amqp.queues import count_messages, count_messages_and_consumers
from shared.messaging.permissions import Permissions
from shared.messaging.topology import dead_queue_name

# Seconds until RabbitMQ counts as away. The answer of the API must come within 2 s.
LIMIT = 1.5
# Seconds for which an answer counts, however many readers ask.
_FRESH = 1.0

# To look at a queue that exists, a user needs no permission.
PERMISSIONS = Permissions()


@dataclass(frozen=True)
class BrokerLook:
    """RabbitMQ and its queues at one moment; without RabbitMQ nothing is known of the queues."""

    broker: BrokerHealth
    queues: Sequence[QueueHealth] = ()

    @property
    def consumers(self) -> Mapping[str, int]:
        """Return the number of consumers of each queue that exists."""
        return {each.queue: each.consumers for each in self.queues if each.consumers is not None}


class BrokerProbe:
    """Looks at queues. Threads may look at once: they share one look, and no thread waits longer than LIMIT."""

    def __init__(self, address: BrokerAddress, queues: Sequence[str], limit: float = LIMIT) -> None:
        self._address = address
        self._queues = queues
        self._limit = limit
        self._lock = threading.Lock()
        self._future: Future[BrokerLook] | None = None
        self._ended = 0.0
        self._connection: Connection | None = None

    def look(self) -> BrokerLook:
        """Return what RabbitMQ tells within the limit, or that RabbitMQ did not answer."""
        try:
            return self._shared_look().result(self._limit)
        except NotInTime:
            error = f"RabbitMQ has not answered within {self._limit:g} s at {self._address}"
            return BrokerLook(BrokerHealth(False, str(self._address), error=error))

    def require(self) -> None:
        """Raise BrokerUnavailable unless RabbitMQ answers within the limit."""
        broker = self.look().broker
        if not broker.available:
            raise BrokerUnavailable(str(broker.error))

    def close(self) -> None:
        """Close the connection, if there is one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close_gracefully()

    def _shared_look(self) -> "Future[BrokerLook]":
        """Return the look that is under way or has just ended, or begin another."""
        with self._lock:
            future = self._future
            if future is None or (future.done() and time.monotonic() - self._ended > _FRESH):
                future = self._future = Future()
                threading.Thread(target=self._run, args=(future,), name="broker-probe", daemon=True).start()
            return future

    def _run(self, future: "Future[BrokerLook]") -> None:
        try:
            future.set_result(self._look())
        finally:
            self._ended = time.monotonic()
            # After an error of ours nobody must wait for the result. This changes no result that is there.
            future.cancel()

    def _look(self) -> BrokerLook:
        try:
            return self._look_again() or self._look_over(self._connect())
        except BrokerError as error:
            self._forget()
            return BrokerLook(BrokerHealth(False, str(self._address), error=str(error)))

    def _look_again(self) -> BrokerLook | None:
        """Look over the connection of the last look, if it still works."""
        if self._connection is None:
            return None
        try:
            return self._look_over(self._connection)
        except BrokerUnavailable:
            self._forget()
            return None

    def _look_over(self, connection: Connection) -> BrokerLook:
        about = {name: _text(value) for name, value in connection.server_properties.items()}
        broker = BrokerHealth(True, str(self._address), about.get("product"), about.get("version"))
        return BrokerLook(broker, [_look_at(connection, queue) for queue in self._queues])

    def _connect(self) -> Connection:
        self._connection = connect(self._address, "health", PERMISSIONS)
        return self._connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


def _look_at(connection: Connection, queue: str) -> QueueHealth:
    counts = count_messages_and_consumers(connection, queue)
    if counts is None:
        return QueueHealth(queue, None, None, None)
    return QueueHealth(queue, *counts, count_messages(connection, dead_queue_name(queue)))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
