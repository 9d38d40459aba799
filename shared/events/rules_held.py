"""RULES_HELD: the rules of a symbol wait, because its price may have been split. As it travels, as in `stock_data`."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from shared.events.envelope import (
    Message,
    check_not_in_future,
    check_subject,
    create,
    decode,
    impossible_time,
    unprintable,
)
from shared.events.fields import PriceText, RuleId, SpecVersion, Symbol, Text, TimeText
from shared.prices import format_price
from shared.times import format_instant, format_sortable, to_utc

# A body has at most 64 KiB.
MAX_RULE_IDS = 1000

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:RULES_HELD")


class RulesHeldFields(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The `data` of a RULES_HELD event: a jump of a price that may be a split.

    `ratio` is the ratio of the split that it may be: 4 if one share became four, 0.1 if ten became one. `rule_ids` are
    the rules that wait, at most 1,000 of them.
    """

    symbol: Symbol
    price: PriceText
    previous_price: PriceText
    ratio: PriceText
    rule_ids: list[RuleId]
    as_of: TimeText
    triggered_at: TimeText


class RulesHeld(Message, frozen=True, kw_only=True, gc=False):
    """A RULES_HELD event: rules that wait for a person. `time` is the instant at which we saw the price."""

    TYPE: ClassVar[str] = "RULES_HELD"

    specversion: SpecVersion
    id: Text
    source: str = "/stockwire/alerts"
    type: Literal["RULES_HELD"]
    subject: str | msgspec.UnsetType = msgspec.UNSET
    time: TimeText
    datacontenttype: str = "application/json"
    data: RulesHeldFields

    @staticmethod
    def create(
        *,
        symbol: str,
        price: Decimal,
        previous_price: Decimal,
        ratio: Decimal,
        rule_ids: Sequence[int],
        as_of: datetime,
        triggered_at: datetime,
        event_key: str,
    ) -> "RulesHeld":
        """Return the event. The `stock_data_id` of the price, `event_key`, gives its id. Raises InvalidEvent."""
        data = {
            "symbol": symbol,
            "price": format_price(price),
            "previous_price": format_price(previous_price),
            "ratio": format_price(ratio),
            "rule_ids": list(rule_ids[:MAX_RULE_IDS]),
            "as_of": format_instant(as_of),
            "triggered_at": format_sortable(triggered_at),
        }
        return create(RulesHeld, str(uuid.uuid5(_IDS, event_key)), format_sortable(triggered_at), data, triggered_at)

    @staticmethod
    def decode(body: bytes, now: datetime) -> "RulesHeld":
        """Return the event in `body`. Raises InvalidEvent with the reason."""
        return decode(_DECODER, RulesHeld, body, now)

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
    def previous_price(self) -> Decimal:
        return Decimal(self.data.previous_price)

    @property
    def ratio(self) -> Decimal:
        return Decimal(self.data.ratio)

    @property
    def rule_ids(self) -> Sequence[int]:
        return self.data.rule_ids

    @property
    def as_of(self) -> datetime:
        return to_utc(self.data.as_of)

    @property
    def triggered_at(self) -> datetime:
        return to_utc(self.data.triggered_at)

    def check(self, now: datetime) -> None:
        """Raise InvalidEvent for what the types of the fields cannot express."""
        times = {"time": self.time, "as_of": self.data.as_of, "triggered_at": self.data.triggered_at}
        if not self.id.isprintable():
            raise unprintable(id=self.id)
        check_subject(self.subject, self.data.symbol)
        try:
            for time in times.values():
                to_utc(time)
        except ValueError as error:
            raise impossible_time(**times) from error
        check_not_in_future(now, time=to_utc(self.time))


_DECODER = msgspec.json.Decoder(RulesHeld)
