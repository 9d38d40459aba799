"""Simulated prices: a random walk that depends on seed, symbol and second alone.

A retried sync sees the price that it saw before, and past prices are the prices that live syncs saw at the time. The
simulated market trades around the clock, also on weekends, so that a first look shows something at any hour.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import ClassVar

from producer.providers.base import Interval, Quote, QuoteResults
from producer.providers.brownian_bridge import BrownianBridge
from producer.providers.known_symbols import KnownSymbol, find_known_symbol
from shared.times import EPOCH, utc_now

_DAY_SECONDS = 86400
_YEAR_SECONDS = 365 * _DAY_SECONDS
_SECOND = timedelta(seconds=1)
# Levels and average volume per day of symbols that are not known.
_CHEAPEST, _DEAREST = 15.0, 600.0
_AVERAGE_VOLUME = 26_000_000


@dataclass(frozen=True)
class SimulatedProvider:
    """A provider and HistoricalProvider that knows every symbol; quotes are made at the whole second of the sync."""

    name: ClassVar[str] = "simulated"

    seed: str = "stockwire"
    clock: Callable[[], datetime] = utc_now

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
        second = (at - EPOCH) // _SECOND
        return {symbol: _Simulation(self.seed, symbol).quote(second) for symbol in symbols}

    def max_range(self, interval: Interval) -> timedelta:
        """Return a range that takes a fraction of a second, so that progress is shown and Ctrl-C works."""
        return timedelta(days=365 if interval is Interval.DAY else 10)

    def history(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> Sequence[Quote]:
        """See HistoricalProvider."""
        length = interval.length // _SECOND
        # The `as_of` of a daily bar is its start, and that of a shorter bar its end.
        offset = 0 if interval is Interval.DAY else length
        ended = (self.clock() - EPOCH) // _SECOND - length
        first, after_last = _round_up(since) - offset, min(_round_up(until) - offset, ended + 1)
        simulation = _Simulation(self.seed, symbol)
        return [
            simulation.bar(start, start + length, as_of=EPOCH + _SECOND * (start + offset))
            for start in _multiples(length, first, after_last)
        ]


class _Simulation:
    """The prices and volumes of one symbol; seconds count from 1970-01-01T00:00:00Z."""

    def __init__(self, seed: str, symbol: str) -> None:
        self._name = f"{seed}\n{symbol}"
        self._walk = BrownianBridge(self._name)
        self._symbol = find_known_symbol(symbol) or self._make_symbol()
        self._volatility = self._symbol.volatility / math.sqrt(_YEAR_SECONDS)

    def quote(self, second: int) -> Quote:
        """Return the quote at this second, with the volume since midnight UTC and the price at midnight before it."""
        midnight = second - second % _DAY_SECONDS
        return Quote(
            price=self._price(self._walk.at(second)),
            as_of=EPOCH + _SECOND * second,
            currency=self._symbol.currency,
            volume=self._volume_since_midnight(midnight, second),
            previous_close=self._price(self._walk.at(midnight)),
        )

    def bar(self, start: int, end: int, as_of: datetime) -> Quote:
        """Return the bar from `start` to `end`, both at most one day apart and within one day of UTC."""
        first, last = self._walk.at(start), self._walk.at(end)
        values = [first, last, *self._walk.samples(start, end)]
        midnight = start - start % _DAY_SECONDS
        return Quote(
            price=self._price(last),
            as_of=as_of,
            currency=self._symbol.currency,
            volume=self._volume_since_midnight(midnight, end) - self._volume_since_midnight(midnight, start),
            open=self._price(first),
            high=self._price(max(values)),
            low=self._price(min(values)),
        )

    def _price(self, value: float) -> Decimal:
        price = self._symbol.price * math.exp(self._volatility * value)
        decimals = self._symbol.decimals
        return max(Decimal(f"{price:.{decimals}f}"), Decimal(1).scaleb(-decimals))

    def _volume_since_midnight(self, midnight: int, second: int) -> int:
        whole_day = int(self._symbol.volume * (0.5 + self._uniform("volume", midnight)))
        return whole_day * (second - midnight) // _DAY_SECONDS

    def _make_symbol(self) -> KnownSymbol:
        return KnownSymbol(_CHEAPEST * (_DEAREST / _CHEAPEST) ** self._uniform("level"), _AVERAGE_VOLUME)

    def _uniform(self, *words: object) -> float:
        """Return a number between 0 and 1 that looks random and depends on seed, symbol and these words alone."""
        text = "\n".join([self._name, *map(str, words)])
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64


def _round_up(moment: datetime) -> int:
    return -((EPOCH - moment) // _SECOND)


def _multiples(step: int, first: int, after_last: int) -> Iterator[int]:
    """Yield the multiples of `step` from `first` to before `after_last`."""
    yield from range(-(-first // step) * step, after_last, step)
