"""Dead letters: building, reading, requeueing and purging them.

A consumer publishes its dead letters with headers that begin with OWN_PREFIX. RabbitMQ dead-letters messages too, and
adds the header `x-death`, whose newest entry comes first. Other publishers may send messages with any of these headers,
so a consumer leaves them out, and `x-death` tells that RabbitMQ and no consumer wrote the latest reason.
Source: https://www.rabbitmq.com/docs/dlx#effects
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from shared.errors import SettingsError
from shared.messaging.amqp.connection import Connection
from shared.messaging.amqp.properties import encodable_headers
from shared.messaging.amqp.queues import count_messages, purge_queue
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.messages import Delivery, DroppedBody, Message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import DEAD_EXCHANGE, dead_queue_name
from shared.times import format_instant

OWN_PREFIX = "x-stockwire-"
REASON = f"{OWN_PREFIX}reason"
QUEUE = f"{OWN_PREFIX}queue"
ROUTING_KEY = f"{OWN_PREFIX}routing-key"
DIED_AT = f"{OWN_PREFIX}died-at"
BODY_SIZE = f"{OWN_PREFIX}body-size"
BODY_SHA256 = f"{OWN_PREFIX}body-sha256"

_Kept = TypeVar("_Kept")

_DEATHS = "x-death"
_RESERVED = (OWN_PREFIX, _DEATHS, "x-first-death-", "x-last-death-")
_MAX_REASON = 1000  # characters
_READ_TIMEOUT = 2.0  # seconds without a message, after which the queue counts as read
_BATCH_SIZE = 200  # messages
_MAX_PREFETCH = 65_535  # messages; AMQP has 16 bits for the prefetch


class Death(NamedTuple):
    """The reason, original routing key and time of a dead letter."""

    reason: str
    routing_key: str
    died_at: str | None


class Requeued(NamedTuple):
    """The numbers of dead letters that were sent back, and that were left because their body was dropped."""

    sent: int
    left: int


def dead_letter(delivery: Delivery, queue: str, reason: str, now: datetime) -> Message:
    """Return the message that replaces a delivery in the dead letters of `queue`, with the reason in its headers.

    The message has the body of the delivery, or the size and digest of a body that was dropped.
    """
    headers = {
        **encodable_headers(_without_reserved(delivery.headers)),
        REASON: reason[:_MAX_REASON],
        QUEUE: queue,
        ROUTING_KEY: _original_key(delivery.headers, delivery.exchange, delivery.routing_key),
        DIED_AT: format_instant(now),
    }
    if delivery.dropped_body is not None:
        headers |= {BODY_SIZE: delivery.dropped_body.size, BODY_SHA256: delivery.dropped_body.sha256}
    properties = {**delivery.properties, "headers": headers, "delivery_mode": 2}
    return Message(DEAD_EXCHANGE, queue, delivery.body, properties)


def describe_death(delivery: Delivery) -> Death:
    """Return what the consumer, or RabbitMQ if it dead-lettered the message by itself, says about a dead letter."""
    headers = delivery.headers
    died = _death_by_rabbitmq(headers)
    if died is None:
        key = str(headers.get(ROUTING_KEY, delivery.routing_key))
        return Death(str(headers.get(REASON, "unknown")), key, _format_time(headers.get(DIED_AT)))
    reason = str(died.get("reason", "unknown"))
    if reason == "delivery_limit":
        reason = "the consumer crashed on this message too often"
    keys = died.get("routing-keys")
    key = keys[0] if isinstance(keys, list) and keys else delivery.routing_key
    return Death(reason, _original_key(headers, died.get("exchange"), key), _format_time(died.get("time")))


def trusted_headers(delivery: Delivery) -> Mapping[str, Any]:
    """Return the headers of a dead letter, without those that only look like a consumer's."""
    if _death_by_rabbitmq(delivery.headers) is None:
        return delivery.headers
    return {name: value for name, value in delivery.headers.items() if not name.lower().startswith(OWN_PREFIX)}


def count_dead_letters(connection: Connection, queue: str) -> int | None:
    """Return the number of dead letters of `queue`, or None if its dead letter queue does not exist."""
    return count_messages(connection, dead_queue_name(queue))


def dropped_body(delivery: Delivery) -> DroppedBody | None:
    """Return the size and digest of the body that a dead letter had, or None if the dead letter still has its body.

    The body was dropped when the message was rejected, or was too large to be read now.
    """
    if delivery.dropped_body is not None:
        return delivery.dropped_body
    headers = trusted_headers(delivery)
    size, sha256 = headers.get(BODY_SIZE), headers.get(BODY_SHA256)
    return DroppedBody(size, str(sha256)) if isinstance(size, int) else None


def peek(connection: Connection, queue: str, limit: int, keep: Callable[[Delivery], _Kept]) -> list[_Kept]:
    """Return what `keep` returns for dead letters of `queue`, oldest first, at most `limit` and at most 65,535.

    The dead letters stay where they are. Only what `keep` returns stays in memory. Raises SettingsError if the dead
    letter queue does not exist, and BrokerError.
    """
    found: list[tuple[str, _Kept]] = []
    stored = _require_count(connection, queue)
    wanted = min(limit, stored, _MAX_PREFETCH)

    def keep_batch(batch: Sequence[Delivery], _: Subscription) -> None:
        found.extend((describe_death(delivery).died_at or "", keep(delivery)) for delivery in batch)

    _read(connection, queue, wanted, keep_batch)
    # A quorum queue needs a moment to take the messages back after the channel is closed. Wait, so that the next reader
    # finds them.
    deadline = time.monotonic() + _READ_TIMEOUT
    while (count_dead_letters(connection, queue) or 0) < stored and time.monotonic() < deadline:
        time.sleep(0.02)
    # Messages that were read before may have gone back in another order.
    return [kept for _, kept in sorted(found, key=itemgetter(0))]


def requeue(connection: Connection, publisher: Publisher, queue: str) -> Requeued:
    """Send the present dead letters back to `queue`, except those without their body.

    A dead letter is removed after RabbitMQ has confirmed the message that replaces it. Raises SettingsError if the dead
    letter queue does not exist, PublishError if RabbitMQ does not take a message, and BrokerError.
    """
    sent = 0

    def send_back(batch: Sequence[Delivery], subscription: Subscription) -> None:
        nonlocal sent
        whole = [delivery for delivery in batch if dropped_body(delivery) is None]
        sent += publisher.publish(_restored(delivery, queue) for delivery in whole)
        subscription.acknowledge_each(whole)

    read = _read(connection, queue, _require_count(connection, queue), send_back)
    return Requeued(sent, read - sent)


def purge(connection: Connection, queue: str) -> int:
    """Delete the dead letters of `queue`, and return their number.

    Raises SettingsError if the dead letter queue does not exist, and BrokerError.
    """
    _require_count(connection, queue)
    return purge_queue(connection, dead_queue_name(queue))


def _read(
    connection: Connection, queue: str, wanted: int, use: Callable[[Sequence[Delivery], Subscription], None]
) -> int:
    """Pass up to `wanted` dead letters to `use` in batches, and return the number read.

    Messages that `use` does not acknowledge go back to the queue.
    """
    read = 0
    subscription = Subscription(connection, connection.open_channel())
    if wanted:
        # Large, because messages that `use` does not acknowledge count until the end.
        subscription.start(dead_queue_name(queue), min(wanted, _MAX_PREFETCH))
    while read < wanted:
        batch = subscription.take(min(_BATCH_SIZE, wanted - read), timeout=_READ_TIMEOUT)
        if not batch:
            break
        use(batch, subscription)
        read += len(batch)
    subscription.end()
    return read


def _require_count(connection: Connection, queue: str) -> int:
    stored = count_dead_letters(connection, queue)
    if stored is None:
        raise SettingsError(
            f"queue {dead_queue_name(queue)} does not exist; the consumer of {queue} declares it when it first runs"
        )
    return stored


def _restored(delivery: Delivery, queue: str) -> Message:
    """Return the original message, addressed to the queue, with its old routing key in a header."""
    kept = {name: value for name, value in delivery.headers.items() if not name.lower().startswith("x-")}
    headers = encodable_headers(kept)
    headers[ROUTING_KEY] = describe_death(delivery).routing_key
    return Message("", queue, delivery.body, {**delivery.properties, "headers": headers})


def _without_reserved(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if not name.lower().startswith(_RESERVED)}


def _death_by_rabbitmq(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the newest entry of `x-death`, or None if RabbitMQ did not dead-letter the message."""
    deaths = headers.get(_DEATHS)
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else None


def _original_key(headers: Mapping[str, Any], exchange: object, routing_key: object) -> str:
    """Return the routing key that the message was first published with.

    A requeued message comes through the default exchange, and has its first routing key in a header.
    """
    return str(headers.get(ROUTING_KEY, routing_key) if exchange == "" else routing_key)


def _format_time(value: object) -> str | None:
    if isinstance(value, datetime):
        return format_instant(value)
    return None if value is None else str(value)
