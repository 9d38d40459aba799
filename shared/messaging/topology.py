"""Names and arguments of every exchange and queue, and the routing keys. `amqp.declarations` declares them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.errors import SettingsError
from shared.symbols import routing_token

EXCHANGE = "market_data"
DEAD_EXCHANGE = "market_data.dead"
EXCHANGE_TYPES = {EXCHANGE: "topic", DEAD_EXCHANGE: "direct"}

# Routing patterns.
LIVE_PRICES = "stock.*.price"
BACKFILLED_PRICES = "stock.*.backfill"
ALERTS = "alert.#"
EVERYTHING = "#"

# RabbitMQ dead-letters a message after this many deliveries without an acknowledgement. The consumer takes such
# messages one at a time long before, so that healthy messages delivered with them stay far below the limit.
DELIVERY_LIMIT = 20
# The limits of dead letters and of transient queues. The oldest messages are dropped: to refuse new ones would keep the
# consumer from acknowledging invalid messages, so that anyone who publishes enough of them could stop it. RabbitMQ does
# not count the bytes of headers.
MAX_DEAD_LETTERS = 100_000
MAX_DEAD_BYTES = 256 * 1024 * 1024
_LIMITS: dict[str, Any] = {
    "x-max-length": MAX_DEAD_LETTERS,
    "x-max-length-bytes": MAX_DEAD_BYTES,
    "x-overflow": "drop-head",
}
# The arguments that earlier versions declared. A queue keeps its arguments, and a policy can give it the limits.
# Peeking at a dead letter counts as a delivery, and RabbitMQ 4 drops a message after 20 deliveries by default.
UNLIMITED_DEAD_QUEUE_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
DEAD_QUEUE_ARGUMENTS: dict[str, Any] = {**UNLIMITED_DEAD_QUEUE_ARGUMENTS, **_LIMITS}
DEAD_QUEUE_POLICY = "stockwire-dead-letters"
DEAD_QUEUE_PATTERN = r"^stockwire\..*\.dead$"

# Bytes of a name or a routing key, by the AMQP specification.
_MAX_SHORT_STRING = 255
_DEAD_SUFFIX = ".dead"
_MAX_QUEUE_NAME = _MAX_SHORT_STRING - len(_DEAD_SUFFIX)
# The characters that pamqp allows.
_QUEUE_NAME = re.compile(rf"[A-Za-z0-9\-_.:@#,/+ ]{{1,{_MAX_QUEUE_NAME}}}")


@dataclass(frozen=True)
class QueueSpec:
    """The declaration of a consumer's queue and the routing patterns bound to it.

    The queue's dead letters go to `<name>.dead`. `unwanted_patterns` were bound by an earlier run, and are unbound
    unless another process consumes the queue. A `transient` queue belongs to one connection, is deleted with that
    connection, and has no dead letters.
    """

    name: str
    patterns: Sequence[str]
    unwanted_patterns: Sequence[str] = ()
    single_active: bool = False
    transient: bool = False

    @property
    def flags(self) -> dict[str, bool]:
        return {"durable": not self.transient, "exclusive": self.transient, "auto_delete": self.transient}

    @property
    def arguments(self) -> dict[str, Any]:
        if self.transient:
            # A consumer that is stopped must not fill RabbitMQ's memory.
            return dict(_LIMITS)
        return {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": DEAD_EXCHANGE,
            "x-dead-letter-routing-key": self.name,
            # With both, a message on its way to the dead letters survives a crash of RabbitMQ.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": DELIVERY_LIMIT,
            **({"x-single-active-consumer": True} if self.single_active else {}),
        }


def check_queue_name(name: str) -> str:
    """Return the name of a queue that a consumer may declare. Raises SettingsError."""
    if not _QUEUE_NAME.fullmatch(name):
        raise SettingsError(
            f"{name[:40]!r} is not a name for a queue: use 1 to {_MAX_QUEUE_NAME} ASCII letters, digits, spaces and"
            " - _ . : @ # , / +"
        )
    if name.startswith("amq."):
        raise SettingsError(f"{name[:40]!r} is not a name for a queue: RabbitMQ keeps names with amq. for itself")
    return name


def check_pattern(pattern: str) -> str:
    """Return a routing pattern that a queue can be bound by. Raises SettingsError."""
    if len(pattern.encode(errors="replace")) > _MAX_SHORT_STRING or not pattern.isprintable():
        raise SettingsError(
            f"{pattern[:40]!r} is not a routing pattern such as stock.AAPL.price:"
            f" use at most {_MAX_SHORT_STRING} bytes of printable text"
        )
    return pattern


def queue_name(consumer: str) -> str:
    return f"stockwire.{consumer}"


def dead_queue_policy() -> dict[str, Any]:
    """Return the limits of dead letters as the definition of a policy."""
    return {name.removeprefix("x-"): value for name, value in _LIMITS.items()}


def dead_queue_name(queue: str) -> str:
    return f"{queue}{_DEAD_SUFFIX}"


def price_key(symbol: str) -> str:
    return f"stock.{routing_token(symbol)}.price"


def backfill_key(symbol: str) -> str:
    return f"stock.{routing_token(symbol)}.backfill"


def alert_key(symbol: str, condition: str) -> str:
    return f"alert.{routing_token(symbol)}.{condition}"
