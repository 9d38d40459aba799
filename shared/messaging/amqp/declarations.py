"""Declarations of the topology: exchanges, queues and bindings."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPChannelError
from pamqp import commands, frame

from shared.errors import TopologyConflict
from shared.messaging.amqp.connection import Connection
from shared.messaging.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE_ARGUMENTS,
    EXCHANGE,
    EXCHANGE_TYPES,
    QueueSpec,
    dead_queue_name,
)

_PRECONDITION_FAILED = 406


def declare_exchanges(channel: Channel) -> None:
    """Declare both exchanges. Raises TopologyConflict if one exists with other arguments."""
    for name, exchange_type in EXCHANGE_TYPES.items():
        with _conflicts(f"exchange {name}", "delete it and start again"):
            channel.exchange.declare(name, exchange_type=exchange_type, durable=True)


def declare_queue(channel: Channel, spec: QueueSpec) -> None:
    """Declare the exchanges, the queue, its bindings and its dead letter queue. Raises TopologyConflict."""
    declare_exchanges(channel)
    with _queue_conflicts(spec.name):
        declared = channel.queue.declare(spec.name, arguments=spec.arguments, **spec.flags)
    if not spec.transient:
        _declare_dead_queue(channel, spec.name)
    if not declared["consumer_count"]:
        # If another process consumes the queue, that process still needs the patterns it has bound.
        for pattern in spec.unwanted_patterns:
            channel.queue.unbind(spec.name, EXCHANGE, pattern)
    for pattern in spec.patterns:
        channel.queue.bind(spec.name, EXCHANGE, pattern)


def redeclare_queue(connection: Connection, channel: Channel, spec: QueueSpec) -> None:
    """Send the declarations of `declare_queue` again, without waiting for an answer.

    RabbitMQ restores deleted exchanges, queues and bindings. If one exists with other arguments, RabbitMQ closes the
    channel.
    """
    connection.write(b"".join(frame.marshal(method, int(channel)) for method in _declarations(spec)))


def _declare_dead_queue(channel: Channel, queue: str) -> None:
    dead_queue = dead_queue_name(queue)
    with _queue_conflicts(dead_queue):
        channel.queue.declare(dead_queue, durable=True, arguments=DEAD_QUEUE_ARGUMENTS)
    channel.queue.bind(dead_queue, DEAD_EXCHANGE, queue)


def _declarations(spec: QueueSpec) -> Iterator[Any]:
    for name, exchange_type in EXCHANGE_TYPES.items():
        yield commands.Exchange.Declare(exchange=name, exchange_type=exchange_type, durable=True, nowait=True)
    yield commands.Queue.Declare(queue=spec.name, arguments=spec.arguments, nowait=True, **spec.flags)
    for pattern in spec.patterns:
        yield commands.Queue.Bind(queue=spec.name, exchange=EXCHANGE, routing_key=pattern, nowait=True)
    if not spec.transient:
        dead_queue = dead_queue_name(spec.name)
        yield commands.Queue.Declare(queue=dead_queue, durable=True, arguments=DEAD_QUEUE_ARGUMENTS, nowait=True)
        yield commands.Queue.Bind(queue=dead_queue, exchange=DEAD_EXCHANGE, routing_key=spec.name, nowait=True)


def _queue_conflicts(queue: str) -> AbstractContextManager[None]:
    solution = f"empty and delete it (rabbitmqctl delete_queue {queue}) and start again, or name another with --queue"
    return _conflicts(f"queue {queue}", solution)


@contextmanager
def _conflicts(name: str, solution: str) -> Iterator[None]:
    try:
        yield
    except AMQPChannelError as error:
        if error.error_code != _PRECONDITION_FAILED:
            raise
        raise TopologyConflict(f"{name} exists with other arguments: {solution} ({error})") from error
