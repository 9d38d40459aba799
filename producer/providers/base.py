"""What a provider is, and what it delivers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Protocol, runtime_checkable

from shared.errors import ProviderError


@dataclass(frozen=True)
class Quote:
    """One price as a provider gave it: `as_of` is when the market made it, an aware datetime.

    Prices are exact decimals in `currency` (ISO 4217, None where the provider does not say); `volume` is in shares.
    """

    price: Decimal
    as_of: datetime
    currency: str | None = None
    volume: int | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    previous_close: Decimal | None = None
    market_state: str | None = None
    delayed: bool | None = None


QuoteResults = Mapping[str, Quote | ProviderError]


class Provider(Protocol):
    """A source of prices; `name` is what events call it."""

    @property
    def name(self) -> str: ...

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
        """A quote for each symbol, or why it has none, for the sync of the instant `at` (UTC).

        Asked again with the same `at`, a provider that has no market behind it gives the same quotes again. Raises
        ProviderError where it can deliver nothing at all.
        """
        ...


class Interval(Enum):
    """How far apart past prices are."""

    DAY = "1d"
    FIVE_MINUTES = "5m"

    @property
    def length(self) -> timedelta:
        return timedelta(days=1) if self is Interval.DAY else timedelta(minutes=5)


@runtime_checkable
class HistoricalProvider(Provider, Protocol):
    """A provider that has past prices too."""

    def max_range(self, interval: Interval) -> timedelta:
        """The longest time that one call of `past` may span. Raises ProviderError where it has none so far apart."""
        ...

    def history(self, symbol: str, interval: Interval, since: datetime, until: datetime) -> Sequence[Quote]:
        """The prices with since <= as_of < until (UTC), oldest first; none where there was no trading.

        A price is the close of its bar. A bar of five minutes has its end as `as_of`, a bar of a day midnight UTC of
        its date; a bar that has not ended is left out. Raises ProviderError.
        """
        ...
