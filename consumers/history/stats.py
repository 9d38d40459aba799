"""Statistics of prices over a span of time: return, volatility, drawdown, extremes. Pure functions of prices.

The price of a quote is its high, low and close at once.
"""

from collections.abc import Iterable, Sequence
from math import log, sqrt
from typing import NamedTuple

# Trading days in a year, by which the volatility of days is made that of a year.
TRADING_DAYS = 252


class PricePoint(NamedTuple):
    """A quote, or a bar, with its `as_of` in microseconds since 1970."""

    as_of: int
    high: float
    low: float
    close: float


class Extreme(NamedTuple):
    """A price, and its `as_of`."""

    price: float
    as_of: int


class Drawdown(NamedTuple):
    """The largest fall from a close to a later close: a fraction such as -0.25, or 0 if no close fell."""

    change: float
    peak_as_of: int | None = None
    trough_as_of: int | None = None


class PriceStats(NamedTuple):
    """The statistics of the prices of one symbol.

    `change` is the return from the first close to the last, as a fraction. `volatility` is that of a year, or None with
    fewer than two daily returns.
    """

    first: Extreme
    last: Extreme
    highest: Extreme
    lowest: Extreme
    drawdown: Drawdown
    volatility: float | None
    samples: int

    @property
    def change(self) -> float:
        return self.last.price / self.first.price - 1


def compute_stats(days: Iterable[Sequence[PricePoint]]) -> PriceStats | None:
    """Return the statistics of the prices of each day, oldest first; None without a price. Keeps no prices in memory.

    The volatility is the sample standard deviation of the logarithms of daily returns, from the last close of a day to
    that of the next day with prices, times the square root of TRADING_DAYS. Of equal extremes, the first one counts.
    """
    fold = _Fold()
    for points in days:
        for point in points:
            fold.add(point)
        fold.end_day()
    return fold.stats()


class _Fold:
    """The statistics of the prices so far."""

    def __init__(self) -> None:
        self._samples = 0
        self._first = self._last = self._highest = self._lowest = self._peak = Extreme(0.0, 0)
        self._drawdown = Drawdown(0.0)
        self._returns = _Deviation()
        self._close_before: float | None = None

    def add(self, point: PricePoint) -> None:
        as_of, high, low, close = point
        self._last = Extreme(close, as_of)
        if not self._samples:
            self._first = self._peak = self._last
            self._highest, self._lowest = Extreme(high, as_of), Extreme(low, as_of)
        self._samples += 1
        if high > self._highest.price:
            self._highest = Extreme(high, as_of)
        if low < self._lowest.price:
            self._lowest = Extreme(low, as_of)
        if close > self._peak.price:
            self._peak = self._last
        elif (change := close / self._peak.price - 1) < self._drawdown.change:
            self._drawdown = Drawdown(change, self._peak.as_of, as_of)

    def end_day(self) -> None:
        close = self._last.price
        if self._close_before is not None:
            self._returns.add(log(close / self._close_before))
        if self._samples:
            self._close_before = close

    def stats(self) -> PriceStats | None:
        if not self._samples:
            return None
        deviation = self._returns.sample_deviation()
        volatility = None if deviation is None else deviation * sqrt(TRADING_DAYS)
        return PriceStats(
            self._first, self._last, self._highest, self._lowest, self._drawdown, volatility, self._samples
        )


class _Deviation:
    """The deviation of numbers that come one by one.

    Source: https://en.wikipedia.org/wiki/Algorithms_for_calculating_variance#Welford's_online_algorithm
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = 0.0

    def add(self, number: float) -> None:
        self._count += 1
        difference = number - self._mean
        self._mean += difference / self._count
        self._squares += difference * (number - self._mean)

    def sample_deviation(self) -> float | None:
        return sqrt(self._squares / (self._count - 1)) if self._count > 1 else None
