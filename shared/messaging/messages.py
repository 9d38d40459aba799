"""Messages to publish, and received deliveries."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.events import CONTENT_TYPE, Event, PriceAlert, RulesHeld, StockData
from shared.messaging.topology import EXCHANGE, alert_key, backfill_key, price_key

APP_ID = "stockwire"
PERSISTENT = 2  # delivery mode: stored on disk
NO_ID = "(without id)"
# The word of a routing key that stands for RULES_HELD where an alert has its condition.
HELD = "held"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish. If a `mandatory` message reaches no queue, publishing it fails.

    `properties` have their names in the AMQP specification: `message_id`, `type`, `timestamp` and so on.
    """

    exchange: str
    routing_key: str
    body: bytes
    properties: Mapping[str, Any]
    mandatory: bool = True

    @property
    def id(self) -> str:
        return str(self.properties.get("message_id") or NO_ID)


class DroppedBody(NamedTuple):
    """The size in bytes and the SHA-256 digest, in hexadecimal, of a body whose bytes were dropped."""

    size: int
    sha256: str


class Delivery(NamedTuple):
    """A received message; `tag` acknowledges it on the channel that delivered it.

    The body of a message over 64 KiB is empty, and `dropped_body` describes it.
    """

    tag: int
    exchange: str
    routing_key: str
    body: bytes
    properties: Mapping[str, Any] = MappingProxyType({})
    redelivered: bool = False
    dropped_body: DroppedBody | None = None

    @property
    def id(self) -> str:
        return str(self.properties.get("message_id") or NO_ID)

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.properties.get("headers") or {}

    @property
    def attempts(self) -> int:
        """Return the number of earlier deliveries by a quorum queue that were not acknowledged."""
        if not self.redelivered:
            return 0
        count = self.headers.get("x-delivery-count", 0)
        return count if isinstance(count, int) else 0


def price_message(event: StockData, *, backfill: bool = False) -> Message:
    """Return the message of a live or a past price. Mandatory, because a price without a queue would be lost."""
    key = backfill_key(event.symbol) if backfill else price_key(event.symbol)
    return Message(EXCHANGE, key, event.encode(), _properties(event, event.observed_at))


def alert_message(alert: PriceAlert | RulesHeld) -> Message:
    """Return the message of an alert. Not mandatory: the alert is already stored in the database."""
    key = alert_key(alert.symbol, alert.condition if isinstance(alert, PriceAlert) else HELD)
    return Message(EXCHANGE, key, alert.encode(), _properties(alert, alert.triggered_at), mandatory=False)


def _properties(event: Event, timestamp: datetime) -> dict[str, Any]:
    return {
        "content_type": CONTENT_TYPE,
        "delivery_mode": PERSISTENT,
        "message_id": event.id,
        "type": event.TYPE,
        "timestamp": timestamp,
        "app_id": APP_ID,
    }
