"""What a provider is, and what it delivers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

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


class Provider(Protocol):
    """A source of prices; `name` is what events call it."""

    @property
    def name(self) -> str: ...

    def quotes(self, symbols: Sequence[str], at: datetime) -> Mapping[str, Quote | ProviderError]:
        """A quote for each symbol, or why it has none, for the sync of the instant `at` (UTC).

        Asked again with the same `at`, a provider that has no market behind it gives the same quotes again. Raises
        ProviderError where it can deliver nothing at all.
        """
        ...
