"""STOCK_DATA: one price of one symbol.

The structs are the message as it travels, with prices and times as text. msgspec validates, decodes and encodes them,
and writes their JSON Schema. The properties return the same values as Python uses them: decimals, and datetimes in UTC.
"""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from shared.events.currencies import Currency
from shared.events.envelope import (
    Message,
    check_not_in_future,
    check_subject,
    create,
    decode,
    impossible_time,
    to_decimal,
    unprintable,
)
from shared.events.fields import IntervalText, PriceText, SpecVersion, Symbol, Text, TimeText, Volume, null
from shared.prices import format_price
from shared.times import canonical_interval, format_instant, format_sortable, to_utc

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:STOCK_DATA")


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


class StockData(Message, frozen=True, kw_only=True, gc=False):
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
        return create(StockData, event_id, format_sortable(observed_at), data, observed_at)

    @staticmethod
    def decode(body: bytes, now: datetime) -> "StockData":
        """Return the event in `body`. Raises InvalidEvent, with the reason, if the contract does not allow it.

        `now` is the reader's clock: a price made or observed more than 5 minutes ahead of it is invalid.
        """
        return decode(_DECODER, StockData, body, now)

    def fields(self) -> dict[str, Any]:
        """Return the fields of `data` as they travel in JSON."""
        fields: dict[str, Any] = msgspec.to_builtins(self.data)
        return fields

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
        return to_decimal(self.data.open)

    @property
    def high(self) -> Decimal | None:
        return to_decimal(self.data.high)

    @property
    def low(self) -> Decimal | None:
        return to_decimal(self.data.low)

    @property
    def previous_close(self) -> Decimal | None:
        return to_decimal(self.data.previous_close)

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
            raise unprintable(id=self.id, provider=data.provider, market_state=data.market_state or "")
        check_subject(self.subject, data.symbol)
        try:
            as_of = to_utc(data.as_of)
            time = to_utc(self.time)
        except ValueError as error:
            raise impossible_time(as_of=data.as_of, time=self.time) from error
        if as_of > now or time > now:
            check_not_in_future(now, as_of=as_of, time=time)


def stock_data_id(provider: str, symbol: str, as_of: datetime, interval: str | None = None) -> str:
    """Return the id of a price: a UUID (version 5) that depends on nothing but these arguments.

    `interval` is the length of a bar in canonical spelling, so that a bar and a quote of one instant are two events.
    """
    key = [provider, symbol, format_instant(as_of), *filter(None, [interval])]
    return str(uuid.uuid5(_IDS, "\n".join(key)))


_DECODER = msgspec.json.Decoder(StockData)
