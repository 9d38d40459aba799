"""Share splits, as files, providers and people tell of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

# The sources of a split beside the names of providers.
BY_HAND = "hand"
BY_FILE = "file"


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
