"""The two events, STOCK_DATA and PRICE_ALERT, as CloudEvents 1.0 in structured JSON.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NoReturn, Self

from shared.errors import InvalidEvent
from shared.prices import format_price, parse_price
from shared.symbols import check_symbol
from shared.times import format_instant, format_sortable, parse_instant

CONTENT_TYPE = "application/cloudevents+json"
MAX_BODY = 64 * 1024
CLOCK_TOLERANCE = timedelta(minutes=5)

_STOCK_DATA_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:STOCK_DATA")
_PRICE_ALERT_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:PRICE_ALERT")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MAX_VOLUME = 2**63 - 1
_MAX_TEXT = 128


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
        envelope, data = _decode(body, cls.TYPE)
        symbol = check_symbol(data.get("symbol"))
        if envelope.get("subject", symbol) != symbol:
            raise InvalidEvent(f"subject {str(envelope['subject'])[:40]!r} is not the symbol {symbol!r} of the data")
        as_of = _instant(data, "as_of")
        if as_of - now > CLOCK_TOLERANCE:
            raise InvalidEvent(f"as_of {format_instant(as_of)} is in the future (now is {format_instant(now)})")
        return cls(
            id=_text(envelope, "id"),
            symbol=symbol,
            price=_price(data, "price"),
            currency=_currency(data),
            as_of=as_of,
            provider=_text(data, "provider"),
            observed_at=_instant(envelope, "time"),
            volume=_volume(data),
            open=_optional_price(data, "open"),
            high=_optional_price(data, "high"),
            low=_optional_price(data, "low"),
            previous_close=_optional_price(data, "previous_close"),
            market_state=_optional_text(data, "market_state"),
            delayed=_optional_flag(data, "delayed"),
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
        envelope, data = _decode(body, cls.TYPE)
        rule_id = data.get("rule_id")
        if not isinstance(rule_id, int) or isinstance(rule_id, bool):
            raise InvalidEvent("rule_id is not a whole number")
        return cls(
            id=_text(envelope, "id"),
            rule_id=rule_id,
            rule_name=_text(data, "rule_name"),
            condition=_text(data, "condition"),
            symbol=check_symbol(data.get("symbol")),
            price=_price(data, "price"),
            previous_price=_optional_price(data, "previous_price"),
            threshold=_price(data, "threshold"),
            as_of=_instant(data, "as_of"),
            triggered_at=_instant(data, "triggered_at"),
            event_id=_text(data, "event_id"),
        )


Event = StockData | PriceAlert

_TYPES: Mapping[str, type[StockData] | type[PriceAlert]] = {
    StockData.TYPE: StockData,
    PriceAlert.TYPE: PriceAlert,
}


def decode_event(body: bytes, now: datetime) -> Event:
    """An event of either type; raises InvalidEvent."""
    kind = _load(body).get("type")
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
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.SOURCE,
        "type": event.TYPE,
        "subject": event.symbol,
        "time": format_sortable(event.observed_at),
        "datacontenttype": "application/json",
        "data": event.data(),
    }
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    _check_size(body)
    return body


def _decode(body: bytes, expected: str) -> tuple[dict[str, Any], dict[str, Any]]:
    envelope = _load(body)
    if envelope.get("specversion") != "1.0":
        raise InvalidEvent("specversion is not '1.0': no CloudEvents 1.0 message")
    if envelope.get("type") != expected:
        raise InvalidEvent(f"type {str(envelope.get('type'))[:40]!r} is not {expected}")
    data = envelope.get("data")
    if not isinstance(data, dict):
        raise InvalidEvent("data is not an object")
    return envelope, data


def _load(body: bytes) -> dict[str, Any]:
    if not body:
        raise InvalidEvent("empty body")
    _check_size(body)
    try:
        envelope = _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"not UTF-8: byte {error.start} cannot be decoded") from error
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise InvalidEvent("not a JSON object")
    return envelope


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


# Made once: json.loads would make one for every body.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _check_size(body: bytes) -> None:
    if len(body) > MAX_BODY:
        raise InvalidEvent(f"body of {len(body)} bytes is over 64 KiB")


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise InvalidEvent(f"{name} is missing")
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise InvalidEvent(f"{name} is not a printable text of 1-{_MAX_TEXT} characters")
    return value


def _optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _price(fields: Mapping[str, Any], name: str) -> Decimal:
    value = fields.get(name)
    if value is None:
        raise InvalidEvent(f"{name} is missing")
    try:
        return parse_price(value)
    except ValueError as error:
        raise InvalidEvent(f"{name} {error}") from error


def _optional_price(fields: Mapping[str, Any], name: str) -> Decimal | None:
    return None if fields.get(name) is None else _price(fields, name)


def _instant(fields: Mapping[str, Any], name: str) -> datetime:
    value = fields.get(name)
    if value is None:
        raise InvalidEvent(f"{name} is missing")
    if not isinstance(value, str):
        raise InvalidEvent(f"{name} is not text")
    try:
        return parse_instant(value)
    except ValueError as error:
        raise InvalidEvent(f"{name} {error}") from error


def _currency(data: Mapping[str, Any]) -> str | None:
    value = data.get("currency")
    if value is not None and not (isinstance(value, str) and _CURRENCY.fullmatch(value)):
        raise InvalidEvent(f"currency {str(value)[:40]!r} is not three capital letters (ISO 4217)")
    return value


def _volume(data: Mapping[str, Any]) -> int | None:
    value = data.get("volume")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_VOLUME:
        raise InvalidEvent(f"volume {str(value)[:40]!r} is not a whole number of 0 or more")
    return value


def _optional_flag(data: Mapping[str, Any], name: str) -> bool | None:
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidEvent(f"{name} is neither true nor false")
    return value
