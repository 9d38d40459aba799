"""Real parts in a test's hands: queues, and a consumer in a thread; all polled to a deadline."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from amqpstorm.channel import Channel

from shared.messaging.address import BrokerAddress
from shared.messaging.amqp.connection import connected
from shared.messaging.amqp.declarations import declare_queue
from shared.messaging.amqp.queues import count_consumers, count_messages
from shared.messaging.amqp.subscription import Subscription
from shared.messaging.consumer import Consumer, Handler, consumer
from shared.messaging.dead_letters import look
from shared.messaging.messages import Delivery, Message
from shared.messaging.publisher import Publisher
from shared.messaging.runner import run_consumer
from shared.messaging.topology import EXCHANGE, QueueSpec, queue_name
from shared.settings import Settings
from shared.signals import Stop

DEADLINE = 20.0
EVERYTHING = ("#",)

Seen = TypeVar("Seen")


def eventually(look_at: Callable[[], Seen], timeout: float = DEADLINE) -> Seen:
    """Look again and again until what is seen is true; fails after `timeout` seconds with what was seen last."""
    deadline = time.monotonic() + timeout
    while not (seen := look_at()):
        assert time.monotonic() < deadline, f"still {seen!r} after {timeout:g} s"
        time.sleep(0.02)
    return seen


@contextlib.contextmanager
def channel_to(broker: BrokerAddress) -> Iterator[Channel]:
    """A plain amqpstorm channel, for what only a test does to a broker."""
    with connected(broker, "test") as connection:
        yield connection.open_channel()


def declare(broker: BrokerAddress, *patterns: str, name: str = "test") -> str:
    """A consumer's queue `stockwire.<name>`, bound by these patterns or to everything; returns its name."""
    with channel_to(broker) as channel:
        declare_queue(channel, QueueSpec(queue_name(name), patterns or EVERYTHING))
    return queue_name(name)


def declare_raw(broker: BrokerAddress, queue: str, arguments: Mapping[str, Any], *, bound: bool = True) -> None:
    """A durable queue with any arguments, bound to everything."""
    with channel_to(broker) as channel:
        channel.exchange.declare(EXCHANGE, "topic", durable=True)
        channel.queue.declare(queue, durable=True, arguments=dict(arguments))
        if bound:
            channel.queue.bind(queue, EXCHANGE, "#")


def publish(broker: BrokerAddress, *messages: Message) -> int:
    with Publisher(broker, "test") as publisher:
        return publisher.publish(messages)


def waiting(broker: BrokerAddress, queue: str) -> int | None:
    """How many messages the queue holds that nobody has been given."""
    with connected(broker, "test") as connection:
        return count_messages(connection, queue)


def consumers_of(broker: BrokerAddress, queue: str) -> int:
    with connected(broker, "test") as connection:
        return count_consumers(connection, queue)


def taken(broker: BrokerAddress, queue: str, count: int) -> list[Delivery]:
    """Take so many messages off the queue, in their order; fails where there are fewer."""
    found: list[Delivery] = []
    with connected(broker, "test") as connection:
        subscription = Subscription(connection, connection.open_channel())
        subscription.start(queue, max(count, 1))
        while len(found) < count:
            batch = subscription.take(count - len(found), timeout=DEADLINE)
            assert batch, f"{queue} gave {len(found)} messages of {count}"
            found += batch
        if found:
            subscription.acknowledge(found[-1], and_all_before=True)
    return found


def dead_letters(broker: BrokerAddress, queue: str) -> list[Delivery]:
    with connected(broker, "test") as connection:
        return look(connection, queue, 1000)


class Recorder:
    """A handler that keeps the batches it is given; `failing` is called first with each of them."""

    def __init__(self, failing: Callable[[Sequence[Any]], None] = lambda _events: None) -> None:
        self.batches: list[list[Any]] = []
        self._failing = failing

    def __call__(self, events: Sequence[Any]) -> None:
        self._failing(events)
        self.batches.append(list(events))

    @property
    def ids(self) -> list[str]:
        return [event.id for batch in self.batches for event in batch]


class Running:
    """A consumer at work in a thread of this process."""

    def __init__(self, wanted: Consumer, address: BrokerAddress, patterns: Sequence[str] = ()) -> None:
        self.queue = queue_name(wanted.name)
        self.error: BaseException | None = None
        self.stop = Stop()
        self._thread = threading.Thread(target=self._run, args=(wanted, address, patterns), name=wanted.name)
        self._thread.start()

    def _run(self, wanted: Consumer, address: BrokerAddress, patterns: Sequence[str]) -> None:
        try:
            run_consumer(wanted, replace(Settings(), amqp_url=address), self.stop, patterns=patterns)
        except BaseException as error:  # noqa: BLE001 - whoever looks at the thread wants all of them
            self.error = error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ended(self, timeout: float = DEADLINE) -> BaseException | None:
        """Wait for its end; what it raised."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"the consumer is still running after {timeout:g} s"
        return self.error


@contextlib.contextmanager
def running(
    handler: Handler | Consumer, broker: BrokerAddress, *, through: BrokerAddress | None = None
) -> Iterator[Running]:
    """A consumer named test, of everything, until the end of the block, where it must end well.

    `through` is the address it connects to, where that is another than the broker's own.
    """
    wanted = handler if isinstance(handler, Consumer) else consumer("test", *EVERYTHING)(handler)
    run = Running(wanted, through or broker)
    try:
        eventually(lambda: run.error or consumers_of(broker, run.queue))
        yield run
    finally:
        run.stop.request()
        error = run.ended()
    if error is not None:
        raise error


def opened(handler: Any) -> Any:
    @contextlib.contextmanager
    def give(_settings: Any) -> Iterator[Any]:
        yield handler

    return give
