"""Readers of the parts of providers' answers; they raise InvalidResponse. Nothing here does I/O."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from producer.providers.base import InvalidBar, Quote
from producer.providers.http.apis.base import Json
from shared.errors import InvalidResponse, ProviderError, UnknownSymbol, UnreadableResponse
from shared.prices import drop_impossible
from shared.times import from_micros, to_micros

Bar = TypeVar("Bar")

_TITLE = re.compile(r"<(?:title|h1)[^>]*>([^<]+)", re.IGNORECASE)
# The end of a truncated text.
ELLIPSIS = "…"
# Characters of a text that are read at all.
_MAX_SCANNED = 10_000


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
    """Return the quote that `read` makes from this part of an answer, or the error that it raises.

    Open, high and low are left out if they contradict the price.
    """
    try:
        return _drop_impossible(read(answer))
    except ProviderError as error:
        return error


def read_bars(
    read_as_of: Callable[[Bar], datetime], read: Callable[[datetime, Bar], Quote], bars: Iterable[Bar]
) -> list[Quote | InvalidBar]:
    """Return the quote of each bar, or the reason why it is unusable. Raises InvalidResponse if no bar is usable.

    `read` gets what `read_as_of` makes of the bar.
    """
    found = [_read_bar(read_as_of, read, bar) for bar in bars]
    if found and all(isinstance(each, InvalidBar) for each in found):
        raise InvalidResponse(next(each.reason for each in found if isinstance(each, InvalidBar)))
    return found


def find_nested(value: Json, *path: str | int) -> Json:
    """Return the value at this path of names and indices, or None."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None
    return value


def read_object(value: Json, field: str = "answer") -> Mapping[str, Any]:
    """Return the value if it is a JSON object. Raises InvalidResponse."""
    if not isinstance(value, dict):
        raise InvalidResponse(f"the {field} is {describe(value)}, not an object")
    return value


def read_list(value: Json, field: str = "answer") -> list[Any]:
    """Return the value if it is a JSON array. Raises InvalidResponse."""
    if not isinstance(value, list):
        raise InvalidResponse(f"the {field} is {describe(value)}, not an array")
    return value


def missing_symbol(symbol: str, answered: Iterable[str]) -> UnknownSymbol:
    """Return the error for a symbol that an answer does not have. A symbol in other case is another security."""
    other = next((each for each in answered if each != symbol and each.upper() == symbol.upper()), None)
    if other is None:
        return UnknownSymbol("the answer does not have it")
    return UnknownSymbol(f"the answer has {truncate(other, 40)!r}, which is another security")


def next_minute(moment: datetime) -> datetime:
    """Return the beginning of the next minute, when a limit per minute starts again."""
    minute = 60 * 10**6
    return from_micros(to_micros(moment) // minute * minute + minute)


def describe(value: Json) -> str:
    """Describe an invalid value, to follow the word "is"."""
    if value is None:
        return "missing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    return repr(truncate(value, 40))


def _read_bar(
    read_as_of: Callable[[Bar], datetime], read: Callable[[datetime, Bar], Quote], bar: Bar
) -> Quote | InvalidBar:
    as_of = None
    try:
        as_of = read_as_of(bar)
        return _drop_impossible(read(as_of, bar))
    except ProviderError as error:
        return InvalidBar(as_of, str(error))


def _drop_impossible(quote: Quote) -> Quote:
    given = quote.open, quote.high, quote.low
    opened, high, low = drop_impossible(quote.price, *given)
    return quote if (opened, high, low) == given else replace(quote, open=opened, high=high, low=low)


def _read_constant(_name: str) -> None:
    """Return None for NaN, Infinity or -Infinity: a number that is missing must not cost the rest of the answer."""
