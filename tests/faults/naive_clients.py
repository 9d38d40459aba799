"""Naive clients: consumers and publishers on amqpstorm as its documentation shows them, without Stockwire's additions.

`python -m tests.faults.naive_clients QUEUE HEARTBEAT [ECHO]` stores messages as history and acknowledges them. With
ECHO it first publishes each message again over the same connection, under the routing key ECHO.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from amqpstorm import Connection
from amqpstorm import Message as Incoming

from consumers.history.handler import history
from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Message
from shared.messaging.topology import EXCHANGE, queue_name
from shared.settings import load_settings
from shared.times import utc_now
from tests.faults.pipeline import Pipeline
from tests.processes import Process, running


def consume(queue: str, heartbeat: int, echo: str = "") -> None:
    settings = load_settings()
    with history.open(settings) as handle, _connect(settings.amqp_url, heartbeat) as connection:

        def on_message(message: Incoming) -> None:
            handle([StockData.decode(message.body.encode(), utc_now())])
            if echo:
                channel.basic.publish(message.body, echo)
            message.ack()

        channel = connection.channel()
        channel.basic.qos(1000)
        channel.basic.consume(on_message, queue)
        print("consuming", flush=True)
        channel.start_consuming()


@contextmanager
def consuming(pipeline: Pipeline, heartbeat: int = 2, *more: str) -> Iterator[Process]:
    """Run the naive consumer as a process on the queue of history."""
    command = ("python", "-m", "tests.faults.naive_clients", queue_name("history"), str(heartbeat))
    with running(*command, *more, environment=pipeline.environment) as process:
        process.wait_for("consuming")
        yield process


class _Confirmed:
    def __init__(self, connection: Connection) -> None:
        self._channel = connection.channel()
        self._channel.confirm_deliveries()

    def publish(self, messages: Iterable[Message]) -> int:
        count = 0
        for message in messages:
            properties = dict(message.properties)
            properties["message_type"] = properties.pop("type")
            self._channel.basic.publish(message.body, message.routing_key, EXCHANGE, properties, mandatory=True)
            count += 1
        return count


@contextmanager
def without_heartbeat(address: BrokerAddress) -> Iterator[_Confirmed]:
    """Yield a publisher with confirms and without a heartbeat, which does not notice that RabbitMQ is gone."""
    with _connect(address, 0) as connection:
        yield _Confirmed(connection)


def consuming_and_publishing(pipeline: Pipeline) -> AbstractContextManager[Process]:
    return consuming(pipeline, 2, "echo")


consuming_without_heartbeat: Callable[[Pipeline], AbstractContextManager[Process]] = partial(consuming, heartbeat=0)


def _connect(address: BrokerAddress, heartbeat: int) -> Connection:
    return Connection(
        address.host,
        address.username,
        address.password,
        address.port,
        virtual_host=address.virtual_host,
        heartbeat=heartbeat,
    )


if __name__ == "__main__":
    consume(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
