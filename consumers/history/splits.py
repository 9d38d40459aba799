"""Share splits, and prices divided by the splits that came after them."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from fractions import Fraction

from shared.prices import MAX_DIGITS, from_float
from shared.times import midnight_of, to_micros

_RATIO = re.compile(r"([1-9]\d{0,5})(?:[:/]([1-9]\d{0,5}))?", re.ASCII)
_ROUNDING = Context(prec=MAX_DIGITS)


@dataclass(frozen=True)
class Split:
    """`new` shares for `old` ones. `day` is the first trading date with prices after the split."""

    symbol: str
    day: date
    new: int
    old: int

    @property
    def ratio(self) -> str:
        return f"{self.new}:{self.old}"


def parse_ratio(text: str) -> tuple[int, int]:
    """Return new and old shares of `4:1`, of `4`, or of `1:10` for a reverse split. Raises ValueError."""
    match = _RATIO.fullmatch(text.strip())
    ratio = Fraction(int(match[1]), int(match[2] or 1)) if match else Fraction(1)
    if ratio == 1:
        raise ValueError(f"{text[:40]!r} is not a ratio of a split such as 4:1, 3:2 or 1:10")
    return ratio.numerator, ratio.denominator


class SplitAdjustment:
    """Divides the prices of a symbol by the ratios of all later splits; quotients have at most 15 digits."""

    def __init__(self, splits: Iterable[Split], day_start: Callable[[date], datetime] = midnight_of) -> None:
        """Take the splits, and the instant at which a trading date begins: midnight UTC if no market is known."""
        ordered = sorted(splits, key=lambda split: split.day)
        self._midnights = [to_micros(midnight_of(split.day)) for split in ordered]
        self._starts = [to_micros(day_start(split.day)) for split in ordered]
        self._ratios = [Fraction(1)]
        for split in reversed(ordered):
            self._ratios.insert(0, self._ratios[0] * Fraction(split.new, split.old))

    def adjust(self, price: float, as_of: int, *, is_daily: bool) -> float:
        """Return the price, in shares of today. `as_of` is in microseconds; that of a daily bar is midnight UTC."""
        ratio = self._ratios[bisect_right(self._midnights if is_daily else self._starts, as_of)]
        if ratio == 1:
            return price
        exact = from_float(price) * Decimal(ratio.denominator)
        return float(_ROUNDING.divide(exact, Decimal(ratio.numerator)))
