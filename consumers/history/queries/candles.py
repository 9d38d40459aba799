"""Candles of one symbol, read from the stored bars and quotes."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from consumers.history.candles import SAMPLE_ORDER, Candle, fill_empty_buckets, make_candles
from consumers.history.queries.buckets import BucketsInMicroseconds, within_calendar
from consumers.history.queries.comparable import comparable_series
from consumers.history.queries.quote_candles import read_quote_candles
from consumers.history.queries.rows import CandleRow, Order
from consumers.history.queries.samples import read_bars, read_quotes
from consumers.history.queries.series import TimeRange
from consumers.history.splits import SplitAdjustment
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from shared.times import to_micros

_DAY = timedelta(days=1)
_DAY_IN_MICROSECONDS = _DAY // timedelta(microseconds=1)
_FIRST_INSTANT = to_micros(datetime.min.replace(tzinfo=UTC))
_SHORTEST_MONTH, _LONGEST_MONTH = timedelta(days=28), timedelta(days=31)
# No clock is put back by more.
_LONGEST_CHANGE = timedelta(hours=2)


def read_candles(
    reader: Reader,
    symbol: str,
    buckets: Buckets,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    provider: str | None = None,
    adjustment: SplitAdjustment | None = None,
    fill: bool = False,
    limit: int | None = None,
    order: Order = Order.NEWEST,
) -> Iterator[CandleRow]:
    """Yield the candles of one symbol with since <= start < until, and at most `limit` of them.

    Prices are exact unless there is an `adjustment` for splits. Without `provider`, simulated and replayed prices count
    only if the symbol has no others. With `fill`, an empty bucket repeats the close before it.
    """
    query = CandleQuery(symbol, buckets, since, until, provider, adjustment, fill, limit, order)
    return (CandleRow.of_stored(symbol, candle) for candle in stored_candles(reader, query))


@dataclass(frozen=True)
class CandleQuery:
    """The parameters of `read_candles`."""

    symbol: str
    buckets: Buckets
    since: datetime | None = None
    until: datetime | None = None
    provider: str | None = None
    adjustment: SplitAdjustment | None = None
    fill: bool = False
    limit: int | None = None
    order: Order = Order.NEWEST


def stored_candles(reader: Reader, query: CandleQuery) -> Iterator[Candle]:
    """Yield the candles with times and prices as stored."""
    in_micros = BucketsInMicroseconds(query.buckets)
    between = _whole_buckets(in_micros, query.since, query.until)
    series = comparable_series(reader, query.symbol, query.provider)
    quotes = [each for each in series if not each.interval]
    longest = query.buckets.timeframe
    bars = [each for each in series if each.interval and _may_fit(Timeframe.of_bars(each.interval), longest)]
    length = in_micros.fixed_length
    if not bars and len(quotes) == 1 and query.adjustment is None and length and length >= _DAY_IN_MICROSECONDS:
        candles = read_quote_candles(reader, quotes[0], between, length)
    else:
        candles = make_candles(
            heapq.merge(
                *(read_bars(reader, each, query.buckets, between, query.adjustment) for each in bars), key=SAMPLE_ORDER
            ),
            read_quotes(reader, quotes, between, query.adjustment),
            in_micros,
        )
    if query.fill:
        candles = fill_empty_buckets(candles, in_micros)
    return _limited_within_calendar(candles, query)


def _limited_within_calendar(candles: Iterator[Candle], query: CandleQuery) -> Iterator[Candle]:
    with within_calendar(query.symbol):
        for candle in _limited(candles, query.limit, query.order):
            if candle.start < _FIRST_INSTANT:
                raise OverflowError(candle.start)
            yield candle


def _limited(candles: Iterator[Candle], limit: int | None, order: Order) -> Iterator[Candle]:
    if order is Order.ASCENDING or (order is Order.NEWEST and limit is None):
        return islice(candles, limit)
    newest = deque(candles, maxlen=limit)
    return reversed(newest) if order is Order.DESCENDING else iter(newest)


def _whole_buckets(buckets: BucketsInMicroseconds, since: datetime | None, until: datetime | None) -> TimeRange:
    """Return the time of the buckets that begin in the given time, so that no candle lacks a part."""
    first = None if since is None else _next_start(buckets, to_micros(since))
    end = None if until is None else _next_start(buckets, to_micros(until))
    return TimeRange(first, end)


def _next_start(buckets: BucketsInMicroseconds, instant: int) -> int:
    """Return the start of the first bucket that begins at an instant or later."""
    try:
        start, following = buckets.around(instant)
    except OverflowError:
        # No bucket around an end of the calendar is whole, and 9999-12-31 is a usual end of a query.
        return instant
    return start if start == instant else following


def _may_fit(bar: Timeframe | None, bucket: Timeframe) -> bool:
    """Return False if bars of this length are longer than any bucket, even one with a change of the clock."""
    if bar is None:
        return False
    shortest = bar.length or bar.count * _SHORTEST_MONTH
    longest = bucket.length or bucket.count * _LONGEST_MONTH
    return shortest <= longest + (_DAY if bucket.is_by_date else _LONGEST_CHANGE)
