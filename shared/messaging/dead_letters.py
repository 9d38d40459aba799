"""Dead letters: how one is written, and how they are looked at, replayed and dropped."""

import time
from collections.abc import Callable
from datetime import datetime

from shared.errors import SettingsError
from shared.messaging.amqp.connection import Connection
from shared.messaging.amqp.properties import encodable_headers
from shared.messaging.amqp.queues import count_messages, purge_queue
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.messages import Delivery, Message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import DEAD_EXCHANGE, dead_queue_name
from shared.times import format_instant

REASON = "x-stockwire-reason"
QUEUE = "x-stockwire-queue"
ROUTING_KEY = "x-stockwire-routing-key"
DIED_AT = "x-stockwire-died-at"

_MAX_REASON = 1000
_QUIET = 2.0
_BATCH = 200
_MAX_PREFETCH = 65_535


def dead_letter(delivery: Delivery, queue: str, reason: str, now: datetime) -> Message:
    """What goes to the dead letters of `queue` in place of a delivery: the same body, and why in the headers."""
    theirs = encodable_headers(delivery.headers)
    headers = {
        **theirs,
        REASON: reason[:_MAX_REASON],
        QUEUE: queue,
        ROUTING_KEY: str(theirs.get(ROUTING_KEY, delivery.routing_key)),
        DIED_AT: format_instant(now),
    }
    properties = {**delivery.properties, "headers": headers, "delivery_mode": 2}
    return Message(DEAD_EXCHANGE, queue, delivery.body, properties)


def reason_of(delivery: Delivery) -> str:
    """Why it is dead: our reason, or RabbitMQ's where it set the message aside by itself."""
    ours = delivery.headers.get(REASON)
    if ours:
        return str(ours)
    theirs = delivery.headers.get("x-first-death-reason", "not said")
    return "its consumers died of it, again and again" if theirs == "delivery_limit" else str(theirs)


def count(connection: Connection, queue: str) -> int | None:
    """How many dead letters `queue` has; None where it has never had a place for them. Raises BrokerError."""
    return count_messages(connection, dead_queue_name(queue))


def look(connection: Connection, queue: str, limit: int) -> list[Delivery]:
    """Dead letters of `queue`, the oldest first, at most `limit` and 65,535, which stay where they are."""
    found: list[Delivery] = []
    there = _checked_count(connection, queue)
    wanted = min(limit, there, _MAX_PREFETCH)
    _read(connection, queue, wanted, wanted, lambda batch, _: found.extend(batch))
    # A quorum queue takes a moment to have back what a closed channel gives back; whoever looks next should find it.
    deadline = time.monotonic() + _QUIET
    while (count(connection, queue) or 0) < there and time.monotonic() < deadline:
        time.sleep(0.02)
    # What has been looked at before may have gone back to another place.
    return sorted(found, key=lambda delivery: str(delivery.headers.get(DIED_AT, "")))


def requeue(connection: Connection, publisher: Publisher, queue: str) -> int:
    """Send what lies dead now back to `queue` itself, each removed once RabbitMQ has confirmed it; says how many."""

    def send_back(batch: list[Delivery], subscription: Subscription) -> None:
        publisher.publish(_revived(delivery, queue) for delivery in batch)
        subscription.acknowledge(batch[-1], and_all_before=True)

    return _read(connection, queue, _checked_count(connection, queue), _BATCH, send_back)


def drop(connection: Connection, queue: str) -> int:
    """Throw the dead letters of `queue` away; says how many."""
    _checked_count(connection, queue)
    return purge_queue(connection, dead_queue_name(queue))


def _read(
    connection: Connection, queue: str, wanted: int, prefetch: int, use: Callable[[list[Delivery], Subscription], None]
) -> int:
    """Pass so many dead letters to `use` in batches; what it does not acknowledge stays. Says how many there were."""
    read = 0
    subscription = Subscription(connection, connection.open_channel())
    if wanted:
        subscription.start(dead_queue_name(queue), prefetch)
    while read < wanted:
        batch = subscription.take(min(_BATCH, wanted - read), timeout=_QUIET)
        if not batch:
            break
        use(batch, subscription)
        read += len(batch)
    subscription.end()
    return read


def _checked_count(connection: Connection, queue: str) -> int:
    there = count(connection, queue)
    if there is None:
        raise SettingsError(f"no queue {dead_queue_name(queue)} exists: {queue}'s consumer declares it when it runs")
    return there


def _revived(delivery: Delivery, queue: str) -> Message:
    """The message as it was, but for its routing key, which is the queue's name now and the old one in a header."""
    headers = encodable_headers({name: value for name, value in delivery.headers.items() if not name.startswith("x-")})
    headers[ROUTING_KEY] = str(delivery.headers.get(ROUTING_KEY, delivery.routing_key))
    return Message("", queue, delivery.body, {**delivery.properties, "headers": headers})
