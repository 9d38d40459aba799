"""The parts of Yahoo's charts: `meta`, with the symbol and its exchange, and prices that were 32-bit floats."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from producer.providers.http.apis.base import Json
from producer.providers.http.apis.float32 import round_float32
from producer.providers.http.apis.yahoo_symbols import answered_symbol
from producer.providers.http.parsing import find_nested, read_object, truncate
from producer.providers.http.values import is_missing, read_optional_price
from shared.errors import InvalidResponse
from shared.times import from_micros, to_micros

_DAY = 86_400


def find_chart(answer: Json) -> Mapping[str, Any]:
    """Return the chart in an answer. Raises InvalidResponse."""
    return read_object(find_nested(answer, "chart", "result", 0), "chart's result")


def read_meta(yahoo_name: str, chart: Json) -> Mapping[str, Any]:
    """Return the `meta` of a chart. Raises InvalidResponse if it is missing, or of another symbol."""
    meta = read_object(find_nested(chart, "meta"), "meta")
    check_symbol(yahoo_name, meta)
    return meta


def check_symbol(yahoo_name: str, part: Mapping[str, Any]) -> None:
    """Raise InvalidResponse if this part of an answer names another symbol. A symbol in other case is another one."""
    answered = part.get("symbol", yahoo_name)
    if not isinstance(answered, str) or answered_symbol(answered) != answered_symbol(yahoo_name):
        raise InvalidResponse(f"the answer has {truncate(answered)!r} instead of {yahoo_name!r}")


def read_period(meta: Mapping[str, Any], name: str) -> range | None:
    """Return the seconds since 1970 of the period `pre`, `regular` or `post`."""
    start, end = (find_nested(meta, "currentTradingPeriod", name, side) for side in ("start", "end"))
    return range(start, end) if isinstance(start, int) and isinstance(end, int) else None


def midnight(meta: Mapping[str, Any], moment: datetime) -> datetime:
    """Return midnight UTC of the exchange's date at that moment. Raises InvalidResponse if its offset is unknown."""
    # This is the current offset. The offset in the other half of the year may be an hour more.
    days = (to_micros(moment) // 10**6 + _read_offset(meta) + 3_600) // _DAY
    return from_micros(days * _DAY * 10**6)


def first_price(decimals: Json, *values: Json) -> Decimal | None:
    """Return the first of the values that is neither missing nor zero, or None if it is not a price."""
    value = next((each for each in values if not is_missing(each)), None)
    return read_optional_price(round_float32(value, decimals))


def _read_offset(meta: Mapping[str, Any]) -> int:
    """Return the exchange's current offset from UTC in seconds."""
    offset = meta.get("gmtoffset")
    if not isinstance(offset, int | Decimal) or isinstance(offset, bool) or not -_DAY <= offset <= _DAY:
        raise InvalidResponse("the UTC offset of the exchange is missing")
    return int(offset)
