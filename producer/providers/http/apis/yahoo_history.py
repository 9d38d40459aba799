"""Yahoo's past prices: the columns of a chart."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

from producer.providers.base import Interval, InvalidBar, Quote
from producer.providers.http.apis.base import Json
from producer.providers.http.apis.float32 import round_float32
from producer.providers.http.apis.yahoo_charts import find_chart, first_price, midnight, read_meta, read_period
from producer.providers.http.parsing import find_nested, read_bars, read_list, read_object
from producer.providers.http.values import read_currency, read_price, read_unix_time, read_volume
from shared.errors import InvalidResponse
from shared.times import from_micros, to_micros

# The first Unix time in seconds that has nine digits, in March 1973.
_FIRST_OF_NINE_DIGITS = from_micros(10**8 * 10**6)


class _Row(NamedTuple):
    """The values of one bar; a value that its column lacks is None."""

    start: Json
    close: Json
    open: Json
    high: Json
    low: Json
    volume: Json


def read_history(yahoo_name: str, interval: Interval, since: datetime, answer: Json) -> Sequence[Quote | InvalidBar]:
    """Read a chart's columns. A value is null without trading, and the columns are missing without any trading.

    A column that is missing or too short costs only its own fields.
    """
    chart = find_chart(answer)
    meta = read_meta(yahoo_name, chart)
    if chart.get("timestamp") is None:
        return []
    table = read_object(find_nested(chart, "indicators", "quote", 0), "quote")
    starts, closes = read_list(chart["timestamp"], "timestamp"), read_list(table.get("close"), "close")
    others = [column if isinstance(column := table.get(name), list) else [] for name in _Row._fields[2:]]
    rows = [row for row in map(_Row._make, zip_longest(starts, closes, *others)) if row.close is not None]
    if len(starts) != len(closes):
        _check_alignment(meta, rows)
    # A small number is rather a mistake than a time before 1973, unless that is what was asked for.
    read_start = partial(read_unix_time, since_1970=since < _FIRST_OF_NINE_DIGITS)
    ended = [row for row in rows if not _is_unfinished(meta, interval, row, read_start)]
    return read_bars(partial(_read_as_of, meta, interval, read_start), partial(_read_bar, meta), ended)


def _check_alignment(meta: Mapping[str, Any], rows: Sequence[_Row]) -> None:
    """Raise InvalidResponse unless every price is within its bar: otherwise it may be the price of another bar."""
    decimals = meta.get("priceHint")
    for row in rows:
        price, high, low = (first_price(decimals, value) for value in (row.close, row.high, row.low))
        if row.start is not None and not (price and high and low and low <= price <= high):
            raise InvalidResponse("the columns have different lengths, so the times of the prices are uncertain")


def _read_as_of(
    meta: Mapping[str, Any], interval: Interval, read_start: Callable[[Json], datetime], row: _Row
) -> datetime:
    start = read_start(row.start)
    return midnight(meta, start) if interval is Interval.DAY else start + interval.length


def _read_bar(meta: Mapping[str, Any], as_of: datetime, row: _Row) -> Quote:
    decimals = meta.get("priceHint")
    currency = read_currency(meta.get("currency"))
    return Quote(
        price=read_price(round_float32(row.close, decimals)),
        as_of=as_of,
        currency=currency.code,
        volume=read_volume(row.volume),
        open=first_price(decimals, row.open),
        high=first_price(decimals, row.high),
        low=first_price(decimals, row.low),
        remarks=currency.remarks,
    )


def _is_unfinished(
    meta: Mapping[str, Any], interval: Interval, row: _Row, read_start: Callable[[Json], datetime]
) -> bool:
    """Return True if the bar had not ended at the time of the last trade that Yahoo knows, as far as it is known."""
    try:
        start, now = read_start(row.start), read_unix_time(meta.get("regularMarketTime"))
        if interval is not Interval.DAY:
            return start + interval.length > now
        session = read_period(meta, "regular")
        if session is None:
            return midnight(meta, start) >= midnight(meta, now)
        today = midnight(meta, read_unix_time(session.start))
    except InvalidResponse:
        return False
    return midnight(meta, start) >= today and to_micros(now) // 10**6 < session.stop
