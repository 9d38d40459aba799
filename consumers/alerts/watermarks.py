"""The newest price of a symbol, and the prices that may be compared with it.

A simulated or replayed price says nothing about a real one, and a price in pence nothing about one in pounds. Between
such prices a threshold seems to be crossed although no market moved.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.events import CLOCK_TOLERANCE, StockData
from shared.prices import is_real


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest price of a symbol, and the revision of the rules that were evaluated on the price.

    `provider` is None if an earlier version stored the watermark. Such a watermark does not tell its currency either,
    so any price may be compared with it.
    """

    as_of: datetime
    price: Decimal
    revision: int
    currency: str | None = None
    provider: str | None = None

    def is_comparable(self, event: StockData) -> bool:
        """Return True if the prices have the same currency, and both are real or neither is."""
        if self.provider is None:
            return True
        return self.currency == event.currency and is_real(self.provider) == is_real(event.provider)


def comparable(previous: Watermark | None, event: StockData, now: datetime) -> Watermark | None:
    """Return the previous price if it may be compared with an event's price, else None, as for a first price."""
    if previous is None or not previous.is_comparable(event):
        return None
    # The clock was wrong when it was stored. Otherwise every event would be late until that time has come.
    if event.as_of < previous.as_of and _is_ahead(previous.as_of, now) and not _is_ahead(event.as_of, now):
        return None
    return previous


def _is_ahead(instant: datetime, now: datetime) -> bool:
    return instant - now > CLOCK_TOLERANCE
