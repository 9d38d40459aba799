"""The two events, STOCK_DATA and PRICE_ALERT, each declared once.

Each event is a CloudEvents 1.0 message in structured JSON of at most 64 KiB. The structs below are the message as it
travels, with prices and times as text; msgspec validates, decodes and encodes them, and writes their JSON Schema. The
properties return the same values as Python uses them: decimals, and datetimes in UTC.
Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from shared.errors import InvalidEvent
from shared.events.currencies import Currency
from shared.events.fields import (
    MAX_TEXT,
    IntervalText,
    PriceText,
    RuleId,
    SpecVersion,
    Symbol,
    Text,
    TimeText,
    Volume,
    null,
)
from shared.events.invalid import decode_slowly, explain, load_json
from shared.prices import format_price
from shared.times import canonical_interval, format_instant, format_sortable, to_utc

CONTENT_TYPE = "application/cloudevents+json"
MAX_BODY = 64 * 1024
CLOCK_TOLERANCE = timedelta(minutes=5)

_STOCK_DATA_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:STOCK_DATA")
_PRICE_ALERT_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:PRICE_ALERT")

_Event = TypeVar("_Event", "StockData", "PriceAlert")


class StockDataFields(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The `data` of a STOCK_DATA event: one price of one symbol.

    `as_of` is the instant at which the market made the price. `currency` is null if the provider does not say. Without
    `interval` the price is a quote, and open, high, low and volume are those of the day so far. With `interval` the
    price is the close of a bar of that length.
    """

    symbol: Symbol
    price: PriceText
    currency: Currency | None = null()
    as_of: TimeText
    provider: Text
    volume: Volume | None = None
    open: PriceText | None = None
    high: PriceText | None = None
    low: PriceText | None = None
    previous_close: PriceText | None = None
    market_state: Text | None = None
    delayed: bool | None = None
    interval: IntervalText | None = None


class PriceAlertFields(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The `data` of a PRICE_ALERT event: a rule that came true.

    `event_id` is the id of the STOCK_DATA event that made the rule true, `triggered_at` the instant at which we saw it.
    """

    rule_id: RuleId
    rule_name: Text
    condition: Text
    symbol: Symbol
    price: PriceText
    previous_price: PriceText | None = None
    threshold: PriceText
    as_of: TimeText
    triggered_at: TimeText
    event_id: Text


class _Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message that can be encoded."""

    def encode(self) -> bytes:
        """Return the JSON body."""
        return _ENCODER.encode(self)


class StockData(_Message, frozen=True, kw_only=True, gc=False):
    """A STOCK_DATA event: one price of one symbol. `time` is the instant at which we observed the price."""

    TYPE: ClassVar[str] = "STOCK_DATA"

    specversion: SpecVersion
    id: Text
    source: str = "/stockwire/producer"
    type: Literal["STOCK_DATA"]
    subject: str | msgspec.UnsetType = msgspec.UNSET
    time: TimeText
    datacontenttype: str = "application/json"
    data: StockDataFields

    @staticmethod
    def create(
        *,
        symbol: str,
        price: Decimal,
        currency: str | None,
        as_of: datetime,
        provider: str,
        observed_at: datetime,
        volume: int | None = None,
        open: Decimal | None = None,  # noqa: A002 - the field's name
        high: Decimal | None = None,
        low: Decimal | None = None,
        previous_close: Decimal | None = None,
        market_state: str | None = None,
        delayed: bool | None = None,
        interval: str | None = None,
    ) -> "StockData":
        """Return the event of this price, under the id that the price always has.

        Raises InvalidEvent for a price that readers would refuse at the instant `observed_at`.
        """
        interval = interval and canonical_interval(interval)
        data = {
            "symbol": symbol,
            "price": format_price(price),
            "currency": currency,
            "as_of": format_instant(as_of),
            "provider": provider,
            "volume": volume,
            "open": open and format_price(open),
            "high": high and format_price(high),
            "low": low and format_price(low),
            "previous_close": previous_close and format_price(previous_close),
            "market_state": market_state,
            "delayed": delayed,
            "interval": interval,
        }
        event_id = stock_data_id(provider, symbol, as_of, interval)
        return _create(StockData, event_id, format_sortable(observed_at), data, observed_at)

    @staticmethod
    def decode(body: bytes, now: datetime) -> "StockData":
        """Return the event in `body`. Raises InvalidEvent, with the reason, for whatever the contract does not allow.

        `now` is the reader's clock: a price made more than 5 minutes ahead of it is invalid.
        """
        return _decode(_STOCK_DATA, StockData, body, now)

    def fields(self) -> dict[str, Any]:
        """Return the fields of `data` as they travel in JSON."""
        return _plain(self.data)

    @property
    def symbol(self) -> str:
        return self.data.symbol

    @property
    def price(self) -> Decimal:
        return Decimal(self.data.price)

    @property
    def currency(self) -> str | None:
        return self.data.currency

    @property
    def as_of(self) -> datetime:
        return to_utc(self.data.as_of)

    @property
    def provider(self) -> str:
        return self.data.provider

    @property
    def observed_at(self) -> datetime:
        return to_utc(self.time)

    @property
    def volume(self) -> int | None:
        return self.data.volume

    @property
    def open(self) -> Decimal | None:
        return _decimal(self.data.open)

    @property
    def high(self) -> Decimal | None:
        return _decimal(self.data.high)

    @property
    def low(self) -> Decimal | None:
        return _decimal(self.data.low)

    @property
    def previous_close(self) -> Decimal | None:
        return _decimal(self.data.previous_close)

    @property
    def market_state(self) -> str | None:
        return self.data.market_state

    @property
    def delayed(self) -> bool | None:
        return self.data.delayed

    @property
    def interval(self) -> str | None:
        return self.data.interval and canonical_interval(self.data.interval)

    def check(self, now: datetime) -> None:
        """Raise InvalidEvent for what the types of the fields cannot express."""
        data = self.data
        if not (self.id.isprintable() and data.provider.isprintable() and (data.market_state or "").isprintable()):
            raise _unprintable(id=self.id, provider=data.provider, market_state=data.market_state or "")
        if self.subject != data.symbol and self.subject is not msgspec.UNSET:
            raise _wrong_subject(self.subject, data.symbol)
        try:
            as_of = to_utc(data.as_of)
            to_utc(self.time)
        except ValueError as error:
            raise _impossible_time(as_of=data.as_of, time=self.time) from error
        if as_of > now and as_of - now > CLOCK_TOLERANCE:
            raise InvalidEvent(f"as_of {format_instant(as_of)} is in the future (now is {format_instant(now)})")


class PriceAlert(_Message, frozen=True, kw_only=True, gc=False):
    """A PRICE_ALERT event: a rule that came true. `time` is the instant at which we saw it."""

    TYPE: ClassVar[str] = "PRICE_ALERT"

    specversion: SpecVersion
    id: Text
    source: str = "/stockwire/alerts"
    type: Literal["PRICE_ALERT"]
    subject: str | msgspec.UnsetType = msgspec.UNSET
    time: TimeText
    datacontenttype: str = "application/json"
    data: PriceAlertFields

    @staticmethod
    def create(
        *,
        rule_id: int,
        rule_name: str,
        condition: str,
        symbol: str,
        price: Decimal,
        previous_price: Decimal | None,
        threshold: Decimal,
        as_of: datetime,
        triggered_at: datetime,
        event_id: str,
    ) -> "PriceAlert":
        """Return the alert of a rule on an event, under the id that the two always give. Raises InvalidEvent."""
        data = {
            "rule_id": rule_id,
            "rule_name": rule_name,
            "condition": condition,
            "symbol": symbol,
            "price": format_price(price),
            "previous_price": previous_price and format_price(previous_price),
            "threshold": format_price(threshold),
            "as_of": format_instant(as_of),
            "triggered_at": format_sortable(triggered_at),
            "event_id": event_id,
        }
        alert_id = price_alert_id(rule_id, rule_name, event_id)
        return _create(PriceAlert, alert_id, format_sortable(triggered_at), data, triggered_at)

    @staticmethod
    def decode(body: bytes, now: datetime) -> "PriceAlert":
        """Return the event in `body`. Raises InvalidEvent with the reason."""
        return _decode(_PRICE_ALERT, PriceAlert, body, now)

    def fields(self) -> dict[str, Any]:
        """Return the fields of `data` as they travel in JSON."""
        return _plain(self.data)

    @property
    def rule_id(self) -> int:
        return self.data.rule_id

    @property
    def rule_name(self) -> str:
        return self.data.rule_name

    @property
    def condition(self) -> str:
        return self.data.condition

    @property
    def symbol(self) -> str:
        return self.data.symbol

    @property
    def price(self) -> Decimal:
        return Decimal(self.data.price)

    @property
    def previous_price(self) -> Decimal | None:
        return _decimal(self.data.previous_price)

    @property
    def threshold(self) -> Decimal:
        return Decimal(self.data.threshold)

    @property
    def as_of(self) -> datetime:
        return to_utc(self.data.as_of)

    @property
    def triggered_at(self) -> datetime:
        return to_utc(self.data.triggered_at)

    @property
    def observed_at(self) -> datetime:
        return self.triggered_at

    @property
    def event_id(self) -> str:
        return self.data.event_id

    def check(self, now: datetime) -> None:  # noqa: ARG002 - every event is checked with the same arguments
        """Raise InvalidEvent for what the types of the fields cannot express."""
        data = self.data
        texts = {"id": self.id, "rule_name": data.rule_name, "condition": data.condition, "event_id": data.event_id}
        times = {"time": self.time, "as_of": data.as_of, "triggered_at": data.triggered_at}
        if not all(map(str.isprintable, texts.values())):
            raise _unprintable(**texts)
        if self.subject != data.symbol and self.subject is not msgspec.UNSET:
            raise _wrong_subject(self.subject, data.symbol)
        try:
            for time in times.values():
                to_utc(time)
        except ValueError as error:
            raise _impossible_time(**times) from error


Event = StockData | PriceAlert

# The names of the fields of an alert's `data`, in their order.
ALERT_FIELDS = PriceAlertFields.__struct_fields__

EVENT_TYPES: Mapping[str, type[StockData] | type[PriceAlert]] = {each.TYPE: each for each in (StockData, PriceAlert)}

_ENCODER = msgspec.json.Encoder()
_STOCK_DATA = msgspec.json.Decoder(StockData)
_PRICE_ALERT = msgspec.json.Decoder(PriceAlert)


def decode_event(body: bytes, now: datetime) -> Event:
    """Return the event in `body`, of either type. Raises InvalidEvent with the reason."""
    kind = load_json(body, MAX_BODY).get("type")
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        raise InvalidEvent(f"type {str(kind)[:40]!r} is not one of {', '.join(EVENT_TYPES)}")
    return EVENT_TYPES[kind].decode(body, now)


def stock_data_id(provider: str, symbol: str, as_of: datetime, interval: str | None = None) -> str:
    """Return the id of a price: a UUID (version 5) that depends on nothing but these arguments.

    `interval` is the length of a bar in canonical spelling, so that a bar and a quote of one instant are two events.
    """
    key = [provider, symbol, format_instant(as_of), *filter(None, [interval])]
    return str(uuid.uuid5(_STOCK_DATA_IDS, "\n".join(key)))


def price_alert_id(rule_id: int, rule_name: str, event_id: str) -> str:
    """Return the id of the alert that this event raises under this rule."""
    return str(uuid.uuid5(_PRICE_ALERT_IDS, f"{rule_id}\n{rule_name}\n{event_id}"))


def _create(cls: type[_Event], event_id: str, time: str, data: Mapping[str, Any], now: datetime) -> _Event:
    message = {
        "specversion": "1.0",
        "id": event_id,
        "type": cls.TYPE,
        "subject": data["symbol"],
        "time": time,
        "data": data,
    }
    try:
        event = msgspec.convert(message, cls)
    except msgspec.ValidationError as error:
        raise InvalidEvent(explain(message, cls, str(error))) from error
    event.check(now)
    return event


def _decode(decoder: "msgspec.json.Decoder[_Event]", cls: type[_Event], body: bytes, now: datetime) -> _Event:
    if len(body) > MAX_BODY:
        raise InvalidEvent(f"body of {len(body)} bytes is over 64 KiB")
    try:
        if not body.isascii():
            # msgspec skips the fields that it does not know, whatever their bytes.
            body.decode()
        event = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        event = decode_slowly(body, cls, MAX_BODY)
    event.check(now)
    return event


def _unprintable(**texts: str) -> InvalidEvent:
    name = next(name for name, text in texts.items() if not text.isprintable())
    return InvalidEvent(f"{name} is not a printable text of 1-{MAX_TEXT} characters")


def _wrong_subject(subject: object, symbol: str) -> InvalidEvent:
    return InvalidEvent(f"subject {str(subject)[:40]!r} is not the symbol {symbol!r} of the data")


def _impossible_time(**times: str) -> InvalidEvent:
    """Return the reason why one of these texts, which have the form of a time, is not a time."""
    for name, text in times.items():
        try:
            to_utc(text)
        except ValueError as error:
            return InvalidEvent(f"{name} {error}")
    raise AssertionError("each of these is a time")


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _plain(data: msgspec.Struct) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(data)
    return fields
