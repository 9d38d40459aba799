"""Candles made of bars and quotes; time is in units, and a bucket has ten of them."""

from collections.abc import Iterable

import pytest

from consumers.history.candles import SAMPLE_ORDER, Candle, QuoteColumns, Sample, fill_empty_buckets, make_candles

LATER = 1_000


class Tens:
    def around(self, instant: int) -> tuple[int, int]:
        return instant // 10 * 10, instant // 10 * 10 + 10


def quote(at: int, price: float, observed: int = LATER) -> Sample:
    return Sample(at, observed, at, price, price, price, price, None)


def bar(start: int, end: int, prices: str, volume: int | None = 1, observed: int = LATER) -> Sample:
    """Return a bar with open, high, low and close, as in `2 4 1 3`."""
    opened, high, low, close = map(float, prices.split())
    return Sample(start, observed, end, opened, high, low, close, volume)


def candles(*samples: Sample) -> list[Candle]:
    """Return the candles; each quote is a part of its own."""
    ordered = sorted(samples, key=SAMPLE_ORDER)
    quotes = [QuoteColumns([each.start], [each.close]) for each in ordered if not each.is_bar]
    return list(make_candles([each for each in ordered if each.is_bar], quotes, Tens()))


def values(found: Iterable[Candle]) -> list[tuple[float | None, ...]]:
    return [tuple(candle[2:]) for candle in found]


def test_quotes_make_a_candle_without_volume() -> None:
    assert candles(quote(0, 5), quote(3, 7), quote(6, 2), quote(9, 4), quote(10, 9)) == [
        Candle(0, 10, 5, 7, 2, 4, None, 4),
        Candle(10, 20, 9, 9, 9, 9, None, 1),
    ]


def test_bars_make_a_candle_with_the_sum_of_their_volumes() -> None:
    assert values(candles(bar(0, 5, "2 4 1 3", 10), bar(5, 10, "3 9 3 8", 5))) == [(2, 9, 1, 8, 15, 2)]
    assert values(candles(bar(0, 5, "2 4 1 3", None), bar(5, 10, "3 9 3 8", 5))) == [(2, 9, 1, 8, 5, 2)]
    assert values(candles(bar(0, 5, "2 4 1 3", None))) == [(2, 4, 1, 3, None, 1)]


def test_shorter_bars_and_quotes_count_only_outside_the_longest_bars() -> None:
    longest = bar(0, 6, "2 4 1 3", 10)
    inside = [bar(0, 3, "9 9 9 9"), bar(4, 7, "9 9 9 9"), quote(0, 99), quote(5, 99)]
    assert values(candles(longest, *inside)) == [(2, 4, 1, 3, 10, 1)]
    assert values(candles(longest, *inside, bar(6, 9, "3 8 3 7", 2), quote(6, 99), quote(9, 5))) == [
        (2, 8, 1, 5, 12, 3)
    ]


def test_a_bar_that_reaches_beyond_its_bucket_does_not_count() -> None:
    assert candles(bar(5, 15, "1 1 1 1"), quote(7, 3), quote(12, 4)) == [
        Candle(0, 10, 3, 3, 3, 3, None, 1),
        Candle(10, 20, 4, 4, 4, 4, None, 1),
    ]
    assert candles(bar(5, 15, "1 1 1 1")) == []


def test_a_bar_that_was_observed_before_its_end_covers_the_time_before() -> None:
    unfinished = bar(0, 10, "2 4 1 3", observed=6)
    assert values(candles(unfinished, quote(5, 99), quote(6, 8))) == [(2, 8, 1, 8, 1, 2)]
    assert values(candles(unfinished, bar(6, 8, "3 7 3 7", 4))) == [(2, 7, 1, 7, 5, 2)]


def test_of_two_bars_of_the_same_span_the_one_observed_last_counts() -> None:
    assert values(candles(bar(0, 10, "1 1 1 1", observed=20), bar(0, 10, "2 2 2 2", observed=30))) == [
        (2, 2, 2, 2, 1, 1)
    ]


def test_quotes_of_one_instant_count_in_the_order_of_their_observation() -> None:
    assert values(candles(quote(5, 1, observed=8), quote(5, 2, observed=7))) == [(2, 2, 1, 1, None, 2)]


@pytest.mark.parametrize("gap", [10, 40])
def test_an_empty_bucket_repeats_the_last_close(gap: int) -> None:
    found = list(fill_empty_buckets(candles(quote(1, 5), quote(2, 4), quote(10 + gap, 6)), Tens()))
    empty = [Candle(start, start + 10, 4, 4, 4, 4, None, 0) for start in range(10, 10 + gap, 10)]
    assert found == [Candle(0, 10, 5, 5, 4, 4, None, 2), *empty, Candle(10 + gap, 20 + gap, 6, 6, 6, 6, None, 1)]
