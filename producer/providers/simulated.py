"""Made-up prices that move like real ones: a random walk that is a function of seed, symbol and instant alone.

The walk is a Brownian bridge by Lévy's construction: the value in the middle of an interval is the mean of its ends
and a normal deviate, and every deviate comes from a hash. So the price of any second can be had without the seconds
before it, and a retried sync sees the price it saw before.
Source: https://en.wikipedia.org/wiki/Brownian_bridge#General_case and https://en.wikipedia.org/wiki/Wiener_process
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from statistics import NormalDist
from typing import ClassVar

from producer.providers.base import Quote
from shared.errors import ProviderError
from shared.times import EPOCH

# The walk is back where it began after each span, so that no price ever drifts out of what is plausible.
_DEPTH = 25
_SPAN = 2**_DEPTH  # seconds; a little over a year
_VOLATILITY = 0.25 / math.sqrt(365 * 86400)  # a root of a second; 25 % a year is what a calm share has
_CHEAPEST, _DEAREST = 15.0, 600.0
_DAY = 86400
_NORMAL = NormalDist()
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class SimulatedProvider:
    """Knows every symbol; prices are in USD, with two decimals, and made at the whole second of the sync."""

    name: ClassVar[str] = "simulated"

    seed: str = "stockwire"

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        return {symbol: self._quote(symbol, at.replace(microsecond=0)) for symbol in symbols}

    def _quote(self, symbol: str, as_of: datetime) -> Quote:
        """`volume` is what was traded since midnight UTC, and `previous_close` the price of that moment."""
        second = (as_of - EPOCH) // timedelta(seconds=1)
        midnight = second - second % _DAY
        whole_day = 1_000_000 + int(50_000_000 * self._uniform(symbol, "volume", midnight))
        return Quote(
            price=self._price(symbol, second),
            as_of=as_of,
            currency="USD",
            volume=whole_day * (second - midnight) // _DAY,
            previous_close=self._price(symbol, midnight),
        )

    def _price(self, symbol: str, second: int) -> Decimal:
        level = _CHEAPEST * (_DEAREST / _CHEAPEST) ** self._uniform(symbol, "level")
        price = level * math.exp(_VOLATILITY * self._walk(symbol, second))
        return max(Decimal(f"{price:.2f}"), _CENT)

    def _walk(self, symbol: str, second: int) -> float:
        """A standard Brownian bridge at this second, zero at both ends of its span."""
        span, offset = divmod(second, _SPAN)
        left = right = 0.0
        position, width = 0, _SPAN
        while offset % width:
            half = width // 2
            middle = position + half
            deviate = _NORMAL.inv_cdf(self._uniform(symbol, "walk", span, middle))
            value = (left + right) / 2 + deviate * math.sqrt(width) / 2
            if offset < middle:
                right = value
            else:
                left, position = value, middle
            width = half
        return left

    def _uniform(self, *words: object) -> float:
        """A number of the open interval from 0 to 1 that looks random and depends on the seed and the words alone."""
        text = "\n".join(str(word) for word in (self.seed, *words))
        digest = blake2b(text.encode(), digest_size=8).digest()
        # 52 bits and the half are what a float holds exactly: more could round to 1.
        return ((int.from_bytes(digest) >> 12) + 0.5) / 2**52
