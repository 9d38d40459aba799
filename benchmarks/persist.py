"""The bench `persist`: one process commits queued events to SQLite and acknowledges them.

The clock starts when a side has connected and created its table, and asks for messages. It stops when the last event
is committed and acknowledged. The queue must then be empty, and every row must be in the table.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from benchmarks.environment import BenchEnvironment, open_environment
from benchmarks.generated_prices import price_messages
from benchmarks.naive_pika_sqlite import unchecked_batches
from benchmarks.report import Rates
from benchmarks.rounds import Figures, run_rounds
from benchmarks.side_process import Job, Side, Stopwatch, result, started
from benchmarks.stockwire_consumer import consume_history
from shared.errors import ProcessError
from shared.messaging.messages import Message

EVENTS = 100_000
BATCH = 2000
PREFETCH = 4000

# The table that each side fills.
TABLES = {"ours": "quote", "tutorial": "prices", "pika": "quote", "aio-pika": "quote", "faststream": "quote"}


def measure() -> Rates:
    messages = price_messages(EVENTS)
    with open_environment() as environment:
        figures = run_rounds("persist", SIDES, lambda name: _persist(environment, name, messages))
    rates = {name: rate for name, (rate,) in figures.items()}
    return Rates("persist", SIDES, rates, goals={"tutorial": 400, "amqpstorm": 1.5, "pika": 1.4})


def _persist(environment: BenchEnvironment, name: str, messages: Sequence[Message]) -> Figures:
    side = SIDES[name]
    with environment.job(side.events) as job:
        environment.fill(messages[: side.events])
        environment.expect(job.queue, side.events)
        with started(side.work, job) as process:
            seconds: float = result(process, name)
        environment.expect(job.queue, 0)
        if name in TABLES:
            _expect_rows(job.database, TABLES[name], side.events)
    return (side.events / seconds,)


def _expect_rows(database: str, table: str, events: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
    if found != events:
        raise ProcessError(f"{found} events of {events} are stored: the figure is not valid")


def ours(job: Job) -> float:
    return consume_history(job, lambda _batch: None)


def tutorial_consumer(job: Job) -> float:
    from benchmarks import naive_tutorial_consumer

    watch = Stopwatch()
    naive_tutorial_consumer.consume(job, watch.start, lambda _id: None)
    watch.stop()
    return watch.seconds


def amqpstorm_alone(job: Job) -> float:
    """Receive messages as tuples of bytes and do nothing else: prefetch 500, one ack per 250."""
    from amqpstorm.connection import Connection

    watch = Stopwatch()
    address = job.address
    received = 0
    with (
        Connection(address.host, address.username, address.password, port=address.port) as connection,
        connection.channel() as channel,
    ):

        def on_message(_body: object, _channel: object, method: dict[str, Any], _properties: object) -> None:
            nonlocal received
            received += 1
            if received % 250 == 0:
                channel.basic.ack(method["delivery_tag"], multiple=True)
                if received == job.events:
                    watch.stop()
                    channel.stop_consuming()

        watch.start()
        channel.basic.qos(500)
        channel.basic.consume(on_message, job.queue)
        channel.start_consuming(to_tuple=True, auto_decode=False)
    return watch.seconds


def pika_batches(job: Job) -> float:
    from pika import BlockingConnection, URLParameters

    watch = Stopwatch()
    with unchecked_batches(job, BATCH) as batches, BlockingConnection(URLParameters(job.url)) as connection:
        channel = connection.channel()

        def on_message(_channel: object, method: Any, _properties: object, body: bytes) -> None:
            if batches.add(body):
                channel.basic_ack(method.delivery_tag, multiple=True)
                if batches.complete:
                    watch.stop()
                    channel.stop_consuming()

        watch.start()
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(job.queue, on_message)
        channel.start_consuming()
    return watch.seconds


async def aio_pika_batches(job: Job) -> float:
    import aio_pika

    watch = Stopwatch()
    done = asyncio.Event()
    with unchecked_batches(job, BATCH) as batches:
        async with await aio_pika.connect(job.url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue(job.queue)

            async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                if batches.add(message.body):
                    await message.ack(multiple=True)
                    if batches.complete:
                        done.set()

            watch.start()
            await channel.set_qos(prefetch_count=PREFETCH)
            await queue.consume(on_message)
            await done.wait()
            watch.stop()
    return watch.seconds


async def faststream_subscriber(job: Job) -> float:
    """Consume as in the tutorial, with a function of one message that is acknowledged when the function returns."""
    from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

    watch = Stopwatch()
    done = asyncio.Event()
    broker = RabbitBroker(job.url, logger=None, default_channel=Channel(prefetch_count=PREFETCH))
    with unchecked_batches(job, 1) as batches:

        @broker.subscriber(RabbitQueue(job.queue, declare=False))
        async def on_message(body: bytes) -> None:
            batches.add(body)
            if batches.complete:
                done.set()

        async with broker:
            await broker.connect()
            watch.start()
            await broker.start()
            await done.wait()
            watch.stop()
    return watch.seconds


SIDES = {
    "ours": Side("the history consumer", EVENTS, ours),
    "tutorial": Side("amqpstorm, prefetch 1, one ORM commit and one ack per message", 400, tutorial_consumer),
    "amqpstorm": Side("receiving and doing nothing, prefetch 500, one ack per 250", EVENTS, amqpstorm_alone),
    "pika": Side("json and sqlite3, 2,000 rows per commit as ours", EVENTS, pika_batches),
    "aio-pika": Side("json and sqlite3, 2,000 rows per commit as ours", 10_000, aio_pika_batches),
    "faststream": Side("subscriber, json and sqlite3, one commit and ack per message", 2_500, faststream_subscriber),
}
