"""PRICE_ALERT: a rule that fired or was resolved. The structs are the message as it travels, as in `stock_data`."""

import uuid
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
    to_decimal,
    unprintable,
)
from shared.events.fields import LongText, PriceText, RuleId, SpecVersion, Symbol, Text, TimeText
from shared.prices import format_price
from shared.times import format_instant, format_sortable, to_utc

State = Literal["firing", "resolved"]

_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "stockwire:PRICE_ALERT")


class PriceAlertFields(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The `data` of a PRICE_ALERT event: a rule that fired, or was resolved.

    `event_id` is the id of the STOCK_DATA event that did it, and `triggered_at` the instant at which we saw it. Both
    `event_id` and `price` are null if a symbol has no data; `as_of` is then the instant at which the silence began.
    `threshold` is null for a condition without exactly one. `terms` is the rule as a line of text. A `silenced` alert
    was sent to nobody.
    """

    rule_id: RuleId
    rule_name: Text
    condition: Text
    symbol: Symbol
    price: PriceText | None
    previous_price: PriceText | None = None
    threshold: PriceText | None
    as_of: TimeText
    triggered_at: TimeText
    event_id: Text | None
    state: State = "firing"
    terms: LongText = ""
    message: LongText = ""
    silenced: bool = False


class PriceAlert(Message, frozen=True, kw_only=True, gc=False):
    """A PRICE_ALERT event: a rule that fired or was resolved. `time` is the instant at which we saw it."""

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
        alert_id: str,
        rule_id: int,
        rule_name: str,
        condition: str,
        symbol: str,
        price: Decimal | None,
        previous_price: Decimal | None,
        threshold: Decimal | None,
        as_of: datetime,
        triggered_at: datetime,
        event_id: str | None,
        state: str = "firing",
        terms: str = "",
        message: str = "",
        silenced: bool = False,
    ) -> "PriceAlert":
        """Return the alert of a rule, under an id from `price_alert_id`. Raises InvalidEvent."""
        data = {
            "rule_id": rule_id,
            "rule_name": rule_name,
            "condition": condition,
            "symbol": symbol,
            "price": price and format_price(price),
            "previous_price": previous_price and format_price(previous_price),
            "threshold": threshold and format_price(threshold),
            "as_of": format_instant(as_of),
            "triggered_at": format_sortable(triggered_at),
            "event_id": event_id,
            "state": state,
            "terms": terms,
            "message": message,
            "silenced": silenced,
        }
        return create(PriceAlert, alert_id, format_sortable(triggered_at), data, triggered_at)

    @staticmethod
    def decode(body: bytes, now: datetime) -> "PriceAlert":
        """Return the event in `body`. Raises InvalidEvent with the reason."""
        return decode(_DECODER, PriceAlert, body, now)

    def fields(self) -> dict[str, Any]:
        """Return the fields of `data` as they travel in JSON."""
        fields: dict[str, Any] = msgspec.to_builtins(self.data)
        return fields

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
    def price(self) -> Decimal | None:
        return to_decimal(self.data.price)

    @property
    def previous_price(self) -> Decimal | None:
        return to_decimal(self.data.previous_price)

    @property
    def threshold(self) -> Decimal | None:
        return to_decimal(self.data.threshold)

    @property
    def as_of(self) -> datetime:
        return to_utc(self.data.as_of)

    @property
    def triggered_at(self) -> datetime:
        return to_utc(self.data.triggered_at)

    @property
    def event_id(self) -> str | None:
        return self.data.event_id

    @property
    def state(self) -> str:
        return self.data.state

    @property
    def terms(self) -> str:
        return self.data.terms

    @property
    def message(self) -> str:
        return self.data.message

    @property
    def silenced(self) -> bool:
        return self.data.silenced

    def check(self, now: datetime) -> None:
        """Raise InvalidEvent for what the types of the fields cannot express."""
        data = self.data
        texts = {"id": self.id, "rule_name": data.rule_name, "condition": data.condition, "terms": data.terms}
        texts |= {"event_id": data.event_id or "", "message": data.message}
        times = {"time": self.time, "as_of": data.as_of, "triggered_at": data.triggered_at}
        if not all(map(str.isprintable, texts.values())):
            raise unprintable(**texts)
        check_subject(self.subject, data.symbol)
        try:
            for time in times.values():
                to_utc(time)
        except ValueError as error:
            raise impossible_time(**times) from error
        check_not_in_future(now, time=to_utc(self.time))


def price_alert_id(rule_id: int, revision: int, state: str, event_key: str) -> str:
    """Return the id of an alert: a UUID (version 5) that depends on nothing but these arguments.

    `event_key` is the id that the event should have (`stock_data_id`), because several events may have one id. For a
    symbol without data it is the time at which the silence began.
    """
    return str(uuid.uuid5(_IDS, f"{rule_id}\n{revision}\n{state}\n{event_key}"))


def first_price_alert_id(rule_id: int, rule_name: str, event_key: str) -> str:
    """Return the id of an alert that was raised before rules had revisions that count."""
    return str(uuid.uuid5(_IDS, f"{rule_id}\n{rule_name}\n{event_key}"))


# The names of the fields of an alert's `data`, in order.
ALERT_FIELDS = PriceAlertFields.__struct_fields__

_DECODER = msgspec.json.Decoder(PriceAlert)
