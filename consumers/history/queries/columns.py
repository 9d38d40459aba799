"""Prices, candles and symbols by columns, as they are stored: times in microseconds since 1970 (UTC), prices as floats.

A DataFrame of columns takes a tenth of the time of one of rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from operator import add
from typing import Any

from consumers.history.candles import Candle
from shared.columns import Columns, Kind
from shared.times import to_micros

PRICE_KINDS: Columns = {
    "symbol": Kind.TEXT,
    "as_of": Kind.TIME,
    "price": Kind.PRICE,
    "currency": Kind.TEXT,
    "volume": Kind.INTEGER,
    "provider": Kind.TEXT,
    "observed_at": Kind.TIME,
    "interval": Kind.TEXT,
}
CANDLE_KINDS: Columns = {
    "symbol": Kind.TEXT,
    "start": Kind.TIME,
    "open": Kind.PRICE,
    "high": Kind.PRICE,
    "low": Kind.PRICE,
    "close": Kind.PRICE,
    "volume": Kind.INTEGER,
    "samples": Kind.INTEGER,
}
SYMBOL_KINDS: Columns = {
    "symbol": Kind.TEXT,
    "provider": Kind.TEXT,
    "interval": Kind.TEXT,
    "first": Kind.TIME,
    "last": Kind.TIME,
    "rows": Kind.INTEGER,
}
STATS_KINDS: Columns = {
    "symbol": Kind.TEXT,
    "first_at": Kind.TIME,
    "first": Kind.PRICE,
    "last_at": Kind.TIME,
    "last": Kind.PRICE,
    "return": Kind.NUMBER,
    "volatility": Kind.NUMBER,
    "max_drawdown": Kind.NUMBER,
    "drawdown_from": Kind.TIME,
    "drawdown_to": Kind.TIME,
    "highest_at": Kind.TIME,
    "highest": Kind.PRICE,
    "lowest_at": Kind.TIME,
    "lowest": Kind.PRICE,
    "samples": Kind.INTEGER,
}

# The values of each column, by its name.
Part = Mapping[str, Sequence[Any]]

_ROWS_PER_PART = 10_000


def price_columns(rows: Iterator[tuple[Any, ...]]) -> Iterator[Part]:
    """Yield the columns of `price_history`, in parts, for the rows of `stored_prices`."""
    while part := list(islice(rows, _ROWS_PER_PART)):
        symbol, as_of, price, currency, volume, provider, lag, interval = zip(*part, strict=True)
        yield {
            "symbol": symbol,
            "as_of": as_of,
            "price": price,
            "currency": currency,
            "volume": volume,
            "provider": provider,
            "observed_at": list(map(add, as_of, lag)),
            "interval": [each or None for each in interval],
        }


def candle_columns(symbol: str, candles: Iterator[Candle]) -> Iterator[Part]:
    """Yield the columns of candles, in parts."""
    while part := list(islice(candles, _ROWS_PER_PART)):
        start, _, *prices, volume, samples = zip(*part, strict=True)
        opened, high, low, close = prices
        yield {
            "symbol": [symbol] * len(part),
            "start": start,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "samples": samples,
        }


def columns_of_rows(columns: Columns, rows: Iterable[tuple[Any, ...]]) -> Iterator[Part]:
    """Yield the columns of a few typed rows, as one part."""
    stored = [tuple(map(_stored_value, row)) for row in rows]
    if stored:
        yield dict(zip(columns, zip(*stored, strict=True), strict=True))


def _stored_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_micros(value)
    return float(value) if isinstance(value, Decimal) else value
