"""Candles of one symbol, read from the stored bars and quotes."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from operator import attrgetter
from typing import Any

from consumers.history.candles import SAMPLE_ORDER, Candle, QuoteColumns, Sample, fill_empty_buckets, make_candles
from consumers.history.queries.rows import CandleRow, Order
from consumers.history.queries.series import Series, TimeRange, find_series, read_parts, read_rows
from consumers.history.splits import SplitAdjustment
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from shared.prices import from_float, prefer_real
from shared.times import from_micros, to_micros

_QUOTES = "SELECT as_of, price, lag FROM quote WHERE series_id = :series_id"
_BARS = "SELECT as_of, open, high, low, close, volume, lag FROM bar WHERE series_id = :series_id"
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_DAY_IN_MICROSECONDS = _DAY // _MICROSECOND
_SHORTEST_MONTH, _LONGEST_MONTH = timedelta(days=28), timedelta(days=31)
# No clock is put back by more.
_LONGEST_CHANGE = timedelta(hours=2)
_MERGED_ROWS = 10_000


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
    in_micros = _Microseconds(buckets)
    between = _whole_buckets(in_micros, since, until)
    series = find_series(reader, symbol, None if provider is None else [provider])
    if provider is None:
        series = prefer_real(series, attrgetter("provider"))
    quotes = [each for each in series if not each.interval]
    bars = [each for each in series if each.interval and _may_fit(Timeframe.parse(each.interval), buckets.timeframe)]
    candles = make_candles(
        heapq.merge(*(_read_bars(reader, each, buckets, between, adjustment) for each in bars), key=SAMPLE_ORDER),
        _read_quotes(reader, quotes, between, adjustment),
        in_micros,
    )
    if fill:
        candles = fill_empty_buckets(candles, in_micros)
    return (_candle_row(symbol, candle) for candle in _limited(candles, limit, order))


def _limited(candles: Iterator[Candle], limit: int | None, order: Order) -> Iterator[Candle]:
    if order is Order.ASCENDING or (order is Order.NEWEST and limit is None):
        return islice(candles, limit)
    newest = deque(candles, maxlen=limit)
    return reversed(newest) if order is Order.DESCENDING else iter(newest)


class _Microseconds:
    """The buckets with times in microseconds since 1970, as the database has them."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        length = buckets.timeframe.length
        is_fixed = buckets.zone is UTC and buckets.day_start is None and buckets.timeframe.unit not in ("w", "mo")
        self._fixed_length = length // _MICROSECOND if is_fixed and length else None

    def around(self, instant: int) -> tuple[int, int]:
        if self._fixed_length:
            start = instant // self._fixed_length * self._fixed_length
            return start, start + self._fixed_length
        start_time, end_time = self._buckets.around(from_micros(instant))
        return to_micros(start_time), to_micros(end_time)


def _whole_buckets(buckets: _Microseconds, since: datetime | None, until: datetime | None) -> TimeRange:
    """Return the time of the buckets that begin in the given time, so that no candle lacks a part."""
    first = end = None
    if since is not None:
        start, following = buckets.around(to_micros(since))
        first = start if start == to_micros(since) else following
    if until is not None:
        start, following = buckets.around(to_micros(until))
        end = start if start == to_micros(until) else following
    return TimeRange(first, end)


def _may_fit(bar: Timeframe, bucket: Timeframe) -> bool:
    """Return False if bars of this length are longer than any bucket, even one with a change of the clock."""
    shortest = bar.length or bar.count * _SHORTEST_MONTH
    longest = bucket.length or bucket.count * _LONGEST_MONTH
    return shortest <= longest + (_DAY if bucket.is_by_date else _LONGEST_CHANGE)


def _read_quotes(
    reader: Reader, series: Sequence[Series], between: TimeRange, adjustment: SplitAdjustment | None
) -> Iterator[QuoteColumns]:
    """Yield the quotes of the series in the range, in the order in which they count."""
    parts: Iterable[Sequence[tuple[int, float, int]]]
    if len(series) == 1:
        parts = read_parts(reader, _QUOTES, series[0], between)
    else:
        rows = heapq.merge(*(read_rows(reader, _QUOTES, each, between) for each in series), key=_by_observation)
        parts = iter(lambda: list(islice(rows, _MERGED_ROWS)), [])
    for part in parts:
        columns = QuoteColumns(*islice(zip(*part, strict=True), 2))
        if adjustment is not None:
            pairs = zip(columns.prices, columns.times, strict=True)
            columns = columns._replace(prices=[adjustment.adjust(*pair, is_daily=False) for pair in pairs])
        yield columns


def _by_observation(row: tuple[Any, ...]) -> tuple[int, int]:
    as_of, _, lag = row
    return as_of, as_of + lag


def _read_bars(
    reader: Reader, series: Series, buckets: Buckets, between: TimeRange, adjustment: SplitAdjustment | None
) -> Iterator[Sample]:
    if not series.bar_offset:
        return _read_daily_bars(reader, series, buckets, between, adjustment)
    bars = _read_intraday_bars(reader, series, between)
    return bars if adjustment is None else (_adjust(each, adjustment, each.start, is_daily=False) for each in bars)


def _adjust(sample: Sample, adjustment: SplitAdjustment, as_of: int, *, is_daily: bool) -> Sample:
    opened, high, low, close = (
        adjustment.adjust(price, as_of, is_daily=is_daily)
        for price in (sample.open, sample.high, sample.low, sample.close)
    )
    return sample._replace(open=opened, high=high, low=low, close=close)


def _read_intraday_bars(reader: Reader, series: Series, between: TimeRange) -> Iterator[Sample]:
    """Yield the bars that lie in the range. Their `as_of` is their end."""
    first, end = between
    length = series.bar_offset
    first = None if first is None else first + length
    end = None if end is None else end + 1
    for as_of, *prices, volume, lag in read_rows(reader, _BARS, series, TimeRange(first, end)):
        yield _bar(as_of - length, as_of, as_of + lag, prices, volume)


def _read_daily_bars(
    reader: Reader, series: Series, buckets: Buckets, between: TimeRange, adjustment: SplitAdjustment | None
) -> Iterator[Sample]:
    """Yield the bars of a day or more whose dates lie in the range. Their `as_of` is midnight UTC of the first date."""
    first, end = between
    timeframe = Timeframe.parse(series.interval)
    # No zone is more than a day away from UTC.
    begin = None if first is None else first - _DAY_IN_MICROSECONDS
    stop = None if end is None else end + _DAY_IN_MICROSECONDS
    for as_of, *prices, volume, lag in read_rows(reader, _BARS, series, TimeRange(begin, stop)):
        start, finish = _days_of_bar(as_of, timeframe, buckets)
        if (first is None or start >= first) and (end is None or finish <= end):
            sample = _bar(start, finish, as_of + lag, prices, volume)
            yield sample if adjustment is None else _adjust(sample, adjustment, as_of, is_daily=True)


def _days_of_bar(as_of: int, timeframe: Timeframe, buckets: Buckets) -> tuple[int, int]:
    moment = from_micros(as_of)
    if not timeframe.is_by_date:
        return as_of, to_micros(moment + (timeframe.length or _DAY))
    start, end = buckets.span_of_days(moment.date(), timeframe.next_date(moment.date()) - _DAY)
    return to_micros(start), to_micros(end)


def _bar(start: int, end: int, observed: int, prices: Sequence[Any], volume: int | None) -> Sample:
    """Return the sample of a bar. Open, high and low may be unknown: then open is the close, and so on."""
    opened, high, low, close = prices
    opened = close if opened is None else opened
    high = max(opened, close) if high is None else high
    low = min(opened, close) if low is None else low
    return Sample(start, observed, end, opened, high, low, close, volume)


def _candle_row(symbol: str, candle: Candle) -> CandleRow:
    return CandleRow(
        symbol,
        from_micros(candle.start),
        from_float(candle.open),
        from_float(candle.high),
        from_float(candle.low),
        from_float(candle.close),
        candle.volume,
        candle.samples,
    )
