"""The stored quotes and bars of a symbol in the form of which candles and statistics are made."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from operator import itemgetter
from typing import Any

from consumers.history.candles import QuoteColumns, Sample
from consumers.history.queries.series import Series, TimeRange, read_parts, read_rows
from consumers.history.splits import SplitAdjustment
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from shared.times import from_micros, to_micros

_QUOTES = "SELECT as_of, price, lag FROM quote WHERE series_id = :series_id"
# The quotes of one series need no order by observation.
_QUOTES_ALONE = "SELECT as_of, price FROM quote WHERE series_id = :series_id"
_AS_OF, _PRICE = itemgetter(0), itemgetter(1)
_BARS = "SELECT as_of, open, high, low, close, volume, lag FROM bar WHERE series_id = :series_id"
_DAY = timedelta(days=1)
_DAY_IN_MICROSECONDS = _DAY // timedelta(microseconds=1)
_MERGED_ROWS = 10_000


def read_quotes(
    reader: Reader, series: Sequence[Series], between: TimeRange, adjustment: SplitAdjustment | None
) -> Iterator[QuoteColumns]:
    """Yield the quotes of the series in the range, in the order in which they count."""
    parts: Iterable[Sequence[tuple[Any, ...]]]
    if len(series) == 1:
        parts = read_parts(reader, _QUOTES_ALONE, series[0], between)
    else:
        rows = heapq.merge(*(read_rows(reader, _QUOTES, each, between) for each in series), key=_by_observation)
        parts = iter(lambda: list(islice(rows, _MERGED_ROWS)), [])
    for part in parts:
        # Three times as fast as zip, for many rows of few columns.
        columns = QuoteColumns(list(map(_AS_OF, part)), list(map(_PRICE, part)))
        if adjustment is not None:
            pairs = zip(columns.prices, columns.times, strict=True)
            columns = columns._replace(prices=[adjustment.adjust(*pair, is_daily=False) for pair in pairs])
        yield columns


def _by_observation(row: tuple[Any, ...]) -> tuple[int, int]:
    as_of, _, lag = row
    return as_of, as_of + lag


def read_bars(
    reader: Reader, series: Series, buckets: Buckets, between: TimeRange, adjustment: SplitAdjustment | None
) -> Iterator[Sample]:
    """Yield the bars that lie in the range; those of a day or more by the time that their dates have in the zone."""
    first, end = between
    if series.bar_offset:
        first = None if first is None else first + series.bar_offset
        end = None if end is None else end + 1
        return read_bars_as_of(reader, series, buckets, TimeRange(first, end), adjustment)
    # No zone is more than a day away from UTC.
    begin = None if first is None else first - _DAY_IN_MICROSECONDS
    stop = None if end is None else end + _DAY_IN_MICROSECONDS
    bars = read_bars_as_of(reader, series, buckets, TimeRange(begin, stop), adjustment)
    return (bar for bar in bars if (first is None or bar.start >= first) and (end is None or bar.end <= end))


def read_bars_as_of(
    reader: Reader, series: Series, buckets: Buckets, between: TimeRange, adjustment: SplitAdjustment | None
) -> Iterator[Sample]:
    """Yield the bars whose `as_of` lies in the range: their end, or midnight UTC of the first date."""
    is_daily = not series.bar_offset
    timeframe = Timeframe.parse(series.interval)
    for as_of, *prices, volume, lag in read_rows(reader, _BARS, series, between):
        start, end = _days_of_bar(as_of, timeframe, buckets) if is_daily else (as_of - series.bar_offset, as_of)
        bar = _bar(start, end, as_of + lag, prices, volume)
        yield bar if adjustment is None else _adjust(bar, adjustment, as_of if is_daily else start, is_daily=is_daily)


def _adjust(sample: Sample, adjustment: SplitAdjustment, as_of: int, *, is_daily: bool) -> Sample:
    opened, high, low, close = (
        adjustment.adjust(price, as_of, is_daily=is_daily)
        for price in (sample.open, sample.high, sample.low, sample.close)
    )
    return sample._replace(open=opened, high=high, low=low, close=close)


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
