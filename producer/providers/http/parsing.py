"""Strict readers for the values in providers' answers; they raise InvalidResponse. Nothing here does I/O."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from producer.providers.base import Quote
from producer.providers.http.apis.base import Json
from shared.errors import InvalidResponse, ProviderError, UnreadableResponse
from shared.events.currencies import is_currency
from shared.prices import parse_price
from shared.prices import read_price as read_decimal
from shared.times import EPOCH, from_micros, to_micros

_WHOLE = re.compile(r"[0-9]{1,18}(?:\.0*)?")
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)
_TITLE = re.compile(r"<(?:title|h1)[^>]*>([^<]+)", re.IGNORECASE)
# The end of a truncated text.
ELLIPSIS = "…"
# Characters of a text that are read at all.
_MAX_SCANNED = 10_000

# The first second of the year 2200, in seconds since 1970. A later time is an error.
_MAX_SECOND = 7_258_118_400
_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parse_json(body: str) -> Json:
    """Parse JSON, with decimals as exact Decimals, and null for NaN and Infinity, which some servers write.

    Raises UnreadableResponse, which describes a text that is not JSON.
    """
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_read_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise UnreadableResponse(describe_text(body)) from None


def describe_text(body: str) -> str:
    """Describe a text that is not JSON in a few words."""
    text = body.strip()
    if not text:
        return "an empty body"
    if text[0] == "<":
        title = _TITLE.search(text)
        return f"an HTML page ({truncate(title[1])!r})" if title else "an HTML page"
    return f"{'broken JSON' if text[0] in '{[' else 'text that is not JSON'} ({truncate(text, 80)!r})"


def truncate(value: object, max_length: int = 200) -> str:
    """Return text from outside on one line, without control characters; a longer text ends in ELLIPSIS."""
    text = str(value)
    line = " ".join("".join(each if each.isprintable() else " " for each in text[:_MAX_SCANNED]).split())
    if len(line) <= max_length and len(text) <= _MAX_SCANNED:
        return line
    return f"{line[: max_length - len(ELLIPSIS)]}{ELLIPSIS}"


def read_quote(read: Callable[[Json], Quote], answer: Json) -> Quote | ProviderError:
    """Return the quote that `read` makes from this part of an answer, or the error that it raises."""
    try:
        return read(answer)
    except ProviderError as error:
        return error


def read_bars(read: Callable[[Json], Quote], bars: Iterable[Json]) -> list[Quote]:
    """Return the quotes of the valid bars. Raises the first bar's ProviderError if no bar is valid."""
    answers = [read_quote(read, bar) for bar in bars]
    quotes = [each for each in answers if isinstance(each, Quote)]
    if not quotes:
        for answer in answers:
            if isinstance(answer, ProviderError):
                raise answer
    return quotes


def read_object(value: Json, field: str = "answer") -> Mapping[str, Any]:
    """Return the value if it is a JSON object. Raises InvalidResponse."""
    if not isinstance(value, dict):
        raise InvalidResponse(f"the {field} is {_describe(value)}, not an object")
    return value


def read_list(value: Json, field: str = "answer") -> list[Any]:
    """Return the value if it is a JSON array. Raises InvalidResponse."""
    if not isinstance(value, list):
        raise InvalidResponse(f"the {field} is {_describe(value)}, not an array")
    return value


def read_price(value: Json, field: str = "price") -> Decimal:
    """Return a price from a number or text. Raises InvalidResponse for null, zero, a negative number or NaN."""
    try:
        if isinstance(value, str):
            return read_decimal(value)
        if isinstance(value, Decimal):
            return _read_number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return parse_price(str(value)) if value else read_decimal("0")
    except ValueError as error:
        raise InvalidResponse(f"the {field} {error}") from None
    raise InvalidResponse(f"the {field} is {_describe(value)}")


def read_optional_price(value: Json) -> Decimal | None:
    """Return the price, or None if it is missing or invalid."""
    try:
        return read_price(value)
    except InvalidResponse:
        return None


def read_first_price(values: Iterable[Json], field: str = "price") -> Decimal:
    """Return the first valid price. Raises InvalidResponse about the first value if no value is valid."""
    values = list(values)
    found = next((price for value in values if (price := read_optional_price(value)) is not None), None)
    return read_price(values[0] if values else None, field) if found is None else found


def read_volume(value: Json) -> int | None:
    """Return the whole number of shares, or None if it is missing or invalid."""
    text = format(value, "f") if isinstance(value, Decimal) and abs(value.adjusted()) < 30 else str(value)
    if isinstance(value, bool) or not _WHOLE.fullmatch(text):
        return None
    return int(text.partition(".")[0])


def read_currency(value: Json) -> str | None:
    """Return the ISO 4217 code, or None if it is missing or invalid, such as GBp for pence."""
    return value if is_currency(value) else None


def read_epoch(value: Json, unit: str = "s", field: str = "time") -> datetime:
    """Return the UTC instant of a whole number of `s`, `ms`, `us` or `ns` since 1970. Raises InvalidResponse."""
    number, per_second = _read_whole(value), _UNITS_PER_SECOND[unit]
    if not 0 < number < _MAX_SECOND * per_second:
        raise InvalidResponse(f"the {field} is {_describe(value)}")
    return from_micros(number * 10**6 // per_second)


def read_local_time(text: Json, zone: tzinfo, field: str = "time") -> datetime:
    """Return the UTC instant of `2026-11-20 15:59:58.641` in the time zone. Raises InvalidResponse."""
    try:
        moment = (
            datetime.fromisoformat(text if _LOCAL_TIME.fullmatch(text) else "").replace(tzinfo=zone).astimezone(UTC)
        )
    except (TypeError, ValueError, OverflowError):
        raise InvalidResponse(f"the {field} is {_describe(text)}") from None
    if not EPOCH < moment < from_micros(_MAX_SECOND * 10**6):
        raise InvalidResponse(f"the {field} is {_describe(text)}")
    return moment


def read_epoch_of_any_unit(value: Json, field: str = "time") -> datetime:
    """Return the UTC instant of a number whose unit follows from its magnitude, from 1971 to 2200."""
    number = _read_whole(value)
    units = (unit for unit, per_second in _UNITS_PER_SECOND.items() if number < _MAX_SECOND * per_second)
    return read_epoch(value, next(units, "ns"), field)


def next_minute(moment: datetime) -> datetime:
    """Return the beginning of the next minute, when a limit per minute starts again."""
    minute = 60 * 10**6
    return from_micros(to_micros(moment) // minute * minute + minute)


def read_date(text: Json, field: str = "date") -> datetime:
    """Return midnight UTC of a date written YYYY-MM-DD. Raises InvalidResponse."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        raise InvalidResponse(f"the {field} is {_describe(text)}") from None
    if moment < EPOCH:
        raise InvalidResponse(f"the {field} is {_describe(text)}")
    return moment


def _read_whole(value: Json) -> int:
    """Return a whole number from a number or text, or 0 if it is invalid."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        return int(value)
    if isinstance(value, Decimal) and abs(value.adjusted()) < 30 and value == value.to_integral_value():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _read_number(value: Decimal) -> Decimal:
    # Formatting a huge exponent could use up all memory.
    if not value.is_finite() or abs(value.adjusted()) > 30 or len(value.as_tuple().digits) > 40:
        raise ValueError(f"{truncate(value, 40)!r} is not a decimal number such as 412.35")
    return read_decimal(format(value, "f"))


def _read_constant(_name: str) -> None:
    """Return None for NaN, Infinity or -Infinity: a number that is missing must not cost the rest of the answer."""


def _describe(value: Json) -> str:
    """Describe an invalid value, to follow the word "is"."""
    if value is None:
        return "missing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return repr(truncate(value, 40))
