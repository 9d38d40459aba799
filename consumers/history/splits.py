"""Prices divided by the splits that came after them."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Context, Decimal
from fractions import Fraction

from shared.prices import MAX_DIGITS, from_float
from shared.splits import Split
from shared.times import midnight_of, to_micros

_ROUNDING = Context(prec=MAX_DIGITS)


class SplitAdjustment:
    """Divides the prices of a symbol by the ratios of all later splits; quotients have at most 15 digits."""

    def __init__(self, splits: Iterable[Split], day_start: Callable[[date], datetime] = midnight_of) -> None:
        """Take the splits, and the instant at which a trading date begins: midnight UTC if no market is known."""
        ordered = sorted(splits, key=lambda split: split.day)
        self._midnights = [to_micros(midnight_of(split.day)) for split in ordered]
        self._starts = [to_micros(day_start(split.day)) for split in ordered]
        self._ratios = [Fraction(1)]
        for split in reversed(ordered):
            self._ratios.insert(0, self._ratios[0] * split.factor)

    def adjust(self, price: float, as_of: int, *, is_daily: bool) -> float:
        """Return the price, in shares of today. `as_of` is in microseconds; that of a daily bar is midnight UTC."""
        ratio = self._ratios[bisect_right(self._midnights if is_daily else self._starts, as_of)]
        if ratio == 1:
            return price
        exact = from_float(price) * Decimal(ratio.denominator)
        return float(_ROUNDING.divide(exact, Decimal(ratio.numerator)))
