"""A subscription to messages that are large together: RabbitMQ stops sending until there is room."""

import hashlib
import time
from dataclasses import replace

import pytest

from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import Connection, connected
from shared.messaging.amqp.held_bytes import MAX_BATCH, MAX_HELD
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.messages import Delivery, DroppedBody, Message
from tests.polling import DEADLINE
from tests.queues import declare, publish, publish_large, taken

BODY = b"x" * 60_000
COUNT = 2 * MAX_HELD // len(BODY)
HEARTBEAT = 1  # second


def fill(broker: BrokerAddress) -> str:
    """Publish twice as many bytes as a subscription may hold."""
    queue = declare(broker)
    publish(broker, *(Message("", queue, BODY, {"message_id": str(number)}) for number in range(COUNT)))
    return queue


def subscribe(connection: Connection, queue: str) -> Subscription:
    subscription = Subscription(connection, connection.open_channel())
    subscription.start(queue, COUNT)
    return subscription


def take_all(subscription: Subscription) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < COUNT:
        batch = subscription.take(COUNT, timeout=DEADLINE)
        assert batch
        assert len(batch) <= MAX_BATCH // len(BODY) + 1
        found += batch
        subscription.acknowledge(batch[-1], and_all_before=True)
    return found


def test_a_consumer_that_is_busy_for_many_heartbeats_keeps_its_connection(broker: BrokerAddress) -> None:
    queue = fill(broker)
    with connected(replace(broker, heartbeat=HEARTBEAT), "test") as connection:
        subscription = subscribe(connection, queue)
        time.sleep(5 * HEARTBEAT)
        assert subscription._frames._items.qsize() < 1.1 * MAX_HELD / len(BODY)
        found = take_all(subscription)
    assert [each.id for each in found] == [str(number) for number in range(COUNT)]
    assert not any(each.redelivered for each in found)


def test_an_answer_of_rabbitmq_is_read_though_there_is_no_room(broker: BrokerAddress) -> None:
    queue = fill(broker)
    with connected(broker, "test") as connection:
        subscription = subscribe(connection, queue)
        time.sleep(1)
        started = time.monotonic()
        subscription.end()
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("size", [65_537, 131_064, 131_065, 400_000])
def test_a_body_over_64_kib_arrives_as_its_size_and_digest(size: int, broker: BrokerAddress) -> None:
    """131,064 bytes fill one frame."""
    queue = declare(broker)
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    publish_large(broker, Message("", queue, body, {"message_id": "large"}), Message("", queue, b"next", {}))
    large, after = taken(broker, queue, 2)
    assert (large.body, large.dropped_body) == (b"", DroppedBody(size, hashlib.sha256(body).hexdigest()))
    assert (large.id, after.body, after.dropped_body) == ("large", b"next", None)
