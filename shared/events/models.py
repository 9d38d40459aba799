"""The two events, STOCK_DATA and PRICE_ALERT, and the ids that they always have."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from shared.errors import InvalidEvent
from shared.events.envelope import decode_envelope, encode_envelope, load_envelope
from shared.events.fields import (
    read_currency,
    read_instant,
    read_optional_flag,
    read_optional_price,
    read_optional_text,
    read_price,
    read_text,
    read_volume,
)
from shared.prices import format_price
from shared.symbols import check_symbol
from shared.times import format_instant, format_sortable

CLOCK_TOLERANCE = timedelta(minutes=5)

_STOCK_DATA_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:STOCK_DATA")
_PRICE_ALERT_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:PRICE_ALERT")


@dataclass(frozen=True)
class StockData:
    """One price of one symbol.

    `as_of` is when the market made the price, `observed_at` (the envelope's `time`) when it was fetched, both in UTC.
    Prices are exact decimals in `currency` (ISO 4217, or None where the provider does not say); `volume` is in shares.
    """

    TYPE: ClassVar[str] = "STOCK_DATA"
    SOURCE: ClassVar[str] = "/stockwire/producer"

    id: str
    symbol: str
    price: Decimal
    currency: str | None
    as_of: datetime
    provider: str
    observed_at: datetime
    volume: int | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    previous_close: Decimal | None = None
    market_state: str | None = None
    delayed: bool | None = None

    def data(self) -> dict[str, Any]:
        """The fields of the event's `data`, as they stand in JSON."""
        prices = {name: getattr(self, name) for name in ("open", "high", "low", "previous_close")}
        optional = {
            "volume": self.volume,
            **{name: price and format_price(price) for name, price in prices.items()},
            "market_state": self.market_state,
            "delayed": self.delayed,
        }
        return {
            "symbol": self.symbol,
            "price": format_price(self.price),
            "currency": self.currency,
            "as_of": format_instant(self.as_of),
            "provider": self.provider,
            **{name: value for name, value in optional.items() if value is not None},
        }

    def encode(self) -> bytes:
        """The JSON body; raises InvalidEvent over 64 KiB."""
        return _encode(self)

    @classmethod
    def decode(cls, body: bytes, now: datetime) -> Self:
        """The event in `body`; raises InvalidEvent, with the reason, for all that the contract does not allow.

        `now` is the reader's clock: a price made more than 5 minutes ahead of it is invalid.
        """
        envelope, data = decode_envelope(body, cls.TYPE)
        symbol = check_symbol(data.get("symbol"))
        if envelope.get("subject", symbol) != symbol:
            raise InvalidEvent(f"subject {str(envelope['subject'])[:40]!r} is not the symbol {symbol!r} of the data")
        as_of = read_instant(data, "as_of")
        if as_of - now > CLOCK_TOLERANCE:
            raise InvalidEvent(f"as_of {format_instant(as_of)} is in the future (now is {format_instant(now)})")
        return cls(
            id=read_text(envelope, "id"),
            symbol=symbol,
            price=read_price(data, "price"),
            currency=read_currency(data),
            as_of=as_of,
            provider=read_text(data, "provider"),
            observed_at=read_instant(envelope, "time"),
            volume=read_volume(data),
            open=read_optional_price(data, "open"),
            high=read_optional_price(data, "high"),
            low=read_optional_price(data, "low"),
            previous_close=read_optional_price(data, "previous_close"),
            market_state=read_optional_text(data, "market_state"),
            delayed=read_optional_flag(data, "delayed"),
        )


@dataclass(frozen=True)
class PriceAlert:
    """A rule that came true: `event_id` is the STOCK_DATA event that fired it, `triggered_at` when we saw it do so."""

    TYPE: ClassVar[str] = "PRICE_ALERT"
    SOURCE: ClassVar[str] = "/stockwire/alerts"

    id: str
    rule_id: int
    rule_name: str
    condition: str
    symbol: str
    price: Decimal
    previous_price: Decimal | None
    threshold: Decimal
    as_of: datetime
    triggered_at: datetime
    event_id: str

    @property
    def observed_at(self) -> datetime:
        return self.triggered_at

    def data(self) -> dict[str, Any]:
        """The fields of the event's `data`, as they stand in JSON."""
        return {
            "rule_id": self.rule_id,
            "rule_name": self.rule_name,
            "condition": self.condition,
            "symbol": self.symbol,
            "price": format_price(self.price),
            "previous_price": None if self.previous_price is None else format_price(self.previous_price),
            "threshold": format_price(self.threshold),
            "as_of": format_instant(self.as_of),
            "triggered_at": format_sortable(self.triggered_at),
            "event_id": self.event_id,
        }

    def encode(self) -> bytes:
        """The JSON body; raises InvalidEvent over 64 KiB."""
        return _encode(self)

    @classmethod
    def decode(cls, body: bytes, now: datetime) -> Self:  # noqa: ARG003 - every event decodes with the same arguments
        """The event in `body`; raises InvalidEvent with the reason."""
        envelope, data = decode_envelope(body, cls.TYPE)
        rule_id = data.get("rule_id")
        if not isinstance(rule_id, int) or isinstance(rule_id, bool):
            raise InvalidEvent("rule_id is not a whole number")
        return cls(
            id=read_text(envelope, "id"),
            rule_id=rule_id,
            rule_name=read_text(data, "rule_name"),
            condition=read_text(data, "condition"),
            symbol=check_symbol(data.get("symbol")),
            price=read_price(data, "price"),
            previous_price=read_optional_price(data, "previous_price"),
            threshold=read_price(data, "threshold"),
            as_of=read_instant(data, "as_of"),
            triggered_at=read_instant(data, "triggered_at"),
            event_id=read_text(data, "event_id"),
        )


Event = StockData | PriceAlert

_TYPES: Mapping[str, type[StockData] | type[PriceAlert]] = {
    StockData.TYPE: StockData,
    PriceAlert.TYPE: PriceAlert,
}


def decode_event(body: bytes, now: datetime) -> Event:
    """An event of either type; raises InvalidEvent."""
    kind = load_envelope(body).get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidEvent(f"type {str(kind)[:40]!r} is none of {', '.join(_TYPES)}")
    return _TYPES[kind].decode(body, now)


def stock_data_id(provider: str, symbol: str, as_of: datetime) -> str:
    """The id of this price: the same provider, symbol and instant always give the same UUID (version 5)."""
    return str(uuid.uuid5(_STOCK_DATA_IDS, f"{provider}\n{symbol}\n{format_instant(as_of)}"))


def price_alert_id(rule_id: int, rule_name: str, event_id: str) -> str:
    """The id of the alert that this event raises under this rule."""
    return str(uuid.uuid5(_PRICE_ALERT_IDS, f"{rule_id}\n{rule_name}\n{event_id}"))


def _encode(event: Event) -> bytes:
    attributes = {
        "id": event.id,
        "source": event.SOURCE,
        "type": event.TYPE,
        "subject": event.symbol,
        "time": format_sortable(event.observed_at),
    }
    return encode_envelope(attributes, event.data())
