"""Reading what providers send: a price only of what is written as one, and InvalidResponse for all else."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from producer.providers.base import Quote
from producer.providers.http.apis.base import Json
from shared.errors import InvalidResponse, ProviderError
from shared.events.fields import is_currency
from shared.prices import parse_price
from shared.prices import read_price as read_decimal
from shared.times import EPOCH, from_micros, to_micros

_WHOLE = re.compile(r"[0-9]{1,18}(?:\.0*)?")
_CLOCK = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?", re.ASCII)
_TITLE = re.compile(r"<(?:title|h1)[^>]*>([^<]+)", re.IGNORECASE)
# How words end that go on.
ELLIPSIS = "…"
# Where nobody looks for a provider's words any more.
_FAR = 10_000

# Later than any answer will ever say, in seconds since 1970: the year 2200.
_LAST_SECOND = 7_258_118_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parse_json(body: str) -> Json:
    """JSON with decimals as Decimal, digit for digit. Raises InvalidResponse, with what the text is instead."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidResponse(f"sent {describe_text(body)}") from None


def describe_text(body: str) -> str:
    """In a few words, what an answer is that is no JSON."""
    text = body.strip()
    if not text:
        return "nothing"
    if text[0] == "<":
        title = _TITLE.search(text)
        return f"an HTML page ({truncate(title[1])!r})" if title else "an HTML page"
    return f"{'broken JSON' if text[0] in '{[' else 'text that is no JSON'} ({truncate(text, 80)!r})"


def truncate(words: object, longest: int = 200) -> str:
    """A provider's own words on one line, as far as people read; where that is not all, they end in ELLIPSIS."""
    text = str(words)
    line = " ".join("".join(each if each.isprintable() else " " for each in text[:_FAR]).split())
    return line if len(line) <= longest and len(text) <= _FAR else f"{line[: longest - len(ELLIPSIS)]}{ELLIPSIS}"


def read_quote(read: Callable[[Json], Quote], answer: Json) -> Quote | ProviderError:
    """The quote that `read` makes of this part of an answer, or why it makes none."""
    try:
        return read(answer)
    except ProviderError as error:
        return error


def read_bars(read: Callable[[Json], Quote], bars: Iterable[Json]) -> list[Quote]:
    """The quote of each bar that has one. Raises ProviderError, with what is wrong with the first, where none has."""
    answers = [read_quote(read, bar) for bar in bars]
    quotes = [each for each in answers if isinstance(each, Quote)]
    if not quotes:
        for answer in answers:
            if isinstance(answer, ProviderError):
                raise answer
    return quotes


def read_object(value: Json, what: str = "answer") -> Mapping[str, Any]:
    """A JSON object. Raises InvalidResponse."""
    if not isinstance(value, dict):
        raise InvalidResponse(f"its {what} is {_describe(value)}, not an object")
    return value


def read_list(value: Json, what: str = "answer") -> list[Any]:
    """A JSON array. Raises InvalidResponse."""
    if not isinstance(value, list):
        raise InvalidResponse(f"its {what} is {_describe(value)}, not an array")
    return value


def read_price(value: Json, what: str = "price") -> Decimal:
    """A price, written as a number or as text. Raises InvalidResponse for null, zero, a negative one or NaN."""
    try:
        if isinstance(value, str):
            return read_decimal(value)
        if isinstance(value, Decimal):
            return _read_number(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return parse_price(str(value)) if value else read_decimal("0")
    except ValueError as error:
        raise InvalidResponse(f"its {what} {error}") from None
    raise InvalidResponse(f"its {what} is {_describe(value)}")


def read_optional_price(value: Json) -> Decimal | None:
    """A price that may as well be missing: what is none is None."""
    try:
        return read_price(value)
    except InvalidResponse:
        return None


def read_first_price(values: Iterable[Json], what: str = "price") -> Decimal:
    """The first that is a price. Raises InvalidResponse, with what is wrong with the first, where none is."""
    values = list(values)
    found = next((price for value in values if (price := read_optional_price(value)) is not None), None)
    return read_price(values[0] if values else None, what) if found is None else found


def read_volume(value: Json) -> int | None:
    """A whole number of shares; what is none is None."""
    text = format(value, "f") if isinstance(value, Decimal) and abs(value.adjusted()) < 30 else str(value)
    if isinstance(value, bool) or not _WHOLE.fullmatch(text):
        return None
    return int(text.partition(".")[0])


def read_currency(value: Json) -> str | None:
    """A currency by ISO 4217; what is none, such as GBp for pence, is None."""
    return value if is_currency(value) else None


def read_epoch(value: Json, unit: str = "s", what: str = "time") -> datetime:
    """The instant of a whole number of seconds (`ms`, `us`, `ns`) since 1970, in UTC. Raises InvalidResponse."""
    number, per_second = _read_whole(value), _PER_SECOND[unit]
    if not 0 < number < _LAST_SECOND * per_second:
        raise InvalidResponse(f"its {what} is {_describe(value)}")
    return from_micros(number * 10**6 // per_second)


def read_local_time(text: Json, zone: tzinfo, what: str = "time") -> datetime:
    """The instant of `2026-11-20 15:59:58.641` on the clocks of a zone, in UTC. Raises InvalidResponse."""
    try:
        moment = datetime.fromisoformat(text if _CLOCK.fullmatch(text) else "").replace(tzinfo=zone).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise InvalidResponse(f"its {what} is {_describe(text)}") from None
    if not EPOCH < moment < from_micros(_LAST_SECOND * 10**6):
        raise InvalidResponse(f"its {what} is {_describe(text)}")
    return moment


def read_epoch_of_any_unit(value: Json, what: str = "time") -> datetime:
    """The same where the unit is not said: by its magnitude, which is no other's between 1971 and 2200."""
    number = _read_whole(value)
    units = (unit for unit, per_second in _PER_SECOND.items() if number < _LAST_SECOND * per_second)
    return read_epoch(value, next(units, "ns"), what)


def next_minute(moment: datetime) -> datetime:
    """The whole minute that follows, when a limit a minute begins anew."""
    minute = 60 * 10**6
    return from_micros(to_micros(moment) // minute * minute + minute)


def midnight(text: Json, what: str = "date") -> datetime:
    """Midnight UTC of a date written YYYY-MM-DD. Raises InvalidResponse."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        raise InvalidResponse(f"its {what} is {_describe(text)}") from None
    if moment < EPOCH:
        raise InvalidResponse(f"its {what} is {_describe(text)}")
    return moment


def _read_whole(value: Json) -> int:
    """A whole number, written as a number or as text; 0 for what is none."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        return int(value)
    if isinstance(value, Decimal) and abs(value.adjusted()) < 30 and value == value.to_integral_value():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _read_number(value: Decimal) -> Decimal:
    # Of a number that is far from any price, the digits alone could take all the memory there is.
    if not value.is_finite() or abs(value.adjusted()) > 30 or len(value.as_tuple().digits) > 40:
        raise ValueError(f"{truncate(value, 40)!r} is not a decimal number such as 412.35")
    return read_decimal(format(value, "f"))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _describe(value: Json) -> str:
    if value is None:
        return "missing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return repr(truncate(value, 40))
