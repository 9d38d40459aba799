"""Share splits, as files, providers and people tell of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

# The sources of a split beside the names of providers.
BY_HAND = "hand"
BY_FILE = "file"
# A price does not tell a smaller split from an ordinary move.
_SMALLEST_VISIBLE = Fraction(3, 2)
# After such a time without a price, the market may have moved as much as a split moves a price.
_LONG = timedelta(days=7)


@dataclass(frozen=True)
class Split:
    """`new` shares for `old` ones. `day` is the first trading date with prices after the split."""

    symbol: str
    day: date
    new: int
    old: int

    @staticmethod
    def of(symbol: str, day: date, ratio: Fraction) -> "Split":
        return Split(symbol, day, ratio.numerator, ratio.denominator)

    @property
    def ratio(self) -> str:
        return f"{self.new}:{self.old}"

    @property
    def factor(self) -> Fraction:
        """The new shares per old share."""
        return Fraction(self.new, self.old)


def combined_factor(splits: Iterable[Split]) -> Fraction:
    """Return the new shares per old share after all of these splits."""
    factor = Fraction(1)
    for split in splits:
        factor *= split.factor
    return factor


def must_show(factor: Fraction, passed: timedelta) -> bool:
    """Return True if a price must show a split by this factor, so long after the last price before the split."""
    return max(factor, 1 / factor) >= _SMALLEST_VISIBLE and passed <= _LONG


def shows(factor: Fraction, before: Decimal, now: Decimal) -> bool:
    """Return True if the move of a price is less, as a ratio, with a split by this factor than without one."""
    squared = Fraction(now) ** 2 * factor
    return squared < Fraction(before) ** 2 if factor > 1 else squared > Fraction(before) ** 2
