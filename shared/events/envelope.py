"""The envelope of every event: CloudEvents 1.0 in structured JSON, at most 64 KiB.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import msgspec

from shared.errors import InvalidEvent
from shared.events.fields import MAX_TEXT
from shared.events.invalid_events import decode_slowly, explain
from shared.times import format_instant, to_utc

CONTENT_TYPE = "application/cloudevents+json"
MAX_BODY = 64 * 1024
# A publisher's clock may be ahead of the reader's clock by this much.
CLOCK_TOLERANCE = timedelta(minutes=5)

_Event = TypeVar("_Event", bound="Message")

_ENCODER = msgspec.json.Encoder()


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message that a subclass declares field by field."""

    TYPE: ClassVar[str]

    def encode(self) -> bytes:
        """Return the JSON body."""
        return _ENCODER.encode(self)

    def check(self, now: datetime) -> None:
        """Raise InvalidEvent for what the types of the fields cannot express."""
        raise NotImplementedError


def create(cls: type[_Event], event_id: str, time: str, data: Mapping[str, Any], now: datetime) -> _Event:
    """Return the event with this `data`, checked like an event that arrives at the instant `now`.

    Raises InvalidEvent with the reason.
    """
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


def decode(decoder: "msgspec.json.Decoder[_Event]", cls: type[_Event], body: bytes, now: datetime) -> _Event:
    """Return the event in a body that arrives at the instant `now`. Raises InvalidEvent with the reason."""
    if len(body) > MAX_BODY:
        raise InvalidEvent(f"body of {len(body)} bytes is over 64 KiB")
    try:
        if not body.isascii():
            # msgspec skips fields that it does not know without looking at their bytes.
            body.decode()
        event = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        event = decode_slowly(body, cls, MAX_BODY)
    event.check(now)
    return event


def check_subject(subject: object, symbol: str) -> None:
    """Raise InvalidEvent unless the subject is the symbol of the data, or is left out."""
    if subject != symbol and subject is not msgspec.UNSET:
        raise InvalidEvent(f"subject {str(subject)[:40]!r} is not the symbol {symbol!r} of the data")


def check_not_in_future(now: datetime, **instants: datetime) -> None:
    """Raise InvalidEvent if one of the instants is more than CLOCK_TOLERANCE after `now`."""
    for name, instant in instants.items():
        # In this order, because `now + CLOCK_TOLERANCE` costs more and could pass the year 9999.
        if instant > now and instant - now > CLOCK_TOLERANCE:
            raise InvalidEvent(f"{name} {format_instant(instant)} is in the future (now is {format_instant(now)})")


def unprintable(**texts: str) -> InvalidEvent:
    """Return the error of the first text with a character that cannot be printed."""
    name = next(name for name, text in texts.items() if not text.isprintable())
    return InvalidEvent(f"{name} is not a printable text of 1-{MAX_TEXT} characters")


def impossible_time(**times: str) -> InvalidEvent:
    """Return the error of the first text that has the form of a time, but names no instant, such as 30 February."""
    for name, text in times.items():
        try:
            to_utc(text)
        except ValueError as error:
            return InvalidEvent(f"{name} {error}")
    raise AssertionError("each of these is a time")


def to_decimal(text: str | None) -> Decimal | None:
    """Return the price in canonical text as a decimal."""
    return None if text is None else Decimal(text)
