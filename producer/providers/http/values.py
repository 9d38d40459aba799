"""Strict readers of single values in providers' answers: prices, volumes, currencies and times. Nothing here does I/O.

A value may be a JSON number or text. The readers of what a quote needs raise InvalidResponse; the others return None.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple

from producer.providers.http.apis.base import Json
from producer.providers.http.parsing import describe, truncate
from shared.errors import InvalidResponse
from shared.events import currencies
from shared.float_noise import remove_float_noise
from shared.prices import parse_price
from shared.prices import read_price as read_decimal
from shared.time_parsing import localize, parse_outside_time
from shared.times import EPOCH, midnight_of

_NUMBER = re.compile(r"[+-]?\d{1,100}(?:\.\d{0,100})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
# Characters: more than the exact decimal of any 64-bit float in the range of prices has.
_MAX_LENGTH = 140
_MAX_EXPONENT = 30
_MAX_VOLUME = 2**63 - 1
_NINE_DIGITS = 10**8
_TOO_LATE = 10**19


class ReadCurrency(NamedTuple):
    """A currency in an answer: its code or None, and a remark for people if the provider's code is unknown."""

    code: str | None
    remarks: tuple[str, ...] = ()


def read_price(value: Json, field: str = "price") -> Decimal:
    """Return a price from a number or text. Raises InvalidResponse for null, zero, a negative number or NaN."""
    try:
        if isinstance(value, str):
            number = to_number(value)
            return read_decimal(value) if number is None else _read_number(number)
        if isinstance(value, Decimal):
            return _read_number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return parse_price(str(value)) if value else read_decimal("0")
    except ValueError as error:
        raise InvalidResponse(f"the {field} {error}") from None
    raise InvalidResponse(f"the {field} is {describe(value)}")


def read_optional_price(value: Json) -> Decimal | None:
    """Return the price, or None if it is missing or invalid."""
    try:
        return read_price(value)
    except InvalidResponse:
        return None


def read_first_price(values: Iterable[Json], field: str = "price") -> Decimal:
    """Return the first price that is neither missing nor zero. Raises InvalidResponse if it is invalid.

    Another price must not take the place of a negative one.
    """
    values = list(values)
    first = next((value for value in values if not is_missing(value)), values[0] if values else None)
    return read_price(first, field)


def is_missing(value: Json) -> bool:
    """Return True for null, zero and text without a digit such as `N/A`, which stand for an unknown number."""
    if isinstance(value, str) and not any(each.isdigit() for each in value):
        return True
    return value is None or to_number(value) == 0


def read_volume(value: Json) -> int | None:
    """Return the number of whole shares, with a fraction cut off, or None if it is missing or invalid."""
    number = to_number(value)
    if number is None or number.is_signed() or number.adjusted() > _MAX_EXPONENT:
        return None
    shares = int(number) if number.adjusted() >= 0 else 0
    return shares if shares <= _MAX_VOLUME else None


def read_currency(value: Json) -> ReadCurrency:
    """Return the ISO 4217 code, or none if it is missing, unknown, or of hundredths such as GBp for pence."""
    if not isinstance(value, str):
        return ReadCurrency(None)
    code, is_unknown = currencies.read_currency(value)
    if not is_unknown:
        return ReadCurrency(code)
    remark = f"the currency {truncate(value, 20)!r} is not an active one of ISO 4217: published without a currency"
    return ReadCurrency(None, (remark,))


def read_unix_time(value: Json, field: str = "time", *, since_1970: bool = False) -> datetime:
    """Return the UTC instant of a Unix time in s, ms, us or ns, told by the number of its digits: 1973 to 2286.

    With `since_1970`, a number of fewer digits is an earlier time in seconds. Raises InvalidResponse.
    """
    number = to_number(value)
    try:
        if number is None or not 1 <= number < _TOO_LATE:
            raise ValueError
        if since_1970 and number < _NINE_DIGITS:
            return EPOCH + timedelta(seconds=int(number))
        moment = parse_outside_time(str(value) if isinstance(value, int) else format(number.normalize(), "f"))
    except ValueError:
        raise InvalidResponse(f"the {field} is {describe(value)}") from None
    # Other digits are a date, which has no time zone.
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidResponse(f"the {field} is {describe(value)}")
    return moment


def read_local_time(text: Json, zone: tzinfo, field: str = "time") -> datetime:
    """Return the UTC instant of `2026-11-20 15:59:58.641` in the time zone. Raises InvalidResponse."""
    try:
        moment = parse_outside_time(text if isinstance(text, str) else "")
        if not isinstance(moment, datetime):
            raise ValueError
        moment = localize(moment, zone) if moment.tzinfo is None else moment
    except ValueError:
        raise InvalidResponse(f"the {field} is {describe(text)}") from None
    return _require_since_1970(moment, text, field)


def read_date(text: Json, field: str = "date") -> datetime:
    """Return midnight UTC of a date written YYYY-MM-DD. Raises InvalidResponse."""
    try:
        day: date | None = parse_outside_time(text if isinstance(text, str) else "")
    except ValueError:
        day = None
    if day is None or isinstance(day, datetime):
        raise InvalidResponse(f"the {field} is {describe(text)}")
    return _require_since_1970(midnight_of(day), text, field)


def _require_since_1970(moment: datetime, text: Json, field: str) -> datetime:
    if moment < EPOCH:
        raise InvalidResponse(f"the {field} is {describe(text)}")
    return moment.astimezone(UTC)


def to_number(value: Json) -> Decimal | None:
    """Return the exact number of a JSON number or of text, or None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _read_number(value: Decimal) -> Decimal:
    # Formatting a huge exponent could use up all memory.
    text = format(value, "f") if value.is_finite() and abs(value.adjusted()) <= _MAX_EXPONENT else ""
    if not 0 < len(text) <= _MAX_LENGTH:
        raise ValueError(f"{truncate(value, 40)!r} is not a decimal number such as 412.35")
    return read_decimal(text if text.startswith("-") else remove_float_noise(text))
