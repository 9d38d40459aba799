"""The rows that the queries of the history return, and their form in JSON and CSV."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from consumers.history.candles import Candle
from shared.prices import format_price, from_float
from shared.times import format_instant, format_sortable, from_micros


class Order(Enum):
    """The order of rows, and the rows that a limit keeps."""

    # The newest rows, oldest first.
    NEWEST = "newest"
    # The oldest rows, oldest first.
    ASCENDING = "asc"
    # The newest rows, newest first.
    DESCENDING = "desc"


class PriceRow(NamedTuple):
    """A row of `price_history`: a quote, or a bar with its `interval`. Times are in UTC."""

    symbol: str
    as_of: datetime
    price: Decimal
    currency: str | None
    volume: int | None
    provider: str
    observed_at: datetime
    interval: str | None

    @classmethod
    def of_stored(cls, row: Sequence[Any]) -> "PriceRow":
        """Return the row of symbol, `as_of`, price, currency, volume, provider, `lag` and interval, as stored."""
        symbol, as_of, price, currency, volume, provider, lag, interval = row
        return cls(
            symbol,
            from_micros(as_of),
            from_float(price),
            currency,
            volume,
            provider,
            from_micros(as_of + lag),
            interval or None,
        )

    def fields(self) -> dict[str, Any]:
        """Return the columns with price and times as text. Times have six digits of fraction, so that they sort."""
        return {
            "symbol": self.symbol,
            "as_of": format_sortable(self.as_of),
            "price": format_price(self.price),
            "currency": self.currency,
            "volume": self.volume,
            "provider": self.provider,
            "observed_at": format_sortable(self.observed_at),
            "interval": self.interval,
        }


class CandleRow(NamedTuple):
    """A candle from `start` (UTC) to before the start of the next.

    `volume` is the sum over bars, or None if no bar has one. `samples` is the number of bars and quotes; 0 means that
    the close of an earlier candle is repeated.
    """

    symbol: str
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None
    samples: int

    @classmethod
    def of_stored(cls, symbol: str, candle: Candle) -> "CandleRow":
        return cls(
            symbol,
            from_micros(candle.start),
            from_float(candle.open),
            from_float(candle.high),
            from_float(candle.low),
            from_float(candle.close),
            candle.volume,
            candle.samples,
        )

    def fields(self) -> dict[str, Any]:
        """Return the columns with prices and times as text."""
        return {
            "symbol": self.symbol,
            "start": format_instant(self.start),
            "open": format_price(self.open),
            "high": format_price(self.high),
            "low": format_price(self.low),
            "close": format_price(self.close),
            "volume": self.volume,
            "samples": self.samples,
        }


class SymbolRow(NamedTuple):
    """A stored series: the quotes of a symbol from one provider, or its bars of one interval. Times are in UTC.

    `rows` is None unless the rows were counted.
    """

    symbol: str
    provider: str
    interval: str | None
    first: datetime
    last: datetime
    rows: int | None

    def fields(self) -> dict[str, Any]:
        """Return the columns with times as text."""
        return {**self._asdict(), "first": format_sortable(self.first), "last": format_sortable(self.last)}


class StatsRow(NamedTuple):
    """Statistics of the prices of a symbol. Each price stands behind its `as_of`, in UTC.

    `total_return`, `volatility` and `max_drawdown` are fractions: 0.25 is 25 %. `volatility` is that of a year, or None
    with fewer than three days; `max_drawdown` is at most 0, and then has no dates. `samples` is the number of bars and
    quotes that count.
    """

    symbol: str
    first_at: datetime
    first: Decimal
    last_at: datetime
    last: Decimal
    total_return: float
    volatility: float | None
    max_drawdown: float
    drawdown_from: datetime | None
    drawdown_to: datetime | None
    highest_at: datetime
    highest: Decimal
    lowest_at: datetime
    lowest: Decimal
    samples: int

    def fields(self) -> dict[str, Any]:
        """Return the columns with prices and times as text, and fractions as numbers."""
        shown = {name: _as_text(value) for name, value in self._asdict().items()}
        return {"return" if name == "total_return" else name: value for name, value in shown.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_price(value)
    return format_instant(value) if isinstance(value, datetime) else value


PRICE_HISTORY_COLUMNS = PriceRow._fields
CANDLE_COLUMNS = CandleRow._fields
SYMBOL_COLUMNS = SymbolRow._fields
# The columns of all three that hold numbers.
NUMBERS = ("price", "volume", "rows", "open", "high", "low", "close", "samples")
