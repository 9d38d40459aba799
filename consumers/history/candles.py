"""Candles: open, high, low and close of each bucket of time, made of bars and quotes.

A bucket takes the longest bars that fit into it. Shorter bars and quotes count only outside the time that those bars
cover.
"""

from bisect import bisect_right, insort
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


def make_candles(samples: Iterable[Sample], buckets: MicrosecondBuckets) -> Iterator[Candle]:
    """Yield the candles of samples that are sorted by SAMPLE_ORDER, oldest first, without the empty buckets."""
    members: list[Sample] = []
    start = end = 0
    for sample in samples:
        if sample.start >= end or not members:
            if members:
                yield _make_candle(start, end, members)
                members = []
            start, end = buckets.around(sample.start)
        if sample.end <= end:
            members.append(sample)
    if members:
        yield _make_candle(start, end, members)


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


def _make_candle(start: int, end: int, members: Sequence[Sample]) -> Candle:
    counted = _select(members) if any(sample.is_bar for sample in members) else members
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


def _select(members: Sequence[Sample]) -> Sequence[Sample]:
    """Return the samples that count, in their order: the longest bars, and what lies outside their time."""
    newest = {(sample.start, sample.end): sample for sample in members if sample.is_bar}
    bars = sorted(newest.values(), key=lambda bar: (bar.start - bar.end, bar.start))
    covered: list[tuple[int, int]] = []
    chosen = []
    for bar in bars:
        covers_until = min(bar.end, bar.observed)
        if not _overlaps(covered, bar.start, bar.end):
            insort(covered, (bar.start, max(covers_until, bar.start)))
            chosen.append(bar)
    quotes = [each for each in members if not each.is_bar and not _overlaps(covered, each.start, each.start + 1)]
    return sorted([*chosen, *quotes], key=SAMPLE_ORDER)


def _overlaps(covered: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Return True if any covered span shares time with the span from `start` to before `end`."""
    position = bisect_right(covered, (start, end))
    before = position > 0 and covered[position - 1][1] > start
    return before or (position < len(covered) and covered[position][0] < end)
