"""Reading the fields of an event: each function takes one by name, or raises InvalidEvent with the reason."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.errors import InvalidEvent
from shared.prices import parse_price
from shared.times import parse_instant

_CURRENCY = re.compile(r"[A-Z]{3}")
_MAX_VOLUME = 2**63 - 1
_MAX_TEXT = 128


def read_text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise InvalidEvent(f"{name} is missing")
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise InvalidEvent(f"{name} is not a printable text of 1-{_MAX_TEXT} characters")
    return value


def read_optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else read_text(fields, name)


def read_price(fields: Mapping[str, Any], name: str) -> Decimal:
    value = fields.get(name)
    if value is None:
        raise InvalidEvent(f"{name} is missing")
    try:
        return parse_price(value)
    except ValueError as error:
        raise InvalidEvent(f"{name} {error}") from error


def read_optional_price(fields: Mapping[str, Any], name: str) -> Decimal | None:
    return None if fields.get(name) is None else read_price(fields, name)


def read_instant(fields: Mapping[str, Any], name: str) -> datetime:
    value = fields.get(name)
    if value is None:
        raise InvalidEvent(f"{name} is missing")
    if not isinstance(value, str):
        raise InvalidEvent(f"{name} is not text")
    try:
        return parse_instant(value)
    except ValueError as error:
        raise InvalidEvent(f"{name} {error}") from error


def is_currency(value: object) -> bool:
    """Whether it is written as ISO 4217 does: three capital letters."""
    return isinstance(value, str) and _CURRENCY.fullmatch(value) is not None


def read_currency(data: Mapping[str, Any]) -> str | None:
    value = data.get("currency")
    if value is not None and not is_currency(value):
        raise InvalidEvent(f"currency {str(value)[:40]!r} is not three capital letters (ISO 4217)")
    return value


def read_volume(data: Mapping[str, Any]) -> int | None:
    value = data.get("volume")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_VOLUME:
        raise InvalidEvent(f"volume {str(value)[:40]!r} is not a whole number of 0 or more")
    return value


def read_optional_flag(data: Mapping[str, Any], name: str) -> bool | None:
    value = data.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidEvent(f"{name} is neither true nor false")
    return value
