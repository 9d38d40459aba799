"""The bench `persist`: events that wait in a queue, committed to SQLite and acknowledged, by one process.

The clock starts when a side, connected and with its table made, asks for messages. It stops when the last event is
committed and acknowledged; that the queue is empty then, and every row there, is checked.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.by_hand import hand_made_store
from benchmarks.contest import rates
from benchmarks.prices import price_messages
from benchmarks.report import Rates
from benchmarks.room import Room, open_room
from benchmarks.side import Job, Side, Stopwatch, result, started
from consumers.history.handler import history
from shared.errors import ProcessError
from shared.messaging.consumer import Consumer, Handler
from shared.messaging.message import Message
from shared.messaging.runner import run_consumer
from shared.settings import Settings
from shared.signals import Stop

EVENTS = 100_000
BATCH = 500
PREFETCH = 1000

# Where each side's rows are to be found afterwards.
TABLES = {"ours": "price", "tutorial": "prices", "pika": "price", "aio-pika": "price", "faststream": "price"}


def measure() -> Rates:
    messages = price_messages(EVENTS)
    with open_room() as room:
        figures = rates("persist", SIDES, lambda name: _persist(room, name, messages))
    return Rates("persist", SIDES, figures, goals={"tutorial": 250, "amqpstorm": 0.85})


def _persist(room: Room, name: str, messages: Sequence[Message]) -> float:
    events = SIDES[name].events
    with room.job(events) as job:
        room.fill(messages[:events])
        room.expect(job.queue, events)
        with started("persist", name, job) as process:
            seconds: float = result(process, name)
        room.expect(job.queue, 0)
        if name in TABLES:
            _expect_rows(job.database, TABLES[name], events)
    return events / seconds


def _expect_rows(database: str, table: str, events: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of ours
    if found != events:
        raise ProcessError(f"{found} events of {events} are stored: the figure is void")


class TimedStop(Stop):
    """Times a consumer: the runner lets itself be called just before it asks for messages, and until it has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Stopwatch()

    @contextmanager
    def calling(self, listener: Callable[[], None]) -> Iterator[None]:
        self.watch.start()
        try:
            with super().calling(listener):
                yield
        finally:
            self.watch.stop()


def ours(job: Job) -> float:
    """The history consumer itself, asked to stop when it has dealt with the last event."""
    stop = TimedStop()
    database = make_url(f"sqlite:///{job.database}")
    settings = replace(Settings(), amqp_url=job.address, history_url=database)
    run_consumer(_until(job.events, stop), settings, stop, queue=job.queue)
    return stop.watch.seconds


def _until(events: int, stop: Stop) -> Consumer:
    @contextmanager
    def opened(settings: Settings) -> Iterator[Handler]:
        left = events

        def handle(batch: Sequence[Any]) -> None:
            nonlocal left
            save(batch)
            left -= len(batch)
            if left <= 0:
                stop.request()

        with history.open(settings) as save:
            yield handle

    return replace(history, open=opened)


def tutorial_consumer(job: Job) -> float:
    from benchmarks import tutorial

    watch = Stopwatch()
    tutorial.consume(job, watch.start, lambda _id: None)
    watch.stop()
    return watch.seconds


def amqpstorm_alone(job: Job) -> float:
    """Receiving and doing nothing: prefetch 500, tuples of bytes, one ack in 250."""
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
    bodies: list[bytes] = []
    left = job.events
    with hand_made_store(job.database) as store, BlockingConnection(URLParameters(job.url)) as connection:
        channel = connection.channel()

        def on_message(_channel: object, method: Any, _properties: object, body: bytes) -> None:
            nonlocal left
            bodies.append(body)
            left -= 1
            if len(bodies) == BATCH or not left:
                store.save(bodies)
                channel.basic_ack(method.delivery_tag, multiple=True)
                bodies.clear()
                if not left:
                    watch.stop()
                    channel.stop_consuming()

        watch.start()
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(job.queue, on_message)
        channel.start_consuming()
    return watch.seconds


def aio_pika_batches(job: Job) -> float:
    import aio_pika

    async def run() -> float:
        watch = Stopwatch()
        bodies: list[bytes] = []
        left = job.events
        with hand_made_store(job.database) as store:
            async with await aio_pika.connect(job.url) as connection:
                channel = await connection.channel()
                queue = await channel.get_queue(job.queue)
                done = asyncio.Event()

                async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                    nonlocal left
                    bodies.append(message.body)
                    left -= 1
                    if len(bodies) == BATCH or not left:
                        store.save(bodies)
                        bodies.clear()
                        await message.ack(multiple=True)
                        if not left:
                            done.set()

                watch.start()
                await channel.set_qos(prefetch_count=PREFETCH)
                await queue.consume(on_message)
                await done.wait()
                watch.stop()
        return watch.seconds

    return asyncio.run(run())


def faststream_subscriber(job: Job) -> float:
    """A subscriber as its tutorial shows it: a function of one message, acknowledged when it returns."""
    from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

    async def run() -> float:
        watch = Stopwatch()
        done = asyncio.Event()
        left = job.events
        broker = RabbitBroker(job.url, logger=None, default_channel=Channel(prefetch_count=PREFETCH))
        with hand_made_store(job.database) as store:

            @broker.subscriber(RabbitQueue(job.queue, declare=False))
            async def on_message(body: bytes) -> None:
                nonlocal left
                store.save([body])
                left -= 1
                if not left:
                    done.set()

            async with broker:
                await broker.connect()
                watch.start()
                await broker.start()
                await done.wait()
                watch.stop()
        return watch.seconds

    return asyncio.run(run())


SIDES = {
    "ours": Side("the history consumer", EVENTS, ours),
    "tutorial": Side("amqpstorm, prefetch 1, ORM commit and ack a message", 400, tutorial_consumer),
    "amqpstorm": Side("receiving and doing nothing, prefetch 500, ack 1 in 250", EVENTS, amqpstorm_alone),
    "pika": Side("json and sqlite3, 500 rows a commit", 20_000, pika_batches),
    "aio-pika": Side("json and sqlite3, 500 rows a commit", 10_000, aio_pika_batches),
    "faststream": Side("subscriber, json and sqlite3, commit and ack a message", 2_500, faststream_subscriber),
}
