"""Every exchange, queue, binding and routing key there is, and the one place that declares them."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from amqpstorm.channel import Channel
from amqpstorm.exception import AMQPChannelError
from pamqp import commands, frame

from shared.errors import TopologyConflict
from shared.messaging.amqp.connection import RPC_TIMEOUT, Connection, translated
from shared.symbols import routing_token

EXCHANGE = "market_data"
DEAD_EXCHANGE = "market_data.dead"

LIVE_PRICES = "stock.*.price"
BACKFILLED_PRICES = "stock.*.backfill"
EVERYTHING = "#"

# What kills its consumer this often is set aside. The consumer takes suspects one at a time long before that, so that
# their neighbours, delivered along with them, stay far below the limit.
DELIVERY_LIMIT = 20

_EXCHANGES = ((EXCHANGE, "topic"), (DEAD_EXCHANGE, "direct"))
# Looking at a dead letter counts as a delivery, and RabbitMQ 4 sets a limit of 20 unless told otherwise.
_DEAD_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}

_NOT_FOUND = 404
_PRECONDITION_FAILED = 406


@dataclass(frozen=True)
class QueueSpec:
    """A consumer's queue and the routing patterns bound to it; its dead letters go to `<name>.dead`.

    `dropped` are patterns to unbind, where an earlier run bound them and nobody consumes the queue now. A `transient`
    queue belongs to one connection, goes with it, and has no dead letters.
    """

    name: str
    patterns: Sequence[str]
    dropped: Sequence[str] = ()
    single_active: bool = False
    transient: bool = False

    @property
    def flags(self) -> dict[str, bool]:
        return {"durable": not self.transient, "exclusive": self.transient, "auto_delete": self.transient}

    @property
    def arguments(self) -> dict[str, Any]:
        if self.transient:
            return {}
        return {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": self.name,
            # Dead-lettering that survives a crash needs both of these.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": DELIVERY_LIMIT,
            **({"x-single-active-consumer": True} if self.single_active else {}),
        }


def queue_name(consumer: str) -> str:
    return f"stockwire.{consumer}"


def dead_queue_name(queue: str) -> str:
    return f"{queue}.dead"


def price_key(symbol: str) -> str:
    return f"stock.{routing_token(symbol)}.price"


def backfill_key(symbol: str) -> str:
    return f"stock.{routing_token(symbol)}.backfill"


def alert_key(symbol: str, condition: str) -> str:
    return f"alert.{routing_token(symbol)}.{condition}"


def declare_exchanges(channel: Channel) -> None:
    """Raises TopologyConflict where one exists as something else."""
    for name, kind in _EXCHANGES:
        with _conflicts(f"exchange {name}", "delete it and start again"):
            channel.exchange.declare(name, exchange_type=kind, durable=True)


def declare_queue(channel: Channel, spec: QueueSpec) -> None:
    """The exchanges, the queue with its bindings, and the queue of its dead letters. Raises TopologyConflict."""
    declare_exchanges(channel)
    with _queue_conflicts(spec.name):
        declared = channel.queue.declare(spec.name, arguments=spec.arguments, **spec.flags)
    if not spec.transient:
        declare_dead_queue(channel, spec.name)
    if not declared["consumer_count"]:
        # Another process on the queue wants what it has bound.
        for pattern in spec.dropped:
            channel.queue.unbind(spec.name, EXCHANGE, pattern)
    for pattern in spec.patterns:
        channel.queue.bind(spec.name, EXCHANGE, pattern)


def declare_dead_queue(channel: Channel, queue: str) -> None:
    """Where the rejects of `queue` are kept until somebody looks. Raises TopologyConflict."""
    dead = dead_queue_name(queue)
    with _queue_conflicts(dead):
        channel.queue.declare(dead, durable=True, arguments=_DEAD_ARGUMENTS)
    channel.queue.bind(dead, DEAD_EXCHANGE, queue)


def declare_again(connection: Connection, channel: Channel, spec: QueueSpec) -> None:
    """Ask for all that `declare_queue` declares without waiting, so that it costs nothing where all of it is there.

    What has been deleted meanwhile is made again; where that cannot be, RabbitMQ closes the channel.
    """
    connection.write(b"".join(frame.marshal(each, int(channel)) for each in _declaration(spec)))


def _declaration(spec: QueueSpec) -> Iterator[Any]:
    for name, kind in _EXCHANGES:
        yield commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=True, nowait=True)
    yield commands.Queue.Declare(queue=spec.name, arguments=spec.arguments, nowait=True, **spec.flags)
    for pattern in spec.patterns:
        yield commands.Queue.Bind(queue=spec.name, exchange=EXCHANGE, routing_key=pattern, nowait=True)
    if not spec.transient:
        dead = dead_queue_name(spec.name)
        yield commands.Queue.Declare(queue=dead, durable=True, arguments=_DEAD_ARGUMENTS, nowait=True)
        yield commands.Queue.Bind(queue=dead, exchange=DEAD_EXCHANGE, routing_key=spec.name, nowait=True)


def count_consumers(connection: Connection, queue: str) -> int:
    """How many consumers `queue` has; 0 where it does not exist. Raises BrokerError."""
    declared = _inspect(connection, queue)
    return declared["consumer_count"] if declared else 0


def count_messages(connection: Connection, queue: str) -> int | None:
    """How many messages `queue` holds ready; None where it does not exist. Raises BrokerError."""
    declared = _inspect(connection, queue)
    return declared["message_count"] if declared else None


def _inspect(connection: Connection, queue: str) -> dict[str, int] | None:
    with translated(connection):
        channel = connection.channel(rpc_timeout=RPC_TIMEOUT)
        try:
            declared: dict[str, int] = channel.queue.declare(queue, passive=True)
        except AMQPChannelError as error:
            if error.error_code == _NOT_FOUND:
                return None
            raise
        channel.close()
    return declared


def _queue_conflicts(queue: str) -> AbstractContextManager[None]:
    way_out = f"empty and delete it (rabbitmqctl delete_queue {queue}) and start again, or name another with --queue"
    return _conflicts(f"queue {queue}", way_out)


@contextmanager
def _conflicts(what: str, way_out: str) -> Iterator[None]:
    try:
        yield
    except AMQPChannelError as error:
        if error.error_code != _PRECONDITION_FAILED:
            raise
        raise TopologyConflict(f"{what} exists with other arguments: {way_out} ({error})") from error
