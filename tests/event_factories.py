"""Factories of events, bodies and messages: valid without arguments, each field changed by name."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from hypothesis import settings

from shared.events import CONTENT_TYPE, PriceAlert, RulesHeld, StockData, price_alert_id
from shared.messaging.messages import Delivery, DroppedBody, Message, price_message
from shared.messaging.topology import EXCHANGE, price_key
from shared.prices import format_price
from shared.times import format_instant, format_sortable

AS_OF = datetime(2024, 11, 20, 9, 59, 58, tzinfo=UTC)
NOW = datetime(2024, 11, 20, 10, 0, 3, 120000, tzinfo=UTC)

# A busy machine is not a fault of the code, so no example has a deadline.
property_test = settings(deadline=None)


class Missing:
    """The value for a field that is to be left out."""


MISSING = Missing()


EventOfEitherType = TypeVar("EventOfEitherType", StockData, PriceAlert, RulesHeld)


def changed(event: EventOfEitherType, **fields: Any) -> EventOfEitherType:
    """Return a copy of the event with other fields, which are not checked."""
    texts = {name: _as_text(value) for name, value in fields.items()}
    if "observed_at" in fields:
        texts["time"] = format_sortable(fields["observed_at"])
    if "triggered_at" in fields:
        texts["time"] = texts["triggered_at"] = format_sortable(fields["triggered_at"])
    if "symbol" in texts:
        texts["subject"] = texts["symbol"]
    data = {name: value for name, value in texts.items() if name in event.data.__struct_fields__}
    envelope = {name: value for name, value in texts.items() if name in event.__struct_fields__}
    return msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, **data), **envelope)


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_price(value)
    return format_instant(value) if isinstance(value, datetime) else value


def stock_data(
    symbol: str = "AAPL",
    price: str | Decimal = "187.44",
    as_of: datetime = AS_OF,
    provider: str = "simulated",
    **fields: Any,
) -> StockData:
    """Return a STOCK_DATA event observed 5.12 s after `as_of`, with the id that the contract demands."""
    event = StockData.create(
        symbol=symbol,
        price=Decimal(price),
        currency="USD",
        as_of=as_of,
        provider=provider,
        observed_at=as_of + (NOW - AS_OF),
    )
    return changed(event, **fields)


# An event with every optional field.
FULL_STOCK_DATA = stock_data(
    "BRK.B",
    "412.35",
    provider="yahoo",
    volume=1234567,
    open=Decimal("410.1"),
    high=Decimal(413),
    low=Decimal("409.99"),
    previous_close=Decimal("410.5"),
    market_state="REGULAR",
    delayed=True,
)


def price_series(
    prices: Sequence[str], symbol: str = "AAPL", start: datetime = AS_OF, **fields: Any
) -> list[StockData]:
    """Return one event per price, one second apart."""
    return [stock_data(symbol, price, start + timedelta(seconds=index), **fields) for index, price in enumerate(prices)]


def price_alert(event: StockData | None = None, **fields: Any) -> PriceAlert:
    """Return the PRICE_ALERT that rule 1, `AAPL crossing up 187`, raises on `event`."""
    event = event or stock_data()
    alert = PriceAlert.create(
        rule_id=1,
        rule_name="target",
        condition="crossing_up",
        symbol=event.symbol,
        price=event.price,
        previous_price=Decimal("186.5"),
        threshold=Decimal(187),
        as_of=event.as_of,
        triggered_at=event.observed_at + timedelta(milliseconds=2),
        event_id=event.id,
        terms=f"{event.symbol} crossing up 187",
        message="It rises.",
        alert_id=price_alert_id(1, 1, "firing", event.id),
    )
    return changed(alert, **fields)


def rules_held(event: StockData | None = None, **fields: Any) -> RulesHeld:
    """Return the RULES_HELD event of `event`, whose price is a quarter of the one before."""
    event = event or stock_data()
    held = RulesHeld.create(
        symbol=event.symbol,
        price=event.price,
        previous_price=event.price * 4,
        ratio=Decimal(4),
        rule_ids=[1, 2],
        as_of=event.as_of,
        triggered_at=event.observed_at,
        event_key=event.id,
    )
    return changed(held, **fields)


def stock_body(envelope: dict[str, Any] | None = None, **data: Any) -> bytes:
    """Return a STOCK_DATA event as JSON, with fields of its data and of its envelope replaced or MISSING."""
    return changed_body(stock_data().encode(), envelope or {}, data)


def changed_body(body: bytes, envelope: dict[str, Any], data: dict[str, Any]) -> bytes:
    """Return the event with other fields. NaN and infinity are written as Python writes them, which is not JSON."""
    fields = json.loads(body)
    fields["data"] = _without_missing(fields["data"] | data)
    return json.dumps(_without_missing(fields | envelope)).encode()


def message(event: StockData | None = None, *, backfill: bool = False) -> Message:
    """Return the message that publishes a STOCK_DATA event."""
    return price_message(event or stock_data(), backfill=backfill)


def messages(count: int, symbol: str = "AAPL") -> list[Message]:
    """Return `count` different events of one symbol, one second apart."""
    return [price_message(stock_data(symbol, as_of=AS_OF + timedelta(seconds=index))) for index in range(count)]


def raw_message(body: bytes, *, symbol: str = "AAPL", message_id: str = "raw") -> Message:
    """Return a message with any bytes under the routing key of a live price."""
    properties = {"message_id": message_id, "content_type": CONTENT_TYPE, "delivery_mode": 2}
    return Message(EXCHANGE, price_key(symbol), body, properties)


def delivery(
    body: bytes | None = None, *, tag: int = 1, dropped_body: DroppedBody | None = None, **properties: Any
) -> Delivery:
    """Return a message as a consumer gets it."""
    sent = message()
    return Delivery(
        tag=tag,
        exchange=sent.exchange,
        routing_key=sent.routing_key,
        body=sent.body if body is None else body,
        properties={**sent.properties, **properties},
        dropped_body=dropped_body,
    )


def _without_missing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not MISSING}
