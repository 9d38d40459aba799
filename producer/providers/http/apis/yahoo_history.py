"""Yahoo's past prices: the columns of a chart, and the splits up to today, by which the prices were divided."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

from producer.providers.base import Interval, InvalidBar, Quote
from producer.providers.http.apis.base import Json
from producer.providers.http.apis.float32 import round_float32
from producer.providers.http.apis.yahoo_charts import find_chart, first_price, midnight, read_meta, read_period
from producer.providers.http.apis.yahoo_splits import TradedPrices, read_splits, restore_price, restore_volume
from producer.providers.http.apis.yahoo_symbols import yahoo_symbol
from producer.providers.http.parsing import find_nested, read_bars, read_list, read_object
from producer.providers.http.values import ReadCurrency, read_currency, read_price, read_unix_time
from shared.errors import InvalidResponse
from shared.splits import Split
from shared.times import from_micros, to_micros

# The longest that a bar lasts, with the hours between time zones. A later bar is not unfinished but absurd.
_MAX_LENGTH = timedelta(days=2)
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


def read_history(
    symbol: str, interval: Interval, since: datetime, answer: Json
) -> Sequence[Quote | InvalidBar | Split]:
    """Read the columns and the splits of a chart that reaches up to today; prices and volumes become those as traded.

    A value is null without trading, and the columns are missing without any trading. A column that is missing or too
    short costs only its own fields.
    """
    chart = find_chart(answer)
    meta = read_meta(yahoo_symbol(symbol), chart)
    splits = read_splits(symbol, meta, chart)
    if chart.get("timestamp") is None:
        return splits
    table = read_object(find_nested(chart, "indicators", "quote", 0), "quote")
    starts, closes = read_list(chart["timestamp"], "timestamp"), read_list(table.get("close"), "close")
    others = [column if isinstance(column := table.get(name), list) else [] for name in _Row._fields[2:]]
    rows = [row for row in map(_Row._make, zip_longest(starts, closes, *others)) if row.close is not None]
    if len(starts) != len(closes):
        _check_alignment(meta, rows)
    # A small number is rather a mistake than a time before 1973, unless that is what was asked for.
    read_start = partial(read_unix_time, since_1970=since < _FIRST_OF_NINE_DIGITS)
    read = partial(_read_bar, meta, interval, TradedPrices(splits), read_currency(meta.get("currency")))
    bars = read_bars(partial(_read_as_of, meta, interval, read_start), read, rows)
    is_unfinished = _find_unfinished(meta, interval)
    return [*splits, *(bar for bar in bars if bar.as_of is None or not is_unfinished(bar.as_of))]


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


def _read_bar(
    meta: Mapping[str, Any],
    interval: Interval,
    traded: TradedPrices,
    currency: ReadCurrency,
    as_of: datetime,
    row: _Row,
) -> Quote:
    decimals = meta.get("priceHint")
    midnight_of_day = as_of if interval is Interval.DAY else midnight(meta, as_of - interval.length)
    factor = traded.factor_after(midnight_of_day.date())
    close, opened, high, low = (
        restore_price(each, factor, decimals) for each in (row.close, row.open, row.high, row.low)
    )
    return Quote(
        price=read_price(round_float32(close, decimals)),
        as_of=as_of,
        currency=currency.code,
        volume=restore_volume(row.volume, factor),
        open=first_price(decimals, opened),
        high=first_price(decimals, high),
        low=first_price(decimals, low),
        remarks=currency.remarks,
    )


def _find_unfinished(meta: Mapping[str, Any], interval: Interval) -> Callable[[datetime], bool]:
    """Return a test for bars by their `as_of`: had the bar not ended at the time of the last trade that Yahoo knows?

    If that time is unknown, no bar is: our own clock decides later.
    """
    try:
        now = read_unix_time(meta.get("regularMarketTime"))
        if interval is not Interval.DAY:
            return lambda as_of: now < as_of < now + _MAX_LENGTH
        session = read_period(meta, "regular")
        if session is not None and to_micros(now) // 10**6 >= session.stop:
            return lambda _as_of: False
        today = midnight(meta, now if session is None else read_unix_time(session.start))
    except InvalidResponse:
        return lambda _as_of: False
    return lambda as_of: today <= as_of < today + _MAX_LENGTH
