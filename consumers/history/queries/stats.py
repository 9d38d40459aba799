"""Statistics of the stored prices of one symbol."""

import heapq
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from consumers.history.candles import SAMPLE_ORDER, CountedSamples, select_samples
from consumers.history.queries.buckets import BucketsInMicroseconds, within_calendar
from consumers.history.queries.comparable import comparable_series
from consumers.history.queries.rows import StatsRow
from consumers.history.queries.samples import read_bars_as_of, read_quotes
from consumers.history.queries.series import TimeRange
from consumers.history.splits import SplitAdjustment
from consumers.history.stats import Extreme, PricePoint, compute_stats
from consumers.history.timeframes import Buckets, Timeframe
from shared.database.reader import Reader
from shared.prices import from_float
from shared.times import from_micros, midnight_of, to_micros

ONE_DAY = Timeframe(1, "d")


def read_stats(
    reader: Reader,
    symbol: str,
    days: Buckets,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    provider: str | None = None,
    adjustment: SplitAdjustment | None = None,
) -> StatsRow | None:
    """Return the statistics of the prices of one symbol with since <= as_of < until, or None without a price.

    Of each day, the bars and quotes count of which a candle of the day is made, so bars longer than a day never count.
    Without `provider`, simulated and replayed prices count only if the symbol has no others. Prices are exact unless
    there is an `adjustment` for splits.
    """
    between = TimeRange.between(since, until)
    series = comparable_series(reader, symbol, provider)
    bars = [
        each for each in series if each.interval and (each.bar_offset or Timeframe.of_bars(each.interval) == ONE_DAY)
    ]
    found = select_samples(
        heapq.merge(*(read_bars_as_of(reader, each, days, between, adjustment) for each in bars), key=SAMPLE_ORDER),
        read_quotes(reader, [each for each in series if not each.interval], between, adjustment),
        BucketsInMicroseconds(days),
    )
    with within_calendar(symbol):
        stats = compute_stats([*_points(day, days)] for day in found)
    if stats is None:
        return None
    peak, trough = (None if at is None else from_micros(at) for at in stats.drawdown[1:])
    return StatsRow(
        symbol,
        *_dated(stats.first),
        *_dated(stats.last),
        stats.change,
        stats.volatility,
        stats.drawdown.change,
        peak,
        trough,
        *_dated(stats.highest),
        *_dated(stats.lowest),
        stats.samples,
    )


def _points(day: CountedSamples, days: Buckets) -> Iterator[PricePoint]:
    for sample in day.samples:
        as_of = sample.end
        if sample.start == day.start and sample.end == day.end:
            # The bar of the day, whose `as_of` is midnight UTC of its date in every zone.
            as_of = to_micros(midnight_of(days.date_of(from_micros(day.start))))
        yield PricePoint(as_of, sample.high, sample.low, sample.close)


def _dated(extreme: Extreme) -> tuple[datetime, Decimal]:
    return from_micros(extreme.as_of), from_float(extreme.price)
