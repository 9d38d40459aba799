"""The newest price of a symbol, and the prices that may be compared with it.

A simulated or replayed price says nothing about a real one, and a price in pence nothing about one in pounds. Between
such prices a threshold seems to be crossed although no market moved.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from consumers.alerts.conditions.metrics import Kind, Metric, Sample
from shared.events import CLOCK_TOLERANCE, StockData
from shared.prices import is_real
from shared.times import EPOCH


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest price of a symbol, and the revision of the rules that were evaluated on the price.

    `provider` is None if an earlier version stored the watermark. Such a watermark does not tell its currency either,
    so any price may be compared with it. `volume`, and `close_price` with its `previous_close`, are of the last event
    that had them; their revisions are those of the rules that were evaluated on that event. `previous_price` is the
    price before, if the two may be compared.
    """

    as_of: datetime
    price: Decimal
    revision: int
    currency: str | None = None
    provider: str | None = None
    volume: int | None = None
    volume_revision: int = 0
    close_price: Decimal | None = None
    previous_close: Decimal | None = None
    close_revision: int = 0
    previous_price: Decimal | None = None

    def is_comparable(self, event: StockData) -> bool:
        """Return True if the prices have the same currency, and both are real or neither is."""
        if self.provider is None:
            return True
        return self.currency == event.currency and is_real(self.provider) == is_real(event.provider)

    def sample(self, metric: Metric) -> Sample | None:
        """Return a number that needs no window, or None if no event had it."""
        if metric.kind == Kind.PRICE:
            return Sample(self.price)
        if metric.kind == Kind.VOLUME:
            return None if self.volume is None else Sample(Decimal(self.volume))
        if metric.kind == Kind.SILENCE or self.close_price is None:
            return None
        return Sample(self.close_price, self.previous_close)

    def revision_of(self, metric: Metric) -> int:
        """Return the revision of the rules that were evaluated on a number."""
        if metric.kind == Kind.VOLUME:
            return self.volume_revision
        is_since_close = metric.window is None and metric.kind in (Kind.PERCENT, Kind.AMOUNT)
        return self.close_revision if is_since_close else self.revision

    @property
    def oldest_revision(self) -> int:
        """Return the least revision of a number; newer rules have not been evaluated on every number."""
        volume = self.revision if self.volume is None else self.volume_revision
        close = self.revision if self.close_price is None else self.close_revision
        return min(self.revision, volume, close)


# Before the first event of a symbol.
_NOTHING = Watermark(EPOCH, Decimal(0), 0)


def watermark_of(event: StockData, revision: int, previous: Watermark | None = None) -> Watermark:
    """Return the watermark of an event, with the numbers that the event does not have from the previous watermark."""
    kept = previous or _NOTHING
    volume, close, price = event.volume, event.previous_close, event.price
    return Watermark(
        as_of=event.as_of,
        price=price,
        revision=revision,
        currency=event.currency,
        provider=event.provider,
        volume=kept.volume if volume is None else volume,
        volume_revision=kept.volume_revision if volume is None else revision,
        close_price=kept.close_price if close is None else price,
        previous_close=kept.previous_close if close is None else close,
        close_revision=kept.close_revision if close is None else revision,
        previous_price=None if previous is None else previous.price,
    )


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
