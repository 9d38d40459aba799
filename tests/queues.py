"""Queues of a real RabbitMQ: declared, filled, counted and emptied by a test."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from amqpstorm.channel import Channel

from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.confirms import ConfirmChannel, WaitPolicy
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.queues import count_consumers, count_messages
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.dead_letters import peek
from shared.messaging.messages import Delivery, Message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EXCHANGE, QueueSpec, queue_name
from tests.polling import DEADLINE

EVERYTHING = ("#",)


@contextlib.contextmanager
def channel_to(broker: BrokerAddress) -> Iterator[Channel]:
    """Yield a plain amqpstorm channel, for actions that only tests need."""
    with connected(broker, "test") as connection:
        yield connection.open_channel()


def declare(broker: BrokerAddress, *patterns: str, name: str = "test") -> str:
    """Declare the consumer queue `stockwire.<name>`, bound by these patterns or to everything, and return its name."""
    with connected(broker, "test") as connection:
        declare_queue(connection, QueueSpec(queue_name(name), patterns or EVERYTHING))
    return queue_name(name)


def declare_raw(broker: BrokerAddress, queue: str, arguments: Mapping[str, Any], *, bound: bool = True) -> None:
    """Declare a durable queue with any arguments, bound to everything unless `bound` is False."""
    with channel_to(broker) as channel:
        channel.exchange.declare(EXCHANGE, "topic", durable=True)
        channel.queue.declare(queue, durable=True, arguments=dict(arguments))
        if bound:
            channel.queue.bind(queue, EXCHANGE, "#")


def publish(broker: BrokerAddress, *messages: Message) -> int:
    with Publisher(broker, "test") as publisher:
        return publisher.publish(messages)


def publish_large(broker: BrokerAddress, *messages: Message) -> None:
    """Publish messages as a stranger may: with bodies of any size, which a Publisher does not send."""
    with connected(broker, "test") as connection:
        channel = ConfirmChannel(connection)
        for message in messages:
            channel.send([message])
            channel.wait_for_confirms(0, WaitPolicy(timeout=60))
        assert channel.returned == {}


def waiting(broker: BrokerAddress, queue: str) -> int | None:
    """Return the number of messages that the queue has not delivered, or None if there is no queue."""
    with connected(broker, "test") as connection:
        return count_messages(connection, queue)


def consumers_of(broker: BrokerAddress, queue: str) -> int:
    with connected(broker, "test") as connection:
        return count_consumers(connection, queue)


def taken(broker: BrokerAddress, queue: str, count: int, *, acknowledge: bool = True) -> list[Delivery]:
    """Take `count` messages off the queue, in order. Fails if there are fewer."""
    found: list[Delivery] = []
    with connected(broker, "test") as connection:
        subscription = Subscription(connection, connection.open_channel())
        subscription.start(queue, max(count, 1))
        while len(found) < count:
            batch = subscription.take(count - len(found), timeout=DEADLINE)
            assert batch, f"{queue} gave {len(found)} messages of {count}"
            found += batch
        if found and acknowledge:
            subscription.acknowledge(found[-1], and_all_before=True)
    return found


def dead_letters(broker: BrokerAddress, queue: str, limit: int = 1000) -> list[Delivery]:
    with connected(broker, "test") as connection:
        return peek(connection, queue, limit, lambda delivery: delivery)
