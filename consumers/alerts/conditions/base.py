"""The declaration of a condition on a price and a threshold.

To add a condition, add one file to this package with a module constant `OPERATOR`. The registry finds the file; parser,
engine, commands and messages need no change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class Interval(Enum):
    """A half-open interval between two prices; the closed end belongs to the interval."""

    LEFT_CLOSED = "[low, high)"
    RIGHT_CLOSED = "(low, high]"


@dataclass(frozen=True, slots=True)
class Operator:
    """The part of a rule between symbol and threshold, such as `crossing up`.

    Names and meanings are TradingView's:
    https://www.tradingview.com/support/solutions/43000520149-introduction-to-tradingview-alerts/

    `rising` selects the thresholds that fire when the price rises from low to high, `falling` the thresholds that fire
    when the price falls from high to low; None selects nothing. The engine looks them up by bisection, so the cost of
    an event does not depend on the number of rules.

    A state condition has `is_true(price, threshold)`. Its rules fire when they become true, including on the first
    price. A condition without `is_true` needs a previous price.
    """

    name: str
    rising: Interval | None = None
    falling: Interval | None = None
    is_true: Callable[[Decimal, Decimal], bool] | None = None

    @property
    def phrase(self) -> str:
        """Return the name as people write it: `crossing up` for `crossing_up`."""
        return self.name.replace("_", " ")
