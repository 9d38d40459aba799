"""Candles of one symbol, read from the stored bars and quotes."""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from consumers.history.candles import SAMPLE_ORDER, Candle, Sample, fill_empty_buckets, make_candles
from consumers.history.queries.prices import Series, find_series, read_rows
from consumers.history.splits import SplitAdjustment
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from shared.prices import format_price, from_float, prefer_real
from shared.times import format_instant, from_micros, to_micros

CANDLE_COLUMNS = ("symbol", "start", "open", "high", "low", "close", "volume", "samples")

_QUOTES = "SELECT as_of, price, lag FROM quote WHERE series_id = :series_id"
_BARS = "SELECT as_of, open, high, low, close, volume, lag FROM bar WHERE series_id = :series_id"
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_DAY_IN_MICROSECONDS = _DAY // _MICROSECOND

# From the first instant to before the second, in microseconds since 1970; None is open.
_Range = tuple[int | None, int | None]


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
) -> Iterator[dict[str, Any]]:
    """Yield the candles of one symbol with since <= start < until, or the newest `limit` of them, oldest first.

    Prices are decimals as text, exact unless there is an `adjustment` for splits. `start` is ISO 8601 text in UTC.
    Without `provider`, simulated and replayed prices count only if the symbol has no others. With `fill`, an empty
    bucket repeats the close before it.
    """
    in_micros = _Microseconds(buckets)
    between = _whole_buckets(in_micros, since, until)
    series = find_series(reader, symbol, None if provider is None else [provider])
    if provider is None:
        series = prefer_real(series, attrgetter("provider"))
    samples = heapq.merge(
        *(_read_samples(reader, each, buckets, between, adjustment) for each in series), key=SAMPLE_ORDER
    )
    candles = make_candles(samples, in_micros)
    if fill:
        candles = fill_empty_buckets(candles, in_micros)
    newest = candles if limit is None else iter(deque(candles, maxlen=limit))
    return (_readable(symbol, candle) for candle in newest)


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


def _whole_buckets(buckets: _Microseconds, since: datetime | None, until: datetime | None) -> _Range:
    """Return the time of the buckets that begin in the given time, so that no candle lacks a part."""
    first = end = None
    if since is not None:
        start, following = buckets.around(to_micros(since))
        first = start if start == to_micros(since) else following
    if until is not None:
        start, following = buckets.around(to_micros(until))
        end = start if start == to_micros(until) else following
    return first, end


def _read_samples(
    reader: Reader, series: Series, buckets: Buckets, between: _Range, adjustment: SplitAdjustment | None
) -> Iterator[Sample]:
    if not series.interval:
        samples = _read_quotes(reader, series, between)
    elif series.bar_offset:
        samples = _read_intraday_bars(reader, series, between)
    else:
        return _read_daily_bars(reader, series, buckets, between, adjustment)
    if adjustment is None:
        return samples
    return (_adjust(sample, adjustment, sample.start, is_daily=False) for sample in samples)


def _adjust(sample: Sample, adjustment: SplitAdjustment, as_of: int, *, is_daily: bool) -> Sample:
    opened, high, low, close = (
        adjustment.adjust(price, as_of, is_daily=is_daily)
        for price in (sample.open, sample.high, sample.low, sample.close)
    )
    return sample._replace(open=opened, high=high, low=low, close=close)


def _read_quotes(reader: Reader, series: Series, between: _Range) -> Iterator[Sample]:
    for as_of, price, lag in read_rows(reader, _QUOTES, series, *between):
        yield Sample(as_of, as_of + lag, as_of, price, price, price, price, None)


def _read_intraday_bars(reader: Reader, series: Series, between: _Range) -> Iterator[Sample]:
    """Yield the bars that lie in the range. Their `as_of` is their end."""
    first, end = between
    length = series.bar_offset
    first = None if first is None else first + length
    end = None if end is None else end + 1
    for as_of, *prices, volume, lag in read_rows(reader, _BARS, series, first, end):
        yield _bar(as_of - length, as_of, as_of + lag, prices, volume)


def _read_daily_bars(
    reader: Reader, series: Series, buckets: Buckets, between: _Range, adjustment: SplitAdjustment | None
) -> Iterator[Sample]:
    """Yield the bars of a day or more whose dates lie in the range. Their `as_of` is midnight UTC of the first date."""
    first, end = between
    timeframe = Timeframe.parse(series.interval)
    # No zone is more than a day away from UTC.
    begin = None if first is None else first - _DAY_IN_MICROSECONDS
    stop = None if end is None else end + _DAY_IN_MICROSECONDS
    for as_of, *prices, volume, lag in read_rows(reader, _BARS, series, begin, stop):
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


def _readable(symbol: str, candle: Candle) -> dict[str, Any]:
    prices = {name: format_price(from_float(getattr(candle, name))) for name in ("open", "high", "low", "close")}
    return {
        "symbol": symbol,
        "start": format_instant(from_micros(candle.start)),
        **prices,
        "volume": candle.volume,
        "samples": candle.samples,
    }
