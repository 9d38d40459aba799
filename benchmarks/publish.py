"""The bench `publish`: one process publishes persistent, mandatory, confirmed events to one queue.

Events are encoded and the queue is declared before the clock starts. It stops when RabbitMQ has confirmed every event.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from benchmarks.environment import BenchEnvironment, open_environment
from benchmarks.generated_prices import price_messages
from benchmarks.report import Rates
from benchmarks.rounds import Figures, run_rounds
from benchmarks.side_process import Job, Side, Stopwatch, result, started
from shared.messaging.messages import Message
from shared.messaging.publisher import Publisher
from shared.messaging.topology import EXCHANGE

EVENTS = 50_000
IN_FLIGHT = 500

Item = TypeVar("Item")


def measure() -> Rates:
    with open_environment() as environment:
        figures = run_rounds("publish", SIDES, lambda name: _publish(environment, name))
    rates = {name: rate for name, (rate,) in figures.items()}
    return Rates("publish", SIDES, rates, goals={"amqpstorm": 300, "aio-pika": 3})


def _publish(environment: BenchEnvironment, name: str) -> Figures:
    side = SIDES[name]
    with environment.job(side.events) as job, started(side.work, job) as process:
        seconds: float = result(process, name)
        environment.expect(job.queue, side.events)
    return (side.events / seconds,)


def ours(job: Job) -> float:
    messages = price_messages(job.events)
    watch = Stopwatch()
    with Publisher(job.address, "bench") as publisher:
        publisher.publish(())  # connects
        watch.start()
        publisher.publish(messages)
        watch.stop()
    return watch.seconds


def amqpstorm_loop(job: Job) -> float:
    """Publish one event after the other with confirm_deliveries, as in the documentation of amqpstorm."""
    from amqpstorm.connection import Connection

    messages = [(message, _amqpstorm_properties(message)) for message in price_messages(job.events)]
    watch = Stopwatch()
    address = job.address
    with (
        Connection(address.host, address.username, address.password, port=address.port) as connection,
        connection.channel() as channel,
    ):
        channel.confirm_deliveries()
        watch.start()
        for message, properties in messages:
            channel.basic.publish(
                message.body, message.routing_key, message.exchange, properties=properties, mandatory=True
            )
        watch.stop()
    return watch.seconds


def _amqpstorm_properties(message: Message) -> dict[str, object]:
    return {"message_type" if name == "type" else name: value for name, value in message.properties.items()}


def pika_blocking(job: Job) -> float:
    """Publish on a BlockingConnection with confirm_delivery, which waits for each confirm."""
    from pika import BasicProperties, BlockingConnection, URLParameters

    def properties(message: Message) -> BasicProperties:
        timestamp = int(message.properties["timestamp"].timestamp())
        return BasicProperties(**{**message.properties, "timestamp": timestamp})

    messages = [(message, properties(message)) for message in price_messages(job.events)]
    watch = Stopwatch()
    with BlockingConnection(URLParameters(job.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        watch.start()
        for message, pika_properties in messages:
            channel.basic_publish(message.exchange, message.routing_key, message.body, pika_properties, mandatory=True)
        watch.stop()
    return watch.seconds


async def aio_pika_tasks(job: Job) -> float:
    """Publish on a channel with publisher confirms, the documented default."""
    import aio_pika

    messages = price_messages(job.events)
    ready = iter([(aio_pika.Message(each.body, **each.properties), each.routing_key) for each in messages])
    async with await aio_pika.connect(job.url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(EXCHANGE)
        return await _in_flight(ready, lambda each: exchange.publish(each[0], each[1]))


async def faststream_tasks(job: Job) -> float:
    """Publish with FastStream's broker, which makes aio-pika's messages itself."""
    from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange

    exchange = RabbitExchange(EXCHANGE, ExchangeType.TOPIC, declare=False)
    messages = price_messages(job.events)
    async with RabbitBroker(job.url, logger=None) as broker:
        await broker.connect()

        def publish(message: Message) -> Awaitable[object]:
            properties = message.properties
            return broker.publish(
                message.body,
                exchange=exchange,
                routing_key=message.routing_key,
                persist=True,
                content_type=properties["content_type"],
                message_id=properties["message_id"],
                message_type=properties["type"],
                timestamp=properties["timestamp"],
            )

        return await _in_flight(iter(messages), publish)


async def _in_flight(items: Iterator[Item], publish: Callable[[Item], Awaitable[object]]) -> float:
    """Return the seconds to publish all items, with one item in flight per task."""

    async def work() -> None:
        for item in items:
            await publish(item)

    watch = Stopwatch()
    watch.start()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    watch.stop()
    return watch.seconds


SIDES = {
    "ours": Side("Publisher.publish of all events at once", EVENTS, ours),
    "amqpstorm": Side("its confirm_deliveries loop, one event at a time", 500, amqpstorm_loop),
    "aio-pika": Side(f"{IN_FLIGHT} in flight, publisher confirms", EVENTS, aio_pika_tasks),
    "pika": Side("BlockingConnection, confirm_delivery, one event at a time", 5_000, pika_blocking),
    "faststream": Side(f"RabbitBroker.publish, {IN_FLIGHT} in flight", 20_000, faststream_tasks),
}
