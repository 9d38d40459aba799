"""A message on its way out, and a delivery on its way in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from shared.events import CONTENT_TYPE, Event, PriceAlert, StockData
from shared.messaging.topology import EXCHANGE, alert_key, backfill_key, price_key

APP_ID = "stockwire"
PERSISTENT = 2
NO_ID = "(without id)"


@dataclass(frozen=True, slots=True)
class Message:
    """What to publish where; a `mandatory` one that no queue takes is an error.

    `properties` are AMQP's own, by their names in the specification (`message_id`, `type`, `timestamp`, …).
    """

    exchange: str
    routing_key: str
    body: bytes
    properties: Mapping[str, Any]
    mandatory: bool = True

    @property
    def id(self) -> str:
        return str(self.properties.get("message_id") or NO_ID)


class Delivery(NamedTuple):
    """A message as it arrived; `tag` acknowledges it on the channel it came by."""

    tag: int
    exchange: str
    routing_key: str
    body: bytes
    properties: Mapping[str, Any] = MappingProxyType({})
    redelivered: bool = False

    @property
    def id(self) -> str:
        return str(self.properties.get("message_id") or NO_ID)

    @property
    def headers(self) -> Mapping[str, Any]:
        return self.properties.get("headers") or {}

    @property
    def attempts(self) -> int:
        """How often a quorum queue has delivered it before, in vain."""
        if not self.redelivered:
            return 0
        count = self.headers.get("x-delivery-count", 0)
        return count if isinstance(count, int) else 0


def price_message(event: StockData, *, backfill: bool = False) -> Message:
    """A STOCK_DATA event, live or fetched later; mandatory, since a price that no queue takes would be lost."""
    key = backfill_key(event.symbol) if backfill else price_key(event.symbol)
    return Message(EXCHANGE, key, event.encode(), _properties(event, event.observed_at))


def alert_message(alert: PriceAlert) -> Message:
    """A PRICE_ALERT event; not mandatory, since it is stored already and nobody needs to listen."""
    key = alert_key(alert.symbol, alert.condition)
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
