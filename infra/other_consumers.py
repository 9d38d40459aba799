"""Consumers of our queues that this folder's `up` did not start, such as those of a second checkout on the broker."""

from collections.abc import Iterator

from infra.up.stack import CONSUMERS
from producer.task_queue.topology import QUEUE
from shared.messaging.amqp.connection import Connection
from shared.messaging.amqp.queues import count_consumers
from shared.messaging.topology import queue_name


def describe_other_consumers(connection: Connection, own: int) -> str:
    """Return one line about consumers beyond the `own` ones of each queue, or an empty string. Raises BrokerError."""
    others = dict(_count_others(connection, own))
    if not others:
        return ""
    queues = ", ".join(f"{queue} ({count})" for queue, count in others.items())
    return (
        f"others than ./stockwire up in this folder consume from {queues}: another checkout, or a process of its own;"
        " each event goes to only one consumer of a queue, and another virtual host or queue keeps them apart"
    )


def _count_others(connection: Connection, own: int) -> Iterator[tuple[str, int]]:
    for queue in (*map(queue_name, CONSUMERS), QUEUE):
        if (count := count_consumers(connection, queue) - own) > 0:
            yield queue, count
