"""The split guard: an overnight jump of a price by the ratio of a split may be one, so the rules of the symbol wait.

Prices arrive as traded. On the day of a 4:1 split a price is a quarter of the day before, although nobody lost money.
"""

from datetime import datetime, timedelta
from decimal import Decimal

OVERNIGHT = timedelta(hours=4)
# From one day to the next a price changes by more than the split. 0.5 % would miss AAPL's of 2020.
TOLERANCE = Decimal("0.035")
RATIOS = tuple(map(Decimal, (2, 3, 4, 5, 10, 20, 100)))
# At the 15 digits that a number in an event may have.
_INVERSES = {ratio: Decimal(f"{1 / ratio:.15g}") for ratio in RATIOS}


def suspected_ratio(before: tuple[datetime, Decimal], now: tuple[datetime, Decimal]) -> Decimal | None:
    """Return the ratio of the split that the jump between two prices may be, or None: 4 for 4:1, 0.1 for 1:10."""
    if now[0] - before[0] <= OVERNIGHT:
        return None
    old, new = before[1], now[1]
    for ratio in RATIOS:
        if _is_near(new * ratio, old):
            return ratio
        if _is_near(new, old * ratio):
            return _INVERSES[ratio]
    return None


def describe_ratio(ratio: Decimal) -> str:
    """Return one of the suspected ratios as people write it: 4:1, 1:10."""
    return f"{ratio:f}:1" if ratio >= 1 else f"1:{round(1 / ratio)}"


def rescale_command(symbol: str, ratio: Decimal) -> str:
    """Return what a user runs to release the rules of a symbol."""
    return f"./stockwire rules rescale {symbol} {describe_ratio(ratio)}, or --as-is"


def _is_near(price: Decimal, expected: Decimal) -> bool:
    """Return True if the price differs from the expected one by at most TOLERANCE of that."""
    return abs(price - expected) <= TOLERANCE * expected
