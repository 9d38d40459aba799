"""A private RabbitMQ and a temporary folder for the time of a bench."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.side_process import Job
from infra.up.rabbitmq import private_broker
from shared.errors import ProcessError
from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.queues import count_consumers, count_messages
from shared.messaging.messages import Message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import (
    BACKFILLED_PRICES,
    LIVE_PRICES,
    QueueSpec,
    dead_queue_name,
)


@dataclass
class BenchEnvironment:
    address: BrokerAddress
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def job(self, events: int) -> Iterator[Job]:
        """Yield a job with its own database, and its own queue like the history consumer's."""
        name = f"bench.{next(self._numbers)}"
        with connected(self.address, "bench") as connection:
            declare_queue(connection, QueueSpec(name, (LIVE_PRICES, BACKFILLED_PRICES)))
        yield Job(self.address.url(), name, events, str(self.folder / f"{name}.db"))
        with connected(self.address, "bench") as connection:
            channel = connection.open_channel()
            for queue in (name, dead_queue_name(name)):
                channel.queue.delete(queue)

    def fill(self, messages: Sequence[Message]) -> None:
        with Publisher(self.address, "bench") as publisher:
            publisher.publish(messages)

    def has_consumer(self, queue: str) -> bool:
        with connected(self.address, "bench") as connection:
            return count_consumers(connection, queue) > 0

    def expect(self, queue: str, messages: int) -> None:
        """Raise ProcessError if the queue has another number of messages, or any dead letters."""
        for name, wanted in ((queue, messages), (dead_queue_name(queue), 0)):
            with connected(self.address, "bench") as connection:
                found = count_messages(connection, name)
            if found != wanted:
                raise ProcessError(f"queue {name} has {found} messages instead of {wanted}: the figure is not valid")


@contextmanager
def open_environment() -> Iterator[BenchEnvironment]:
    """Start RabbitMQ for the block. Raises ProcessError."""
    with tempfile.TemporaryDirectory(prefix="stockwire-bench-") as folder:
        node = Path(folder) / "rabbitmq"
        node.mkdir()
        with private_broker(node) as broker:
            yield BenchEnvironment(broker.address, Path(folder))
