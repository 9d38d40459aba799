"""Candles: open, high, low and close of each bucket of time, made of bars and quotes.

A bucket takes the longest bars that fit into it. Shorter bars and quotes count only outside the time that those bars
cover. Quotes come as columns, because there are many of them and few bars.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, Protocol


class Sample(NamedTuple):
    """A quote, or a bar. All times are microseconds since 1970 (UTC).

    A quote has `start` = `end` and its price four times. A bar covers the time from `start` to before `end`, or only to
    before `observed` if it was fetched before it ended.
    """

    start: int
    observed: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: int | None

    @property
    def is_bar(self) -> bool:
        return self.end > self.start


class Candle(NamedTuple):
    """A candle of the time from `start` to before `end`, in microseconds since 1970 (UTC).

    `volume` is the sum over bars, or None if no bar has one. `samples` is the number of bars and quotes; 0 means that
    the close of an earlier candle is repeated.
    """

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: int | None
    samples: int


class MicrosecondBuckets(Protocol):
    def around(self, instant: int) -> tuple[int, int]:
        """Return start and end of the bucket that contains the instant, in microseconds since 1970 (UTC)."""


# By start. Quotes of one instant count in the order of their observation.
SAMPLE_ORDER = itemgetter(0, 1)


class QuoteColumns(NamedTuple):
    """A part of the quotes, in the order of their times, and of their observation at the same time."""

    times: Sequence[int]
    prices: Sequence[float]


def make_candles(
    bars: Iterable[Sample], quotes: Iterable[QuoteColumns], buckets: MicrosecondBuckets
) -> Iterator[Candle]:
    """Yield the candles of bars that are sorted by SAMPLE_ORDER, and of quotes, oldest first, if they are not empty."""
    for start, end, inside, parts in _fill_buckets(bars, quotes, buckets):
        if not inside:
            candle = _make_quote_candle(start, end, parts)
        else:
            candle = _make_candle(start, end, _select(start, end, inside, parts))
        if candle is not None:
            yield candle


class CountedSamples(NamedTuple):
    """The samples that count in the bucket from `start` to before `end`, in their order."""

    start: int
    end: int
    samples: Sequence[Sample]


def select_samples(
    bars: Iterable[Sample], quotes: Iterable[QuoteColumns], buckets: MicrosecondBuckets
) -> Iterator[CountedSamples]:
    """Yield the samples of which `make_candles` makes a candle each."""
    for start, end, inside, parts in _fill_buckets(bars, quotes, buckets):
        if samples := _select(start, end, inside, parts):
            yield CountedSamples(start, end, samples)


def fill_empty_buckets(candles: Iterable[Candle], buckets: MicrosecondBuckets) -> Iterator[Candle]:
    """Yield the candles, and between them a candle for each empty bucket that repeats the last close."""
    last: Candle | None = None
    for candle in candles:
        while last is not None and last.end < candle.start:
            start, end = buckets.around(last.end)
            last = Candle(start, end, last.close, last.close, last.close, last.close, None, 0)
            yield last
        yield candle
        last = candle


def _fill_buckets(
    bars: Iterable[Sample], quotes: Iterable[QuoteColumns], buckets: MicrosecondBuckets
) -> Iterator[tuple[int, int, Sequence[Sample], Iterator[QuoteColumns]]]:
    """Yield start, end, bars and quotes of each bucket that has any, oldest first."""
    waiting_bars, waiting_quotes = _Bars(bars), _Quotes(quotes)
    while True:
        next_times = [waiting_bars.next_time(), waiting_quotes.next_time()]
        first = min((time for time in next_times if time is not None), default=None)
        if first is None:
            return
        start, end = buckets.around(first)
        inside = waiting_bars.take_until(end)
        parts = waiting_quotes.take_until(end)
        yield start, end, inside, parts
        # Quotes that do not count.
        for _ in parts:
            pass


class _Bars:
    """The bars that are not in a candle yet."""

    def __init__(self, bars: Iterable[Sample]) -> None:
        self._bars = iter(bars)
        self._next = next(self._bars, None)

    def next_time(self) -> int | None:
        return None if self._next is None else self._next.start

    def take_until(self, end: int) -> list[Sample]:
        """Return the bars that begin before `end`, without those that reach beyond it."""
        found = []
        while self._next is not None and self._next.start < end:
            if self._next.end <= end:
                found.append(self._next)
            self._next = next(self._bars, None)
        return found


class _Quotes:
    """The quotes that are not in a candle yet."""

    def __init__(self, parts: Iterable[QuoteColumns]) -> None:
        self._parts = iter(parts)
        self._part = QuoteColumns((), ())
        self._place = 0

    def next_time(self) -> int | None:
        while self._place == len(self._part.times):
            part = next(self._parts, None)
            if part is None:
                return None
            self._part, self._place = part, 0
        return self._part.times[self._place]

    def take_until(self, end: int) -> Iterator[QuoteColumns]:
        """Yield the quotes before `end`, in parts."""
        while (time := self.next_time()) is not None and time < end:
            first, self._place = self._place, bisect_left(self._part.times, end, self._place)
            yield QuoteColumns(self._part.times[first : self._place], self._part.prices[first : self._place])


def _covers(bars: Sequence[Sample], start: int, end: int) -> bool:
    """Return True if one bar covers the whole bucket, so that no quote counts."""
    return any(bar.start == start and bar.end == end <= bar.observed for bar in bars)


def _quote_samples(parts: Iterable[QuoteColumns]) -> list[Sample]:
    # The quotes of one time keep their order, which `observed` tells no more.
    return [
        Sample(time, time, time, price, price, price, price, None)
        for part in parts
        for time, price in zip(part.times, part.prices, strict=True)
    ]


def _make_quote_candle(start: int, end: int, parts: Iterable[QuoteColumns]) -> Candle | None:
    candle: Candle | None = None
    for _, prices in parts:
        high, low = max(prices), min(prices)
        if candle is None:
            candle = Candle(start, end, prices[0], high, low, prices[-1], None, len(prices))
        else:
            candle = candle._replace(
                high=max(candle.high, high),
                low=min(candle.low, low),
                close=prices[-1],
                samples=candle.samples + len(prices),
            )
    return candle


def _make_candle(start: int, end: int, counted: Sequence[Sample]) -> Candle:
    volumes = [sample.volume for sample in counted if sample.is_bar and sample.volume is not None]
    return Candle(
        start=start,
        end=end,
        open=counted[0].open,
        high=max(sample.high for sample in counted),
        low=min(sample.low for sample in counted),
        close=counted[-1].close,
        volume=sum(volumes) if volumes else None,
        samples=len(counted),
    )


def _select(start: int, end: int, bars: Sequence[Sample], parts: Iterable[QuoteColumns]) -> Sequence[Sample]:
    """Return the samples that count, in their order: the longest bars, and what lies outside their time."""
    quotes = [] if _covers(bars, start, end) else _quote_samples(parts)
    if not bars:
        return quotes
    newest = {(sample.start, sample.end): sample for sample in bars}
    covered: list[tuple[int, int]] = []
    chosen = []
    for bar in sorted(newest.values(), key=lambda bar: (bar.start - bar.end, bar.start)):
        covers_until = min(bar.end, bar.observed)
        if not _overlaps(covered, bar.start, bar.end):
            insort(covered, (bar.start, max(covers_until, bar.start)))
            chosen.append(bar)
    outside = [each for each in quotes if not _overlaps(covered, each.start, each.start + 1)]
    return sorted([*chosen, *outside], key=SAMPLE_ORDER)


def _overlaps(covered: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Return True if any covered span shares time with the span from `start` to before `end`."""
    position = bisect_right(covered, (start, end))
    before = position > 0 and covered[position - 1][1] > start
    return before or (position < len(covered) and covered[position][0] < end)
