"""The interface of a provider, and the quotes that it delivers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Protocol, runtime_checkable

from shared.errors import ProviderError
from shared.splits import Split


@dataclass(frozen=True)
class Quote:
    """A price from a provider; `as_of` is the time of the price at the market, an aware datetime.

    With `interval`, the price is the close of a bar of that length. Prices are exact decimals in `currency` (ISO 4217,
    None if the provider does not name it). `volume` is in shares.
    `remarks` tell people what is odd about the price; they are not published.
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
    interval: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class InvalidBar:
    """A past price that is unusable, and the reason. `as_of` is None if its time is unusable too."""

    as_of: datetime | None
    reason: str


# A quote, or the reason why there is none, by symbol.
QuoteResults = Mapping[str, Quote | ProviderError]


class Provider(Protocol):
    """A source of prices; `name` is its name in settings and events."""

    @property
    def name(self) -> str: ...

    def quotes(self, symbols: Sequence[str], at: datetime) -> QuoteResults:
        """Return a quote or an error for each symbol, for the sync at the instant `at` (UTC).

        A provider without a market behind it returns the same quotes for the same `at`. Raises ProviderError if the
        provider cannot deliver anything. Every error's message is a whole sentence that names the provider.
        """
        ...


class Interval(Enum):
    """The distance between past prices."""

    DAY = "1d"
    FIVE_MINUTES = "5m"

    @property
    def length(self) -> timedelta:
        return timedelta(days=1) if self is Interval.DAY else timedelta(minutes=5)


@runtime_checkable
class HistoricalProvider(Provider, Protocol):
    """A provider that also has past prices."""

    def max_range(self, interval: Interval) -> timedelta:
        """Return the longest range of one `history` call. Raises ProviderError if the interval is not available."""
        ...

    def history(
        self, symbol: str, interval: Interval, since: datetime, until: datetime
    ) -> Sequence[Quote | InvalidBar | Split]:
        """Return the prices with since <= as_of < until (UTC), oldest first; there are none without trading.

        Prices are as traded. The splits that the provider tells, of any time, come first. Bars that are unusable come
        last. A provider without any usable bar raises ProviderError instead.

        A price is the close of its bar. The `as_of` of a five-minute bar is its end, and that of a daily bar is
        midnight UTC of its date. A bar that has not ended is left out. Raises ProviderError.
        """
        ...
